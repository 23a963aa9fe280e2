"""Tools over many lines: error rates, groups of lines now against before, deployments."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import JsonValue

from connectors._sampling import Line, Sample, fold, sample_note
from connectors._search_dsl.answers import deployment_changes, lines_of, mapping, rate_series, service_counts
from connectors._search_dsl.arguments import DeploymentArguments, GroupArguments, RateArguments
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.links import discover
from connectors._search_dsl.queries import (
    MOST_SERVICES,
    at_level,
    by_service_counts,
    in_span,
    lines_body,
    of_services,
    rates_body,
    step_for,
)
from connectors._search_dsl.session import DslSession
from connectors._search_dsl.tools_base import Tools
from connectors.base import Answer, Ask, tool
from connectors.model import Changes, EvidenceKind, JsonObject, Logs, SeriesSet, TimeWindow

_POINTS = 240
_SLICES = 3
_RARE_SERVICES = 8
_RARE_LINES = 100
_ENOUGH_LINES = 20
_MOST_DEPLOYMENTS = 500


class LogTools(Tools):
    """Many lines at once."""

    @tool("Error lines and all lines per service over time, with a baseline before.", returns=[EvidenceKind.SERIES])
    async def get_error_rates(self, arguments: RateArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        window = ask.span
        before = max(timedelta(minutes=arguments.baseline_minutes), window.duration)
        span = TimeWindow(start=window.start - before, end=window.end)
        fields = await self.log_fields(session)
        if fields is None:
            return session.answer(SeriesSet(series=()), window=span)
        step_s = step_for(span, points=_POINTS)
        body = rates_body(fields, span, arguments.services, step_s=step_s)
        answer = await session.search(self.logs_index, body)
        others = mapping(answer, "aggregations", "services").get("sum_other_doc_count")
        if isinstance(others, int) and others > 0:
            session.notes.append(f"only the {MOST_SERVICES} services with most errors")
        url = discover(self.settings, fields, span, services=arguments.services)
        series = rate_series(answer, span, step_s=step_s)
        return session.answer(SeriesSet(series=tuple(series)), url=url, window=span)

    @tool("Groups of similar lines per service, counted now and in the span before.", returns=[EvidenceKind.LOGS])
    async def get_log_groups(self, arguments: GroupArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        window = ask.span
        fields = await self.log_fields(session)
        if fields is None:
            return session.answer(Logs(groups=(), total=0), window=window)
        levels = [arguments.level] if arguments.level else ["error", "warn"]
        kept: list[JsonValue] = [at_level(fields, levels), *of_services(fields, arguments.services)]
        now, before = await asyncio.gather(
            self._sample(session, fields, kept, window), self._sample(session, fields, kept, window.before())
        )
        for words, sample in (("window", now), ("baseline", before)):
            if note := sample_note(words, sample):
                session.notes.append(note)
        groups = fold(now, before)
        url = discover(self.settings, fields, window, services=arguments.services)
        return session.answer(Logs(groups=tuple(groups), total=now.total), url=url, window=window)

    async def _sample(self, session: DslSession, fields: Fields, kept: list[JsonValue], span: TimeWindow) -> Sample:
        """All lines of a span or, of many, the newest, some of each third, and some of each rare service."""
        size = self.settings.sample_lines
        body = lines_body(fields, [in_span(fields, span), *kept], size=size)
        counting: JsonObject = {"aggs": by_service_counts(fields)} if fields.service else {}
        first = await session.lines(self.logs_index, {**body, **counting})
        lines, counts = lines_of(first, fields), service_counts(first)
        if len(lines) >= sum(counts.values()):
            return Sample(lines, counts)
        bodies = [lines_body(fields, [in_span(fields, part), *kept], size=size // _SLICES) for part in _thirds(span)]
        for service in _rare(lines, counts):
            wish = [in_span(fields, span), *of_services(fields, [service]), *kept]
            bodies.append(lines_body(fields, wish, size=_RARE_LINES))
        more = await asyncio.gather(*(session.lines(self.logs_index, one) for one in bodies))
        every_line = {line.id: line for answer in (first, *more) for line in lines_of(answer, fields)}
        return Sample(list(every_line.values()), counts)

    @tool("Deployments that went live in the window or before it.", returns=[EvidenceKind.CHANGES])
    async def list_deployments(self, arguments: DeploymentArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        end = ask.window.end if ask.window else ask.clock.now()
        begin = (ask.window.start if ask.window else end) - timedelta(hours=arguments.hours_before)
        span = TimeWindow(start=min(begin, end - timedelta(seconds=1)), end=end)
        index = self.settings.indices.deployments
        if not index:
            return session.answer(Changes(items=()), window=span)
        fields = await self.fields_of(index, session)
        if fields.time is None:
            session.notes.append(f"no index with a time field matches {index}")
            return session.answer(Changes(items=()), window=span)
        most = min(_MOST_DEPLOYMENTS, ask.limits.max_rows)
        documents = await self.deployment_documents(session, fields, span, services=arguments.services, most=most)
        items = deployment_changes(documents, fields, environment=self.environment)
        return session.answer(
            Changes(items=tuple(items)),
            url=discover(self.settings, fields, span, services=arguments.services),
            window=span,
        )


def _thirds(span: TimeWindow) -> list[TimeWindow]:
    step = span.duration / _SLICES
    return [TimeWindow(start=span.start + step * i, end=span.start + step * (i + 1)) for i in range(_SLICES)]


def _rare(lines: list[Line], counts: dict[str | None, int]) -> list[str]:
    """Services of which few or no lines were among the newest."""
    read: dict[str | None, int] = {}
    for line in lines:
        read[line.service] = read.get(line.service, 0) + 1
    thin = [s for s, n in counts.items() if s is not None and read.get(s, 0) < min(n, _ENOUGH_LINES)]
    return sorted(thin, key=lambda service: read.get(service, 0))[:_RARE_SERVICES]
