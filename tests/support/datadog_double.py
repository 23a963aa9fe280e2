"""Datadog's API over stored metrics, logs, spans, events and monitors: every answer is computed from them.

Shapes follow the OpenAPI and the recorded answers of Datadog's own client libraries (v1 and v2, read 2026-11).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.support.datadog_search import matches
from tests.support.http_double import Asked, HttpDouble, RefusedError

_READS = (
    "/api/v2/query/timeseries",
    "/api/v2/logs/events/search",
    "/api/v2/logs/analytics/aggregate",
    "/api/v2/spans/events/search",
    "/api/v2/spans/analytics/aggregate",
    "/api/v2/events/search",
)
_QUERY = re.compile(r"^(\w+):([\w.\-]+)\{([^}]*)\}(?: by \{([\w,]+)\})?(?:\.as_(rate|count)\(\))?$")
_TIME = {"family": "time", "scale_factor": 1e-9, "name": "nanosecond", "short_name": "ns"}


class Point(NamedTuple):
    """One stored value of a metric."""

    at_s: float
    metric: str
    tags: Mapping[str, str]
    value: float


class Doc(NamedTuple):
    """A log line, a span or an event. `facets` is what can be searched; `raw` is its `attributes` as sent."""

    at_s: float
    facets: Mapping[str, Any]
    raw: Mapping[str, Any]


class Stored(NamedTuple):
    """Everything the organisation holds."""

    points: list[Point]
    logs: list[Doc]
    spans: list[Doc]
    events: list[Doc]
    monitors: list[dict[str, Any]]
    time_metrics: frozenset[str] = frozenset()


class DatadogDouble(HttpDouble):
    """Async context manager."""

    def __init__(self, stored: Stored, *, api_key: str = "key", app_key: str = "app", page: int = 1_000) -> None:
        super().__init__()
        self.stored, self._keys, self._page = stored, (api_key, app_key), page

    def state(self) -> Any:
        return [len(self.stored.points), len(self.stored.logs), self.stored.monitors]

    async def answer(self, asked: Asked) -> Any:
        if (asked.headers.get("dd-api-key"), asked.headers.get("dd-application-key")) != self._keys:
            raise RefusedError(403, {"errors": ["Forbidden"]})
        if asked.method != "GET" and asked.path not in _READS:
            self.refused_writes.append(f"{asked.method} {asked.path}")
            raise RefusedError(403, {"errors": ["Forbidden"]})
        body = asked.body if isinstance(asked.body, dict) else {}
        match asked.path:
            case "/api/v1/validate":
                return {"valid": True}
            case "/api/v1/search":
                part = asked.query["q"].removeprefix("metrics:")
                names = sorted({p.metric for p in self.stored.points if part in p.metric})
                return {"results": {"metrics": names, "hosts": []}}
            case "/api/v1/monitor":
                size, page = int(asked.query.get("page_size", "100")), int(asked.query.get("page", "0"))
                return self.stored.monitors[page * size : (page + 1) * size]
            case "/api/v2/query/timeseries":
                return self._timeseries(body["data"]["attributes"])
            case "/api/v2/logs/events/search":
                return self._search(self.stored.logs, body, "log")
            case "/api/v2/events/search":
                return self._search(self.stored.events, body, "event")
            case "/api/v2/spans/events/search":
                return self._search(self.stored.spans, body["data"]["attributes"], "spans")
            case "/api/v2/logs/analytics/aggregate":
                buckets = _aggregate(self.stored.logs, body, "computes")
                return {"data": {"buckets": buckets}, "meta": {"status": "done", "elapsed": 3}}
            case "/api/v2/spans/analytics/aggregate":
                buckets = _aggregate(self.stored.spans, body["data"]["attributes"], "compute")
                data = [{"type": "bucket", "id": str(n), "attributes": one} for n, one in enumerate(buckets)]
                return {"data": data, "meta": {"status": "done", "elapsed": 3}}
        raise RefusedError(404, {"errors": ["Not found"]})

    def _search(self, docs: list[Doc], body: dict[str, Any], kind: str) -> Any:
        found = _within(docs, body["filter"])
        found.sort(key=lambda doc: doc.at_s, reverse=body.get("sort", "timestamp").startswith("-"))
        page = body.get("page", {})
        limit = page.get("limit", 10)
        if limit > 1_000:
            raise RefusedError(
                400, {"errors": ["input_validation_error(Field 'page.limit' is invalid: must be <= 1000)"]}
            )
        begin = int(page.get("cursor", "0"))
        end = begin + min(limit, self._page)
        data = [
            {"id": f"{kind}-{docs.index(doc)}", "type": kind, "attributes": dict(doc.raw)} for doc in found[begin:end]
        ]
        meta: dict[str, Any] = {"elapsed": 2, "status": "done"}
        if end < len(found):
            meta["page"] = {"after": str(end)}
        return {"data": data, "meta": meta}

    def _timeseries(self, wish: dict[str, Any]) -> Any:
        step_s, start, end = wish["interval"] / 1000, wish["from"] / 1000, wish["to"] / 1000
        times = [start // step_s * step_s + n * step_s for n in range(math.ceil((end - start) / step_s))]
        series, values = [], []
        for index, formula in enumerate(wish["formulas"]):
            query = next(q["query"] for q in wish["queries"] if q["name"] == formula["formula"])
            for tags, row in self._plot(query, times, step_s, start, end).items():
                unit = [_TIME, None] if _QUERY.match(query)[2] in self.stored.time_metrics else None  # type: ignore[index]
                series.append({"group_tags": list(tags), "query_index": index, "unit": unit})
                values.append(row)
        attributes = {"series": series, "times": [round(at * 1000) for at in times], "values": values}
        return {"data": {"id": "0", "type": "timeseries_response", "attributes": attributes}}

    def _plot(self, query: str, times: list[float], step_s: float, start: float, end: float) -> dict[Any, list[Any]]:
        parsed = _QUERY.match(query)
        if parsed is None:
            raise RefusedError(400, {"errors": [f"Rule 'metric' didn't match at '{query[:20]}' (line 1, col 1)."]})
        how, metric, scope, by, shape = parsed.groups()
        groups: dict[Any, dict[float, list[float]]] = {}
        for point in self.stored.points:
            if point.metric == metric and start <= point.at_s < end and _in_scope(scope, point.tags):
                key = tuple(f"{tag}:{point.tags.get(tag, 'N/A')}" for tag in (by or "").split(",") if tag)
                groups.setdefault(key, {}).setdefault(point.at_s // step_s * step_s, []).append(point.value)
        return {
            key: [_reduce(how, cells[at], shape, step_s) if at in cells else None for at in times]
            for key, cells in groups.items()
        }


def _in_scope(scope: str, tags: Mapping[str, str]) -> bool:
    for part in re.split(r",(?![^(]*\))| AND ", scope):
        if among := re.match(r"(\w+) IN \(([^)]*)\)", part.strip()):
            if tags.get(among[1]) not in among[2].split(","):
                return False
        elif part.strip() not in ("*", ""):
            key, _, value = part.strip().partition(":")
            if tags.get(key) != value:
                return False
    return True


def _reduce(how: str, values: list[float], shape: str | None, step_s: float) -> float:
    if how.startswith("p"):
        return sorted(values)[min(len(values) - 1, int(len(values) * int(how[1:]) / 100))]
    found = {"sum": sum(values), "avg": sum(values) / len(values), "max": max(values), "min": min(values)}[how]
    return found / step_s if shape == "rate" else found


def _within(docs: list[Doc], wish: Mapping[str, Any]) -> list[Doc]:
    start, end = (datetime.fromisoformat(wish[edge]).timestamp() for edge in ("from", "to"))
    return [doc for doc in docs if start <= doc.at_s < end and matches(wish.get("query", "*"), doc.facets)]


def _aggregate(docs: list[Doc], wish: dict[str, Any], key: str) -> list[dict[str, Any]]:
    facets = [group["facet"] for group in wish.get("group_by", [])]
    groups: dict[Any, list[Doc]] = {}
    for doc in _within(docs, wish["filter"]):
        if all(doc.facets.get(facet) is not None for facet in facets):
            groups.setdefault(tuple(doc.facets[facet] for facet in facets), []).append(doc)
    ordered = sorted(groups.items(), key=lambda pair: -len(pair[1]))
    return [
        {
            "by": dict(zip(facets, values, strict=True)),
            key: {f"c{n}": _compute(found, one) for n, one in enumerate(wish["compute"])},
        }
        for values, found in ordered
    ]


def _compute(docs: list[Doc], wish: Mapping[str, Any]) -> Any:
    if wish["type"] == "timeseries":
        step_s = float(wish["interval"].removesuffix("s"))
        counts: dict[float, int] = {}
        for doc in docs:
            counts[doc.at_s // step_s * step_s] = counts.get(doc.at_s // step_s * step_s, 0) + 1
        return [
            {
                "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "value": n,
            }
            for at, n in sorted(counts.items())
        ]
    if wish["aggregation"] == "count":
        return len(docs)
    values = sorted(float(doc.facets[wish["metric"]]) for doc in docs)
    rank = {"median": 50, "pc95": 95, "pc99": 99}[wish["aggregation"]]
    return values[min(len(values) - 1, len(values) * rank // 100)]
