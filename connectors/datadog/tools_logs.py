"""Tools over logs: rates, groups, search, counts, one trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from connectors._json import listed, mapping, moment, text, whole
from connectors._reading import Reading
from connectors._sampling import (
    LEVELS,
    Line,
    Sample,
    fold,
    level_of,
    line_rows,
    merged,
    rare_services,
    rate_series,
    sample_note,
    step_for,
)
from connectors.base import Answer, Ask, tool
from connectors.datadog import api
from connectors.datadog.arguments import (
    GroupArguments,
    LogCountArguments,
    LogSearchArguments,
    SignalArguments,
    TraceArguments,
)
from connectors.datadog.links import logs_link
from connectors.datadog.tools_base import LANGUAGE, Tools
from connectors.model import Column, EvidenceKind, JsonObject, Logs, Rows, SeriesSet, TimeWindow

_PATH = "/api/v2/logs/events/search"
_POINTS = 120
_RARE_LINES = 100
_SLICES = 3
_TRACE_LINES = 1_000
_TRACE_MARGIN = timedelta(hours=1)
_COUNT: JsonObject = {"aggregation": "count", "type": "total"}


class LogTools(Tools):
    """Reads lines."""

    @tool("Error lines and all lines per service over time, with a baseline before.", returns=[EvidenceKind.SERIES])
    async def get_error_rates(self, arguments: SignalArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.with_baseline(ask, arguments.baseline_minutes or 1)
        step_s = max(10, step_for(span, points=_POINTS))
        clauses = self.clauses(arguments.services)
        failing = " ".join([*clauses, _at_levels(["error"])])
        every, errors = await asyncio.gather(
            self._counts(reading, " ".join(clauses), span, step_s), self._counts(reading, failing, span, step_s)
        )
        series = rate_series("log_error_rate", {s: errors.get(s, {}) for s in every}, span, step_s=step_s)
        series += rate_series("log_rate", every, span, step_s=step_s)
        url = logs_link(self.config, failing, span)
        return reading.answer(SeriesSet(series=tuple(series)), language=LANGUAGE, url=url, window=span)

    async def _counts(
        self, reading: Reading, query: str, span: TimeWindow, step_s: int
    ) -> dict[str | None, dict[float, float]]:
        compute: JsonObject = {"aggregation": "count", "type": "timeseries", "interval": f"{step_s}s"}
        found = await api.aggregate(reading, kind="logs", query=query, span=span, compute=[compute], by=["service"])
        return {
            bucket.by.get("service"): {
                at.timestamp() // step_s * step_s: float(whole(point.get("value")))
                for point in listed(bucket.values.get("c0"))
                if (at := moment(point.get("time")))
            }
            for bucket in found
        }

    @tool("Groups of similar lines per service, counted now and in the span before.", returns=[EvidenceKind.LOGS])
    async def get_log_groups(self, arguments: GroupArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        levels: list[str] = [arguments.level] if arguments.level else ["error", "warn"]
        query = " ".join([*self.clauses(arguments.services), _at_levels(levels)])
        now, before = await asyncio.gather(
            self._sample(reading, query, window), self._sample(reading, query, window.before())
        )
        reading.note(sample_note("window", now))
        reading.note(sample_note("baseline", before))
        groups = Logs(groups=tuple(fold(now, before)), total=now.total)
        url = logs_link(self.config, query, window)
        return reading.answer(groups, language=LANGUAGE, url=url, window=window)

    async def _sample(self, reading: Reading, query: str, span: TimeWindow) -> Sample:
        """All lines of a span or, of many, the newest, some of each third, and some of each rare service."""
        size = self.config.sample_lines
        newest, counted = await asyncio.gather(
            self.lines(reading, query, span, most=size),
            api.aggregate(reading, kind="logs", query=query, span=span, compute=[_COUNT], by=["service"]),
        )
        counts = {bucket.by.get("service"): whole(bucket.values.get("c0")) for bucket in counted}
        sample = Sample(newest, counts)
        if len(newest) < size or sample.is_whole:
            return Sample(newest, {})
        wishes = [(query, part, size // _SLICES) for part in _thirds(span)]
        wishes += [(f"{query} {api.among('service', [s])}", span, _RARE_LINES) for s in rare_services(sample)]
        more = await asyncio.gather(*(self.lines(reading, q, part, most=max(1, n)) for q, part, n in wishes))
        return Sample(merged(newest, *more), counts)

    @tool("Lines that hold all words of a text, newest first.", returns=[EvidenceKind.ROWS])
    async def search_logs(self, arguments: LogSearchArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.window(ask)
        query = " ".join([*self.clauses(arguments.services), *(api.quoted(word) for word in arguments.text.split())])
        return await self._table(reading, query, span, min(arguments.limit, ask.limits.max_rows))

    @tool("All lines of one trace, oldest first.", returns=[EvidenceKind.ROWS])
    async def get_trace_logs(self, arguments: TraceArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        span = TimeWindow(start=window.start - _TRACE_MARGIN, end=window.end + _TRACE_MARGIN)
        query = f"trace_id:{api.quoted(arguments.trace_id)}"
        return await self._table(reading, query, span, min(_TRACE_LINES, ask.limits.max_rows), oldest_first=True)

    async def _table(
        self, reading: Reading, query: str, span: TimeWindow, limit: int, *, oldest_first: bool = False
    ) -> Answer:
        lines = await self.lines(reading, query, span, most=limit + 1, oldest_first=oldest_first)
        if len(lines) > limit:
            reading.note(f"{'oldest' if oldest_first else 'newest'} {limit:,} lines; there are more")
        url = logs_link(self.config, query, span)
        return reading.answer(line_rows(lines[:limit]), language=LANGUAGE, url=url, window=span)

    @tool("How many lines fit a search, by one facet.", returns=[EvidenceKind.ROWS])
    async def count_logs(self, arguments: LogCountArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.window(ask)
        query = " ".join([*self.clauses(arguments.services), *([f"({arguments.query})"] if arguments.query else [])])
        facet = arguments.by
        found = await api.aggregate(reading, kind="logs", query=query, span=span, compute=[_COUNT], by=[facet])
        rows = tuple((bucket.by.get(facet), whole(bucket.values.get("c0"))) for bucket in found)
        columns = (Column(name=facet, type="text"), Column(name="count", type="int"))
        url = logs_link(self.config, query, span)
        return reading.answer(Rows(columns=columns, rows=rows), language=LANGUAGE, url=url, window=span)

    async def lines(
        self, reading: Reading, query: str, span: TimeWindow, *, most: int, oldest_first: bool = False
    ) -> list[Line]:
        """Lines page by page."""
        sort = "timestamp" if oldest_first else "-timestamp"
        body: JsonObject = {"filter": api.span_filter(query, span), "sort": sort}
        return [_line(entry) for entry in await api.pages(reading, _PATH, body, most=most)]


def _at_levels(levels: Sequence[str]) -> str:
    words = [word for level in levels for word in LEVELS.get(level, (level,))]
    return f"status:({' OR '.join(words)})"


def _thirds(span: TimeWindow) -> list[TimeWindow]:
    step = span.duration / _SLICES
    return [TimeWindow(start=span.start + step * i, end=span.start + step * (i + 1)) for i in range(_SLICES)]


def _line(entry: JsonObject) -> Line:
    outer = mapping(entry, "attributes")
    inner, tags = mapping(outer, "attributes"), api.tag_map(outer.get("tags"))
    trace = text(inner, "trace_id") or text(inner, "dd", "trace_id") or text(inner, "otel", "trace_id")
    return Line(
        id=text(entry, "id") or "",
        at=moment(outer.get("timestamp")),
        service=text(outer, "service") or tags.get("service"),
        level=level_of(text(outer, "status")),
        message=text(outer, "message") or "",
        trace=trace or tags.get("trace_id"),
        host=text(outer, "host"),
    )
