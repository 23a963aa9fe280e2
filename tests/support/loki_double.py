"""A Loki 3 over a list of lines: LogQL is evaluated, limits and errors are those of the server.

Shapes follow https://grafana.com/docs/loki/latest/reference/loki-http-api/ and `pkg/loghttp` (read 2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.support.http_double import Asked, HttpDouble, RefusedError

MAX_ENTRIES = 5_000
_STRING = r'"(?:\\.|[^"\\])*"|`[^`]*`'
_COUNTED = re.compile(
    r"^\s*sum(?: by \((?P<by>[\w, ]+)\))? ?\((?P<fn>count_over_time|rate) ?"
    r"\((?P<lines>.*) ?\[(?P<range>[\dmsh]+)\]\)\)\s*$",
    re.DOTALL,
)
_SELECTOR = re.compile(rf"^\s*\{{(?P<body>(?:{_STRING}|[^}}\"`])*)\}}", re.DOTALL)
_MATCHER = re.compile(rf"\s*(\w+)\s*(=~|!~|!=|=)\s*({_STRING})\s*,?")
_LINE_FILTER = re.compile(rf"\s*(\|=|!=|\|~|!~)\s*({_STRING})", re.DOTALL)
_LABEL_FILTER = re.compile(rf"\s*\|\s*((?:\w+\s*(?:=~|!~|!=|=)\s*(?:{_STRING})(?:\s+or\s+)?)+)", re.DOTALL)


class LogLine(NamedTuple):
    """A stored line; `metadata` is structured metadata, which is not part of the stream."""

    at_s: float
    labels: dict[str, str]
    text: str
    metadata: Mapping[str, str] = MappingProxyType({})


class LokiDouble(HttpDouble):
    """Async context manager."""

    def __init__(self, lines: list[LogLine], *, tenant: str = "acme", token: str | None = None) -> None:
        super().__init__()
        self.lines = lines
        self._tenant, self._token = tenant, token

    def state(self) -> Any:
        return [line.text for line in self.lines]

    async def answer(self, asked: Asked) -> Any:
        if self._token and asked.headers.get("authorization") != f"Bearer {self._token}":
            raise RefusedError(401, "invalid token")
        if asked.headers.get("x-scope-orgid") != self._tenant:
            raise RefusedError(401, "no org id")
        if asked.method != "GET":
            self.refused_writes.append(f"{asked.method} {asked.path}")
            raise RefusedError(405, "method not allowed")
        if asked.path == "/loki/api/v1/status/buildinfo":
            return {"version": "3.4.1", "revision": "abc"}
        if asked.path == "/loki/api/v1/labels":
            return {"status": "success", "data": sorted({k for line in self._in(asked) for k in line.labels})}
        if found := re.fullmatch(r"/loki/api/v1/label/(\w+)/values", asked.path):
            values = {line.labels[found[1]] for line in self._in(asked) if found[1] in line.labels}
            return {"status": "success", "data": sorted(values)}
        if asked.path in ("/loki/api/v1/query", "/loki/api/v1/query_range"):
            return {"status": "success", "data": {**self._query(asked), "stats": {}}}
        raise RefusedError(404, "404 page not found")

    def _in(self, asked: Asked) -> list[LogLine]:
        start, end = int(asked.query["start"]) / 1e9, int(asked.query["end"]) / 1e9
        return [line for line in self.lines if start <= line.at_s < end]

    def _query(self, asked: Asked) -> dict[str, Any]:
        query, limit = asked.query["query"], int(asked.query.get("limit", "100"))
        if limit > MAX_ENTRIES:
            text = f"max entries limit per query exceeded, limit > max_entries_limit ({limit} > {MAX_ENTRIES})"
            raise RefusedError(400, text)
        counted = _COUNTED.match(query)
        if counted is None:
            return self._streams(asked, query, limit)
        lines = self._matching(counted["lines"])
        by = [label.strip() for label in (counted["by"] or "").split(",") if label.strip()]
        width_s, rate = _seconds(counted["range"]), counted["fn"] == "rate"
        if asked.path.endswith("/query"):
            at_s = int(asked.query["time"]) / 1e9
            values = _count(lines, by, at_s, width_s, rate)
            result = [{"metric": dict(k), "value": [at_s, f"{v:g}"]} for k, v in values.items()]
            return {"resultType": "vector", "result": result}
        return {"resultType": "matrix", "result": _matrix(asked, lines, by, width_s, rate)}

    def _streams(self, asked: Asked, query: str, limit: int) -> dict[str, Any]:
        if asked.path.endswith("/query"):
            raise RefusedError(400, "log queries are not supported as an instant query type, please change your query")
        start, end = int(asked.query["start"]) / 1e9, int(asked.query["end"]) / 1e9
        found = [line for line in self._matching(query) if start <= line.at_s < end]
        found.sort(key=lambda line: line.at_s, reverse=asked.query.get("direction", "backward") == "backward")
        streams: dict[str, dict[str, Any]] = {}
        for line in found[:limit]:
            labels = {**line.labels, **line.metadata}
            stream = streams.setdefault(json.dumps(labels, sort_keys=True), {"stream": labels, "values": []})
            stream["values"].append([str(round(line.at_s * 1_000_000) * 1_000), line.text])
        return {"resultType": "streams", "result": list(streams.values())}

    def _matching(self, query: str) -> list[LogLine]:
        tests = _parse(query)
        return [line for line in self.lines if all(test(line) for test in tests)]


def _count(lines: list[LogLine], by: list[str], at_s: float, width_s: float, rate: bool) -> dict[Any, float]:
    values: dict[Any, float] = {}
    for line in lines:
        if at_s - width_s < line.at_s <= at_s:
            held = {**line.labels, **line.metadata}
            key = tuple((label, held[label]) for label in by if label in held)
            values[key] = values.get(key, 0) + (1 / width_s if rate else 1)
    return values


def _matrix(asked: Asked, lines: list[LogLine], by: list[str], width_s: float, rate: bool) -> list[Any]:
    start, end = int(asked.query["start"]) / 1e9, int(asked.query["end"]) / 1e9
    step_s = _seconds(asked.query["step"])
    if (end - start) / step_s > 11_000:
        raise RefusedError(400, "exceeded maximum resolution of 11,000 points per timeseries.")
    series: dict[Any, list[Any]] = {}
    at_s = start
    while at_s <= end:
        for key, value in _count(lines, by, at_s, width_s, rate).items():
            series.setdefault(key, []).append([at_s, f"{value:g}"])
        at_s += step_s
    return [{"metric": dict(key), "values": values} for key, values in series.items()]


def _seconds(text: str) -> float:
    unit = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600}
    return sum(float(n) * unit[u] for n, u in re.findall(r"([\d.]+)(ms|s|m|h)", text))


def _parse(query: str) -> list[Callable[[LogLine], bool]]:
    selector = _SELECTOR.match(query)
    if selector is None:
        raise RefusedError(400, "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER")
    matchers = _MATCHER.findall(selector["body"])
    if not any(
        _compare(op, _unquote(value), "x") != _compare(op, _unquote(value), "") or op == "="
        for _, op, value in matchers
    ):
        raise RefusedError(400, "queries require at least one regexp or equality matcher that does not match empty")
    tests = [_label_test([(name, op, _unquote(value))]) for name, op, value in matchers]
    at = selector.end()
    while query[at:].strip():
        if found := _LINE_FILTER.match(query, at):
            tests.append(_line_test(found[1], _unquote(found[2])))
        elif found := _LABEL_FILTER.match(query, at):
            parts = re.findall(rf"(\w+)\s*(=~|!~|!=|=)\s*({_STRING})", found[1])
            tests.append(_label_test([(name, op, _unquote(value)) for name, op, value in parts]))
        else:
            raise RefusedError(400, f"parse error at line 1, col {at + 1}: syntax error: unexpected character")
        at = found.end()
    return tests


def _label_test(alternatives: list[tuple[str, str, str]]) -> Callable[[LogLine], bool]:
    return lambda line: any(_compare(op, value, _held(line).get(name, "")) for name, op, value in alternatives)


def _line_test(op: str, value: str) -> Callable[[LogLine], bool]:
    return lambda line: _filter(op, value, line.text)


def _held(line: LogLine) -> dict[str, str]:
    return {**line.labels, **line.metadata}


def _compare(op: str, wanted: str, value: str) -> bool:
    match op:
        case "=":
            return value == wanted
        case "!=":
            return value != wanted
        case "=~":
            return re.fullmatch(wanted, value) is not None
        case _:
            return re.fullmatch(wanted, value) is None


def _filter(op: str, wanted: str, text: str) -> bool:
    match op:
        case "|=":
            return wanted in text
        case "!=":
            return wanted not in text
        case "|~":
            return re.search(wanted, text) is not None
        case _:
            return re.search(wanted, text) is None


def _unquote(text: str) -> str:
    return text[1:-1] if text.startswith("`") else str(json.loads(text))
