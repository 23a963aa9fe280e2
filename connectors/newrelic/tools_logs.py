"""Tools over logs: rates, groups, search, one trace."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from connectors._json import moment, text
from connectors._reading import Reading
from connectors._sampling import (
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
from connectors.model import EvidenceKind, JsonObject, Logs, SeriesSet, TimeWindow
from connectors.newrelic.arguments import GroupArguments, LogSearchArguments, SignalArguments, TraceArguments
from connectors.newrelic.nrql import MAX_BUCKETS, among, at_levels, literal, name, select, since, where, with_words
from connectors.newrelic.results import begin_of, facet_of, value_of
from connectors.newrelic.tools_base import Shape, Tools

_POINTS = 240
_SLICES = 3
_RARE_LINES = 100
_MOST_SERVICES = 100
_TRACE_LINES = 1_000
_TRACE_MARGIN = timedelta(hours=1)
_HOSTS = ("hostname", "host", "host.name", "pod_name")


class LogTools(Tools):
    """Reads lines."""

    @tool("Error lines and all lines per service over time, with a baseline before.", returns=[EvidenceKind.SERIES])
    async def get_error_rates(self, arguments: SignalArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.with_baseline(ask, arguments.baseline_minutes or 1)
        shape = await self.shape(reading, span)
        step_s = step_for(span, points=min(_POINTS, MAX_BUCKETS))
        failing = at_levels(shape.level, ["error"])
        chosen = among(shape.service, arguments.services) if shape.service else ""
        facet = f" FACET {name(shape.service)}" if shape.service else ""
        picked = f"count(*) AS 'lines', filter(count(*), WHERE {failing}) AS 'errors'"
        tail = f"{facet} TIMESERIES {step_s} seconds LIMIT {_MOST_SERVICES}{since(span)}"
        nrql = select(picked, "Log", where(self.here, chosen), tail)
        counts: dict[str, dict[str | None, dict[float, float]]] = {"errors": {}, "lines": {}}
        for row in await self.run(reading, nrql):
            at = begin_of(row)
            for key, by_service in counts.items():
                if at is not None:
                    slot = at.timestamp() // step_s * step_s
                    by_service.setdefault(facet_of(row), {})[slot] = value_of(row, key) or 0.0
        series = rate_series("log_error_rate", counts["errors"], span, step_s=step_s)
        series += rate_series("log_rate", counts["lines"], span, step_s=step_s)
        return self.cited(reading, SeriesSet(series=tuple(series)), nrql, span)

    @tool("Groups of similar lines per service, counted now and in the span before.", returns=[EvidenceKind.LOGS])
    async def get_log_groups(self, arguments: GroupArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        shape = await self.shape(reading, window)
        levels: list[str] = [arguments.level] if arguments.level else ["error", "warn"]
        chosen = among(shape.service, arguments.services) if shape.service else ""
        kept = where(self.here, at_levels(shape.level, levels), chosen)
        now, before = await asyncio.gather(
            self._sample(reading, shape, kept, window), self._sample(reading, shape, kept, window.before())
        )
        reading.note(sample_note("window", now))
        reading.note(sample_note("baseline", before))
        groups = Logs(groups=tuple(fold(now, before)), total=now.total)
        return self.cited(reading, groups, select("*", "Log", kept, since(window)), window)

    async def _sample(self, reading: Reading, shape: Shape, kept: str, span: TimeWindow) -> Sample:
        """All lines of a span or, of many, the newest, some of each third, and some of each rare service."""
        size = self.config.sample_lines
        newest = await self.lines(reading, shape, kept, span, limit=size)
        if len(newest) < size:
            return Sample(newest, {})
        facet = f" FACET {name(shape.service)}" if shape.service else ""
        nrql = select("count(*) AS 'n'", "Log", kept, f"{facet} LIMIT {_MOST_SERVICES}{since(span)}")
        counts = {facet_of(row): round(value_of(row, "n") or 0) for row in await self.run(reading, nrql)}
        sample = Sample(newest, counts)
        if sample.is_whole:
            return Sample(newest, {})
        wishes = [(kept, part, max(1, size // _SLICES)) for part in _thirds(span)]
        if shape.service:
            wishes += [
                (f"{kept} AND {among(shape.service, [service])}", span, _RARE_LINES)
                for service in rare_services(sample)
            ]
        more = await asyncio.gather(*(self.lines(reading, shape, k, part, limit=n) for k, part, n in wishes))
        return Sample(merged(newest, *more), counts)

    @tool("Lines that hold all words of a text, newest first.", returns=[EvidenceKind.ROWS])
    async def search_logs(self, arguments: LogSearchArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.window(ask)
        shape = await self.shape(reading, span)
        chosen = among(shape.service, arguments.services) if shape.service else ""
        kept = where(self.here, chosen, with_words(arguments.text))
        return await self._table(reading, shape, kept, span, min(arguments.limit, ask.limits.max_rows))

    @tool("All lines of one trace, oldest first.", returns=[EvidenceKind.ROWS])
    async def get_trace_logs(self, arguments: TraceArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        span = TimeWindow(start=window.start - _TRACE_MARGIN, end=window.end + _TRACE_MARGIN)
        shape = await self.shape(reading, span)
        kept = where(f"`trace.id` = {literal(arguments.trace_id)}")
        limit = min(_TRACE_LINES, ask.limits.max_rows)
        return await self._table(reading, shape, kept, span, limit, oldest_first=True)

    async def _table(
        self, reading: Reading, shape: Shape, kept: str, span: TimeWindow, limit: int, *, oldest_first: bool = False
    ) -> Answer:
        lines = await self.lines(reading, shape, kept, span, limit=limit + 1, oldest_first=oldest_first)
        if len(lines) > limit:
            reading.note(f"{'oldest' if oldest_first else 'newest'} {limit:,} lines; there are more")
        return self.cited(reading, line_rows(lines[:limit]), select("*", "Log", kept, since(span)), span)

    async def lines(
        self, reading: Reading, shape: Shape, kept: str, span: TimeWindow, *, limit: int, oldest_first: bool = False
    ) -> list[Line]:
        picked = ["timestamp", "message", "`trace.id`", *(name(one) for one in (shape.service, shape.level) if one)]
        picked += [name(one) for one in _HOSTS]
        order = " ORDER BY timestamp ASC" if oldest_first else ""
        nrql = select(", ".join(picked), "Log", kept, f"{order} LIMIT {min(limit, 5_000)}{since(span)}")
        return [_line(row, shape, index) for index, row in enumerate(await self.run(reading, nrql))]


def _thirds(span: TimeWindow) -> list[TimeWindow]:
    step = span.duration / _SLICES
    return [TimeWindow(start=span.start + step * i, end=span.start + step * (i + 1)) for i in range(_SLICES)]


def _line(row: JsonObject, shape: Shape, index: int) -> Line:
    at, message = moment(row.get("timestamp"), unit_s=0.001), text(row, "message") or ""
    service = text(row, shape.service) if shape.service else None
    host = next((found for one in _HOSTS if (found := text(row, one))), None)
    level = text(row, shape.level) if shape.level else None
    # Lines have no id of their own here; equal lines of one millisecond and host are told apart within an answer only.
    same = f"{row.get('timestamp')}/{service}/{host}/{message}"
    return Line(same if at else f"{index}/{same}", at, service, level_of(level), message, text(row, "trace.id"), host)
