"""Tools over single lines: search with context, lines of a trace, first and last seen, a guarded request."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from pydantic import JsonValue

from connectors._guarded import guarded
from connectors._sampling import Line
from connectors._search_dsl.answers import (
    LINE_COLUMNS,
    count_of,
    hits_of,
    line_rows,
    lines_of,
    listed,
    mapping,
    moment,
    total_of,
)
from connectors._search_dsl.arguments import (
    OfServices,
    QueryArguments,
    RunbookArguments,
    SearchArguments,
    SeenArguments,
    TraceArguments,
)
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.links import discover
from connectors._search_dsl.queries import every, in_span, lines_body, of_services, time_text, with_text
from connectors._search_dsl.session import DslSession
from connectors._search_dsl.shared_traces import SHARED_COLUMNS, shared_rows
from connectors._search_dsl.tools_base import Tools
from connectors.base import Answer, Ask, tool
from connectors.guards import GuardLimits
from connectors.model import Column, EvidenceKind, JsonObject, Rows, Text, TimeWindow

_MOST_WITH_CONTEXT = 5
_CONTEXT_SPAN = timedelta(minutes=5)
_TRACE_LINES = 1_000
_TRACE_MARGIN = timedelta(hours=1)


class SearchTools(Tools):
    """Single lines."""

    @tool("Lines that hold all words of a text, newest first, with lines around them.", returns=[EvidenceKind.ROWS])
    async def search_logs(self, arguments: SearchArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        fields = await self.log_fields(session)
        if fields is None:
            return session.answer(Rows(columns=LINE_COLUMNS, rows=()), window=ask.window)
        filters: list[JsonValue] = [*with_text(fields, arguments.text), *of_services(fields, arguments.services)]
        filters += [in_span(fields, ask.window)] if ask.window else []
        size = min(arguments.limit, ask.limits.max_rows)
        answer = await session.lines(self.logs_index, lines_body(fields, filters, size=size))
        lines, total = lines_of(answer, fields), total_of(answer)
        if total > len(lines):
            session.notes.append(f"newest {len(lines):,} of {total:,} lines")
        if arguments.context_lines:
            lines = await self._with_context(session, fields, lines, arguments.context_lines)
        url = discover(self.settings, fields, ask.window, services=arguments.services, words=arguments.text)
        return session.answer(line_rows(lines), url=url, window=ask.window)

    async def _with_context(self, session: DslSession, fields: Fields, lines: list[Line], around: int) -> list[Line]:
        """The lines with their neighbours of the same host (or service), in order of time."""
        chosen = [line for line in lines if line.at][:_MOST_WITH_CONTEXT]
        wishes = [_neighbours(fields, line, around, after=after) for line in chosen for after in (False, True)]
        answers = await asyncio.gather(*(session.lines(self.logs_index, body) for body in wishes))
        found = {line.id: line for answer in answers for line in lines_of(answer, fields)}
        found |= {line.id: line for line in lines}
        return sorted(found.values(), key=lambda line: line.at.timestamp() if line.at else 0.0)

    @tool("All lines of one trace, oldest first.", returns=[EvidenceKind.ROWS])
    async def get_trace_logs(self, arguments: TraceArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        fields = await self.log_fields(session)
        if fields is None:
            return session.answer(Rows(columns=LINE_COLUMNS, rows=()), window=ask.window)
        span = _wider(ask.window)
        named: list[JsonValue] = (
            [{"term": {fields.trace: {"value": arguments.trace_id}}}]
            if fields.trace
            else with_text(fields, arguments.trace_id)
        )
        filters = named + ([in_span(fields, span)] if span else [])
        size = min(_TRACE_LINES, ask.limits.max_rows)
        answer = await session.lines(self.logs_index, lines_body(fields, filters, size=size, newest_first=False))
        lines, total = lines_of(answer, fields), total_of(answer)
        if total > len(lines):
            session.notes.append(f"oldest {len(lines):,} of {total:,} lines")
        url = discover(self.settings, fields, span, words="")
        return session.answer(line_rows(lines), url=url, window=span)

    @tool("When lines with a text were first and last seen, and how many, per service.", returns=[EvidenceKind.ROWS])
    async def first_seen(self, arguments: SeenArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        fields = await self.log_fields(session)
        columns = tuple(Column(name=name) for name in ("service", "count", "first", "last", "example"))
        if fields is None or fields.time is None:
            return session.answer(Rows(columns=columns, rows=()))
        filters = [*with_text(fields, arguments.text), *of_services(fields, arguments.services)]
        answer = await session.search(self.logs_index, _seen_body(fields, filters))
        aggregations = mapping(answer, "aggregations")
        buckets = listed(mapping(aggregations, "services").get("buckets"))
        whole: list[JsonObject] = [{"key": None, "doc_count": total_of(answer), **aggregations}]
        buckets = buckets or (whole if total_of(answer) else [])
        example = next((line.message for line in lines_of(answer, fields)), None)
        rows = tuple(_seen_row(bucket, example) for bucket in buckets)
        url = discover(self.settings, fields, None, services=arguments.services, words=arguments.text)
        return session.answer(Rows(columns=columns, rows=rows), url=url)

    @tool("Services that failed in the same requests, and which failed first.", returns=[EvidenceKind.ROWS])
    async def correlate_errors(self, arguments: OfServices, ask: Ask) -> Answer:
        session = await self.session(ask)
        window, columns = ask.span, tuple(Column(name=name) for name in SHARED_COLUMNS)
        fields = await self.log_fields(session)
        if fields is None or fields.trace is None or fields.service is None:
            session.notes.append("lines carry no trace ids or no service, so requests cannot be matched")
            return session.answer(Rows(columns=columns, rows=()), window=window)
        rows = shared_rows(await self.failures_by_trace(session, fields, window), set(arguments.services))
        url = discover(self.settings, fields, window, services=arguments.services)
        return session.answer(Rows(columns=columns, rows=rows), url=url, window=window)

    @tool("Runbooks that fit some words, best first.", returns=[EvidenceKind.ROWS])
    async def search_runbooks(self, arguments: RunbookArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        columns = tuple(Column(name=name) for name in ("title", "text", "score", "id"))
        index = self.settings.indices.runbooks
        if not index:
            return session.answer(Rows(columns=columns, rows=()))
        words: JsonObject = {"query": arguments.text, "fields": list(_RUNBOOK_FIELDS)}
        size = min(arguments.limit, ask.limits.max_rows)
        answer = await session.search(index, {"size": size, "query": {"multi_match": words}})
        rows = tuple(_runbook_row(hit) for hit in hits_of(answer))
        return session.answer(Rows(columns=columns, rows=rows))

    @tool("Run one reading request of the REST API, after the guard.", returns=[EvidenceKind.TEXT, EvidenceKind.ROWS])
    async def run_query(self, arguments: QueryArguments, ask: Ask) -> Answer:
        limits = GuardLimits(max_rows=ask.limits.max_rows, max_hits=ask.limits.max_rows)
        judged = guarded(arguments.request, dialect="elasticsearch", limits=limits)
        request = json.loads(judged.text)
        session = await self.session(ask)
        session.notes += judged.notes
        answer = await session.get(str(request["method"]), str(request["path"]), body=request.get("body"))
        if isinstance(answer, dict) and isinstance(answer.get("hits"), dict) and "aggregations" not in answer:
            return session.answer(_hit_rows(answer), window=ask.window)
        return session.answer(Text(text=_as_text(answer)), window=ask.window)


_RUNBOOK_FIELDS = ("title^3", "tags^2", "symptoms^2", "content", "body", "text")
_RUNBOOK_CHARS = 2_000


def _runbook_row(hit: JsonObject) -> tuple[JsonValue, ...]:
    source = mapping(hit, "_source")
    body = next((v for key in ("content", "body", "text") if isinstance(v := source.get(key), str)), "")
    return source.get("title"), body[:_RUNBOOK_CHARS], hit.get("_score"), hit.get("_id")


def _neighbours(fields: Fields, line: Line, around: int, *, after: bool) -> JsonObject:
    assert line.at is not None
    margin = timedelta(milliseconds=1)
    span = (
        TimeWindow(start=line.at, end=line.at + _CONTEXT_SPAN)
        if after
        else TimeWindow(start=line.at - _CONTEXT_SPAN, end=line.at + margin)
    )
    same: list[JsonValue] = []
    if line.host and fields.host:
        same = [{"term": {fields.host: {"value": line.host}}}]
    elif line.service:
        same = of_services(fields, [line.service])
    return lines_body(fields, [in_span(fields, span), *same], size=around + 1, newest_first=not after)


def _wider(window: TimeWindow | None) -> TimeWindow | None:
    return TimeWindow(start=window.start - _TRACE_MARGIN, end=window.end + _TRACE_MARGIN) if window else None


def _seen_body(fields: Fields, filters: list[JsonValue]) -> JsonObject:
    edges: JsonObject = {"first": {"min": {"field": fields.time}}, "last": {"max": {"field": fields.time}}}
    aggs = edges
    if fields.service:
        aggs = {"services": {"terms": {"field": fields.service, "size": 50}, "aggs": edges}, **edges}
    body = lines_body(fields, filters, size=1, newest_first=False)
    return {**body, "query": every(filters), "aggs": aggs}


def _seen_row(bucket: JsonObject, example: str | None) -> tuple[JsonValue, ...]:
    key = bucket.get("key")
    first, last = (moment(mapping(bucket, edge).get("value")) for edge in ("first", "last"))
    service = str(key) if key is not None else None
    return (
        service,
        count_of(bucket),
        time_text(first) if first else None,
        time_text(last) if last else None,
        example,
    )


def _hit_rows(answer: JsonObject) -> Rows:
    """Hits as a table: index, id, and each top-level field that any hit has."""
    hits = hits_of(answer)
    names = sorted({name for hit in hits for name in mapping(hit, "_source")})
    rows = tuple(
        (hit.get("_index"), hit.get("_id"), *(mapping(hit, "_source").get(name) for name in names)) for hit in hits
    )
    return Rows(columns=tuple(Column(name=name) for name in ("_index", "_id", *names)), rows=rows)


def _as_text(answer: JsonValue) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, indent=1)
