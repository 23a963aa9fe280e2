"""Tools over many lines: error rates, groups of lines now against before, search, a trace, first and last seen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from connectors._json import iso
from connectors._reading import Reading
from connectors._sampling import (
    Line,
    Sample,
    fold,
    line_rows,
    merged,
    rare_services,
    rate_series,
    sample_note,
    step_for,
)
from connectors.base import Answer, Ask, tool
from connectors.loki import api
from connectors.loki.arguments import GroupArguments, RateArguments, SearchArguments, SeenArguments, TraceArguments
from connectors.loki.links import explore_link
from connectors.loki.queries import TRACE_LABELS, Shape, at_levels, counted, literal, selector, with_words
from connectors.loki.tools_base import Tools
from connectors.model import Column, EvidenceKind, Logs, Rows, SeriesSet, TimeWindow

_POINTS = 240
_SLICES = 3
_RARE_LINES = 100
_TRACE_LINES = 1_000
_TRACE_MARGIN = timedelta(hours=1)
_SEEN_COLUMNS = tuple(Column(name=name) for name in ("service", "count", "first", "last", "example"))


class LogTools(Tools):
    """Reads lines by typed questions."""

    @tool("Error lines and all lines per service over time, with a baseline before.", returns=[EvidenceKind.SERIES])
    async def get_error_rates(self, arguments: RateArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        before = max(timedelta(minutes=arguments.baseline_minutes), window.duration)
        span = self.allowed(TimeWindow(start=window.start - before, end=window.end))
        shape = await self.shape(reading, span)
        if shape is None:
            return reading.answer(SeriesSet(series=()), language=api.LANGUAGE, window=span)
        step_s = step_for(span, points=_POINTS)
        streams = selector(shape, arguments.services)
        failing = streams + at_levels(shape, ["error"])
        every, errors = await asyncio.gather(
            self._counts(reading, shape, streams, span, step_s), self._counts(reading, shape, failing, span, step_s)
        )
        errors = {service: errors.get(service, {}) for service in every}
        series = rate_series("log_error_rate", errors, span, step_s=step_s)
        series += rate_series("log_rate", every, span, step_s=step_s)
        url = explore_link(self.config, counted(shape, failing, step_s), span)
        return reading.answer(SeriesSet(series=tuple(series)), language=api.LANGUAGE, url=url, window=span)

    async def _counts(
        self, reading: Reading, shape: Shape, lines: str, span: TimeWindow, step_s: int
    ) -> dict[str | None, dict[float, float]]:
        """Lines by service and start of step; Loki names a step by its end."""
        end = TimeWindow(start=span.start, end=span.end + timedelta(seconds=step_s))
        found = await api.query_range(reading, counted(shape, lines, step_s), end, step_s=step_s, limit=100)
        return {
            one.labels.get(shape.service): {at_s - step_s: value for at_s, value in one.points if value is not None}
            for one in found.samples
        }

    @tool("Groups of similar lines per service, counted now and in the span before.", returns=[EvidenceKind.LOGS])
    async def get_log_groups(self, arguments: GroupArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.allowed(self.window(ask))
        shape = await self.shape(reading, window)
        if shape is None:
            return reading.answer(Logs(groups=(), total=0), language=api.LANGUAGE, window=window)
        levels: list[str] = [arguments.level] if arguments.level else ["error", "warn"]
        lines = selector(shape, arguments.services) + at_levels(shape, levels)
        now, before = await asyncio.gather(
            self._sample(reading, shape, levels, window, lines),
            self._sample(reading, shape, levels, window.before(), lines),
        )
        reading.note(sample_note("window", now))
        reading.note(sample_note("baseline", before))
        groups = Logs(groups=tuple(fold(now, before)), total=now.total)
        url = explore_link(self.config, lines, window)
        return reading.answer(groups, language=api.LANGUAGE, url=url, window=window)

    async def _sample(self, reading: Reading, shape: Shape, levels: list[str], span: TimeWindow, lines: str) -> Sample:
        """All lines of a span or, of many, the newest, some of each third, and some of each rare service."""
        size = self.config.sample_lines
        exact = counted(shape, lines, span.duration.total_seconds())
        entries, counts = await asyncio.gather(
            api.query_lines(reading, lines, span, limit=size),
            api.query_instant(reading, exact, span.end.timestamp()),
        )
        by_service = {
            one.labels.get(shape.service): round(one.points[0][1] or 0) for one in counts.samples if one.points
        }
        sample = Sample(self.lines(entries, shape), by_service)
        if len(entries) < size or sample.is_whole:
            # Lines that arrived between the two questions are no sample.
            return Sample(sample.lines, {})
        wishes = [(lines, part, size // _SLICES) for part in _thirds(span)]
        stage = at_levels(shape, levels)
        wishes += [(selector(shape, [service]) + stage, span, _RARE_LINES) for service in rare_services(sample)]
        more = await asyncio.gather(*(api.query_lines(reading, q, part, limit=n) for q, part, n in wishes))
        return Sample(merged(sample.lines, *(self.lines(part, shape) for part in more)), by_service)

    @tool("Lines that hold all words of a text, newest first.", returns=[EvidenceKind.ROWS])
    async def search_logs(self, arguments: SearchArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.allowed(self.window(ask))
        limit = min(arguments.limit, ask.limits.max_rows)
        return await self._lines(reading, span, arguments.services, with_words(arguments.text), limit)

    @tool("All lines of one trace, oldest first.", returns=[EvidenceKind.ROWS])
    async def get_trace_logs(self, arguments: TraceArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        span = self.allowed(TimeWindow(start=window.start - _TRACE_MARGIN, end=window.end + _TRACE_MARGIN))
        shape = await self.shape(reading, span)
        if shape is None:
            return reading.answer(line_rows(()), language=api.LANGUAGE, window=span)
        limit, wanted = min(_TRACE_LINES, ask.limits.max_rows), literal(arguments.trace_id)
        beside = " or ".join(f"{label}={wanted}" for label in TRACE_LABELS)
        within = f"{selector(shape)} |= {wanted}"
        found = await asyncio.gather(
            *(
                api.query_lines(reading, logql, span, limit=limit + 1, newest_first=False)
                for logql in (within, f"{selector(shape)} | {beside}")
            )
        )
        lines = sorted(merged(*(self.lines(part, shape) for part in found)), key=lambda line: iso(line.at) or "")
        if len(lines) > limit:
            reading.note(f"oldest {limit:,} lines; there are more")
        url = explore_link(self.config, within, span)
        return reading.answer(line_rows(lines[:limit]), language=api.LANGUAGE, url=url, window=span)

    async def _lines(
        self,
        reading: Reading,
        span: TimeWindow,
        services: list[str],
        stages: str,
        limit: int,
    ) -> Answer:
        shape = await self.shape(reading, span)
        if shape is None:
            return reading.answer(line_rows(()), language=api.LANGUAGE, window=span)
        logql = selector(shape, services) + stages
        entries = await api.query_lines(reading, logql, span, limit=limit + 1)
        if len(entries) > limit:
            reading.note(f"newest {limit:,} lines; there are more")
        url = explore_link(self.config, logql, span)
        rows = line_rows(self.lines(entries[:limit], shape))
        return reading.answer(rows, language=api.LANGUAGE, url=url, window=span)

    @tool("When lines with a text were first and last seen, and how many, per service.", returns=[EvidenceKind.ROWS])
    async def first_seen(self, arguments: SeenArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        start = window.start - timedelta(days=arguments.days_before)
        span = self.allowed(TimeWindow(start=start, end=window.end))
        shape = await self.shape(reading, span)
        if shape is None:
            return reading.answer(Rows(columns=_SEEN_COLUMNS, rows=()), language=api.LANGUAGE, window=span)
        logql = selector(shape, arguments.services) + with_words(arguments.text)
        step_s = step_for(span, points=_POINTS)
        counts = await self._counts(reading, shape, logql, span, step_s)
        oldest, newest = await asyncio.gather(
            api.query_lines(reading, logql, span, limit=100, newest_first=False),
            api.query_lines(reading, logql, span, limit=100),
        )
        known = self.lines([*oldest, *newest], shape)
        rows = tuple(_seen(service, by_time, step_s, known) for service, by_time in counts.items())
        url = explore_link(self.config, logql, span)
        rows = tuple(sorted(rows, key=lambda row: str(row[2])))
        return reading.answer(Rows(columns=_SEEN_COLUMNS, rows=rows), language=api.LANGUAGE, url=url, window=span)


def _thirds(span: TimeWindow) -> list[TimeWindow]:
    step = span.duration / _SLICES
    return [TimeWindow(start=span.start + step * i, end=span.start + step * (i + 1)) for i in range(_SLICES)]


def _seen(
    service: str | None, by_time: dict[float, float], step_s: int, lines: list[Line]
) -> tuple[str | int | None, ...]:
    """Exact times where the line itself was read, else the step it lies in."""
    own = sorted((line for line in lines if line.service == service and line.at), key=lambda line: str(line.at))
    first, last = (datetime.fromtimestamp(edge(by_time), UTC) for edge in (min, max))
    exact_first = own[0].at if own and own[0].at and own[0].at < first + timedelta(seconds=step_s) else first
    exact_last = own[-1].at if own and own[-1].at and own[-1].at >= last else last
    example = own[0].message[:1_000] if own else None
    return service, round(sum(by_time.values())), iso(exact_first), iso(exact_last), example
