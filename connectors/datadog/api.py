"""Datadog's HTTP API, typed at the border; only reading endpoints are named here.

Sources: https://docs.datadoghq.com/api/latest/ and the OpenAPI of its client libraries (read 2026-11).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import JsonValue

from connectors._json import iso, listed, mapping, need_list, need_mapping, number, text
from connectors._reading import Reading
from connectors.base import Ask
from connectors.errors import Malformed, Throttled
from connectors.http import HttpClient, Params, Reply, retry_after_s
from connectors.model import Clock, JsonObject, TimeWindow

PAGE = 1_000
_MOST_PAGES = 10


class Plot(NamedTuple):
    """One series of a metric answer: which of the queries, its tags, unit factor of time, and its points."""

    query: int
    tags: dict[str, str]
    unit: str | None
    factor: float
    points: list[tuple[datetime, float | None]]


class Pace:
    """When Datadog said that nothing is left, nothing is sent until it said the count starts anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, datetime] = {}

    def check(self, path: str, name: str) -> None:
        until = self._until.get(path)
        wait_s = (until - self._clock.now()).total_seconds() if until else 0.0
        if wait_s > 0:
            raise Throttled(f"{name} has used up its requests; it counts anew in {wait_s:.0f} s.", retry_after_s=wait_s)

    def learn(self, path: str, reply: Reply) -> None:
        if reply.headers.get("x-ratelimit-remaining", "").strip() == "0":
            wait_s = retry_after_s(reply.headers.get("x-ratelimit-reset")) or 0.0
            self._until[path] = self._clock.now() + timedelta(seconds=min(wait_s, 3_600.0))


class DatadogReading(Reading):
    """A reading that keeps within the limits Datadog tells in every answer."""

    def __init__(self, http: HttpClient, ask: Ask, *, name: str, pace: Pace) -> None:
        super().__init__(http, ask, name=name)
        self._pace = pace

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: JsonValue = None,
        headers: dict[str, str] | None = None,  # type: ignore[override]
    ) -> Reply:
        self._pace.check(path, self.name)
        reply = await super().send(method, path, params=params, body=body, headers=headers)
        self._pace.learn(path, reply)
        return reply


async def timeseries(reading: Reading, queries: Sequence[str], span: TimeWindow, *, step_s: int) -> list[Plot]:
    """All queries in one request; series name their query by its place."""
    attributes: JsonObject = {
        "from": round(span.start.timestamp() * 1000),
        "to": round(span.end.timestamp() * 1000),
        "interval": step_s * 1000,
        "queries": [
            {"data_source": "metrics", "name": f"q{index}", "query": query} for index, query in enumerate(queries)
        ],
        "formulas": [{"formula": f"q{index}"} for index in range(len(queries))],
    }
    body: JsonObject = {"data": {"type": "timeseries_request", "attributes": attributes}}
    answer = need_mapping(await reading.post("/api/v2/query/timeseries", body, show="\n".join(queries)), reading.name)
    found = mapping(answer, "data", "attributes")
    if "series" not in found:
        raise Malformed(f"{reading.name} answered something that is no time series.")
    return _plots(found, reading.name)


def _plots(found: JsonObject, name: str) -> list[Plot]:
    times, values = found.get("times"), found.get("values")
    series = need_list(found.get("series") or [], name)
    if not isinstance(times, list) or not isinstance(values, list) or len(values) < len(series):
        if not series:
            return []
        raise Malformed(f"{name} answered a time series of an unexpected shape.")
    moments = [datetime.fromtimestamp((number(at) or 0.0) / 1000, UTC) for at in times]
    plots = []
    for one, row in zip(series, values, strict=False):
        unit, factor = _unit(one.get("unit"))
        cells = row if isinstance(row, list) else []
        points = [
            (at, None if (v := number(cell)) is None else v * factor) for at, cell in zip(moments, cells, strict=False)
        ]
        tags = one.get("group_tags")
        plots.append(Plot(int(number(one.get("query_index")) or 0), tag_map(tags), unit, factor, points))
    return plots


def _unit(value: JsonValue) -> tuple[str | None, float]:
    """Unit and factor; times become seconds."""
    first = value[0] if isinstance(value, list) and value else None
    unit = mapping(first)
    if text(unit, "family") == "time":
        return "s", number(unit.get("scale_factor")) or 1.0
    return text(unit, "short_name") or text(unit, "name"), 1.0


def tag_map(tags: JsonValue) -> dict[str, str]:
    """`["service:web", "prod"]` as a map; a tag without a value is its own value."""
    pairs = [str(tag).partition(":") for tag in tags] if isinstance(tags, list) else []
    return {key: value or key for key, _, value in pairs if value != "N/A"}


async def pages(reading: Reading, path: str, body: JsonObject, *, most: int, wrap: str = "") -> list[JsonObject]:
    """Up to `most` entries of a search, page by page along the cursor."""
    found: list[JsonObject] = []
    async for page in _pages(reading, path, body, most=most, wrap=wrap):
        found += page
    return found[:most]


async def _pages(
    reading: Reading, path: str, body: JsonObject, *, most: int, wrap: str
) -> AsyncIterator[list[JsonObject]]:
    cursor, left = None, most
    for _ in range(_MOST_PAGES):
        page: JsonObject = {"limit": min(PAGE, left)}
        if cursor:
            page["cursor"] = cursor
        asked: JsonObject = {**body, "page": page}
        sent: JsonObject = {"data": {"type": wrap, "attributes": asked}} if wrap else asked
        show = f"POST {path} {text(mapping(body, 'filter'), 'query') or '*'}"
        answer = need_mapping(await reading.post(path, sent, show=show), reading.name, "data")
        entries = need_list(answer.get("data"), reading.name)
        _warn(reading, answer)
        left -= len(entries)
        yield entries
        cursor = text(mapping(answer, "meta", "page"), "after")
        if not cursor or not entries or left <= 0:
            return


class Bucket(NamedTuple):
    """One group of an aggregate: its facets and its computed values by place."""

    by: dict[str, str]
    values: dict[str, JsonValue]


async def aggregate(
    reading: Reading, *, kind: str, query: str, span: TimeWindow, compute: Sequence[JsonObject], by: Sequence[str]
) -> list[Bucket]:
    """Computed values per group, of `logs` or `spans`; the biggest hundred groups of each facet."""
    attributes: JsonObject = {
        "compute": list(compute),
        "filter": span_filter(query, span),
        "group_by": [{"facet": facet, "limit": 100, "sort": _BY_COUNT} for facet in by],
    }
    path = f"/api/v2/{kind}/analytics/aggregate"
    show = f"POST {path} {query} by {', '.join(by) or 'nothing'}"
    if kind == "spans":
        sent: JsonObject = {"data": {"type": "aggregate_request", "attributes": attributes}}
        answer = need_mapping(await reading.post(path, sent, show=show), reading.name, "data")
        raw = [mapping(entry, "attributes") for entry in need_list(answer.get("data"), reading.name)]
    else:
        answer = need_mapping(await reading.post(path, attributes, show=show), reading.name, "data")
        raw = listed(need_mapping(answer.get("data"), reading.name, "buckets").get("buckets"))
    _warn(reading, answer)
    return [_bucket(entry) for entry in raw]


_BY_COUNT: JsonObject = {"type": "measure", "aggregation": "count", "order": "desc"}


def _bucket(entry: JsonObject) -> Bucket:
    by = {key: str(value) for key, value in mapping(entry, "by").items()}
    return Bucket(by, mapping(entry, "computes") or mapping(entry, "compute"))


def span_filter(query: str, span: TimeWindow) -> JsonObject:
    """The filter of logs, spans and events."""
    return {"query": query or "*", "from": iso(span.start), "to": iso(span.end)}


def _warn(reading: Reading, answer: JsonObject) -> None:
    meta = mapping(answer, "meta")
    if text(meta, "status") == "timeout":
        reading.note("Datadog ran out of time, so part of the data was not looked at")
    for warning in listed(meta.get("warnings")):
        reading.note(reading.http.clean(text(warning, "title") or text(warning, "detail") or "a warning"))


def quoted(words: str) -> str:
    """A phrase of the search syntax."""
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def among(facet: str, values: Sequence[str]) -> str:
    """A search clause that one of the values must hold."""
    return f"{facet}:({' OR '.join(quoted(value) for value in values)})"
