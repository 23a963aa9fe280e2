"""Questions to one source in plain words: understood by templates, guarded, explained, priced, run, kept."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rapidfuzz import fuzz

from bot.domain.access import Principal
from bot.domain.events import NewEvent
from bot.domain.evidence import ChosenBy, Evidence, ToolExecution
from bot.domain.ids import make_id
from bot.errors import InvalidRequest, NotAllowed
from bot.reasoning.ask.by_model import Drafted, QueryWriter
from bot.reasoning.ask.model import Asked, Cannot, Holding, Written
from bot.reasoning.ask.search_dsl import rows_of
from bot.reasoning.ask.write import usable, write
from bot.reasoning.reading import clean
from bot.services.ask_holdings import TOOLS, Holdings
from bot.services.ask_past import REMEMBERED, normal, same_words, usual_source
from bot.services.catalogue import Catalogue, SourceInfo
from bot.services.execute import Execute
from bot.store.query_history import PastQuery, QueryHistory
from connectors.guards import Refused, guard
from connectors.model import Clock, Frozen, JsonObject, Payload, Rows, SourceSchema, Text, TimeWindow, ToolCall

_CACHED_FOR = timedelta(minutes=5)
_MOST_CACHED = 500
_LONGEST = 3_000
_NEAR = 80.0
_LANGUAGES = {"search": "esql"}
_KNOWN = "The query that answered the same words before."
_NO_ESQL = "does not speak ES|QL"


class Answered(Frozen):
    """What came of one question. `cannot` is a sentence when there is no query or no result; `payload` then is None.

    `price` says in words what the source expects the query to cost, where it can say so before running it.
    """

    question: str
    source: str | None = None
    query: str | None = None
    language: str | None = None
    explanation: str = ""
    price: str = ""
    written_by: str = "templates"
    tokens: int = 0
    cost_usd: float = 0.0
    duration_ms: float = 0.0
    payload: Payload | None = None
    truncated: str | None = None
    url: str | None = None
    cannot: str | None = None
    suggestions: tuple[str, ...] = ()
    cached: bool = False
    dry_run: bool = False


class _Unkept:
    """Questions are kept in query_history; they have no stream of events."""

    async def record(self, events: Sequence[NewEvent], evidence: Sequence[Evidence] = ()) -> None:
        return None


@dataclass(frozen=True)
class _Draft:
    info: SourceInfo
    holding: Holding
    written: Written


class Ask:
    """`ask` never raises for what a question or a source may hold; guests and empty questions are refused."""

    def __init__(
        self,
        *,
        execute: Execute,
        catalogue: Catalogue,
        history: QueryHistory,
        clock: Clock,
        writer: QueryWriter | None = None,
    ) -> None:
        """`writer` is tried where the templates cannot answer and the source is certain."""
        self._writer = writer
        self._no_esql: set[str] = set()
        self._execute = execute
        self._catalogue = catalogue
        self._history = history
        self._clock = clock
        self._holdings = Holdings(run=self._rows, describe=self._describe, clock=clock)
        self._cache: OrderedDict[tuple[str, str, str, bool], tuple[datetime, Answered]] = OrderedDict()

    async def ask(self, text: str, *, by: Principal, source: str | None = None, dry_run: bool = False) -> Answered:
        """Answer a question; `source: question` names the source in the words."""
        if by.guest:
            raise NotAllowed("Guests cannot query sources. Ask a member of the team to do it.")
        question = clean(text)
        if not question or len(question) > _LONGEST:
            raise InvalidRequest("Ask in a sentence, for example: payment db: failed payments per hour today.")
        infos, question = self._sources(question, source)
        key = (normal(question), ",".join(i.name for i in infos), by.time_zone, dry_run)
        found = self._remembered(key)
        answered = found or await self._answer(question, infos, by=by, dry_run=dry_run)
        if found is None and answered.cannot is None:
            self._remember(key, answered)
        await self._keep(answered, by=by)
        return answered

    async def history(self, *, by: Principal, limit: int = 50) -> list[PastQuery]:
        """What this person asked, the newest first."""
        return await self._history.recent(user_id=by.id, limit=limit)

    # which source

    def _sources(self, question: str, source: str | None) -> tuple[list[SourceInfo], str]:
        askable = [info for info in self._catalogue.infos if info.type in TOOLS]
        if not askable:
            raise InvalidRequest("No source that can be asked is configured.")
        head, colon, rest = question.partition(":")
        wanted = source or (head.strip() if colon and rest.strip() and len(head.split()) <= 4 else None)
        if wanted is None:
            return askable, question
        exact = [i for i in askable if wanted.lower() in (i.name.lower(), i.type, i.name.lower().partition("/")[2])]
        near = exact or _nearest(wanted, askable)
        if not near:
            if source is None and not re.search(r"[/_]|\bdb\b|database|metrics|logs", wanted, re.I):
                return askable, question
            names = ", ".join(i.name for i in askable)
            raise InvalidRequest(f"I know no source “{wanted}” that can be asked. Known: {names}.")
        return near, (question if source else rest.strip())

    # from question to answer

    async def _answer(self, question: str, infos: Sequence[SourceInfo], *, by: Principal, dry_run: bool) -> Answered:
        asked = Asked(question, self._clock.now(), by.time_zone)
        drafts: list[_Draft] = []
        refusals: list[tuple[str, Cannot]] = []
        holding = None
        for info in infos:
            holding = await self._holding(info, question)
            written = write(asked, holding)
            if isinstance(written, Written):
                drafts.append(_Draft(info, holding, written))
            else:
                refusals.append((info.name, written))
        past = await self._history.recent(limit=REMEMBERED) if len(drafts) != 1 else []
        if len(drafts) > 1:
            usual = usual_source(question, [d.info.name for d in drafts], past)
            drafts = [d for d in drafts if d.info.name == usual] or drafts
        if len(drafts) > 1:
            names = tuple(f"{d.info.name}: {question}" for d in drafts)
            return Answered(
                question=question, cannot="Several sources could answer that. Say which.", suggestions=names
            )
        if drafts:
            return await self._run(question, drafts[0], dry_run=dry_run)
        refused = _refused(question, refusals)
        if len(infos) != 1 or holding is None or not usable(question):
            return refused
        if query := same_words(question, infos[0].name, past):
            known = Written(query, _LANGUAGES.get(holding.language, holding.language), _KNOWN)
            return await self._run(question, _Draft(infos[0], holding, known), dry_run=dry_run)
        if self._writer is None:
            return refused
        drafted = await self._writer.write(asked, holding)
        return await self._by_model(refused, infos[0], holding, drafted, dry_run=dry_run)

    async def _by_model(
        self, refused: Answered, info: SourceInfo, holding: Holding, drafted: Drafted, *, dry_run: bool
    ) -> Answered:
        """The model's query run, or what the templates said when it wrote none; what it took is told either way."""
        if drafted.written is None:
            told = f"{refused.cannot} {drafted.why_not}".strip() if drafted.why_not else refused.cannot
            return refused.model_copy(update={"cannot": told, "cost_usd": drafted.usd, "tokens": drafted.tokens})
        done = await self._run(refused.question, _Draft(info, holding, drafted.written), dry_run=dry_run)
        spent = {"cost_usd": done.cost_usd + drafted.usd, "tokens": drafted.tokens, "written_by": "claude"}
        return done.model_copy(update=spent)

    async def _run(self, question: str, draft: _Draft, *, dry_run: bool) -> Answered:
        written, info = draft.written, draft.info
        base = Answered(
            question=question,
            source=info.name,
            query=written.query,
            language=written.language,
            explanation=written.explanation,
            dry_run=dry_run,
        )
        judged = guard(written.query, dialect=draft.holding.dialect)
        if isinstance(judged, Refused):
            return base.model_copy(update={"cannot": f"The guard refused the query: {judged.reason}"})
        base = base.model_copy(update={"price": await self._price(draft)})
        if dry_run:
            return base
        execution = await self._execution(self._call(draft))
        if written.language == "esql" and _NO_ESQL in (execution.error or ""):
            return await self._without_esql(question, draft)
        return base.model_copy(update=_outcome(execution, counted=written.language == "dsl"))

    async def _holding(self, info: SourceInfo, question: str) -> Holding:
        holding = await self._holdings.of(info.name, info.type, question)
        return replace(holding, dialect="elasticsearch") if info.name in self._no_esql else holding

    async def _without_esql(self, question: str, draft: _Draft) -> Answered:
        """The same question as a search, which older servers speak; remembered for the next one."""
        self._no_esql.add(draft.info.name)
        holding = replace(draft.holding, dialect="elasticsearch")
        written = write(Asked(question, self._clock.now()), holding)
        if isinstance(written, Cannot):
            return _refused(question, [(draft.info.name, written)])
        return await self._run(question, _Draft(draft.info, holding, written), dry_run=False)

    def _call(self, draft: _Draft) -> ToolCall:
        tool, argument = TOOLS["opensearch" if draft.written.language == "dsl" else draft.info.type][:2]
        window = draft.written.window
        if tool == "query_instant":
            if draft.written.over_time:
                now = self._clock.now()
                tool, window = "query_range", window or TimeWindow(start=now - timedelta(hours=1), end=now)
            else:
                window = None
        arguments: JsonObject = {argument: draft.written.query}
        return ToolCall(connector=draft.info.name, tool=tool, arguments=arguments, window=window)

    async def _price(self, draft: _Draft) -> str:
        """What the planner expects, where asking it costs nothing."""
        if draft.holding.dialect != "postgres":
            return ""
        rows = await self._rows(draft.info.name, "run_query", {"sql": f"EXPLAIN {draft.written.query}"})
        first = str(rows.rows[0][0]) if rows and rows.rows and rows.rows[0] else ""
        found = re.search(r"cost=[\d.]+\.\.([\d.]+) rows=(\d+)", first)
        return f"about {int(found[2]):,} rows, planner cost {float(found[1]):,.0f}" if found else ""

    async def _execution(self, call: ToolCall) -> ToolExecution:
        stream = f"ask/{secrets.token_hex(8)}"
        self._execute.attach(stream, _Unkept())
        try:
            return await self._execute.run(call, by=ChosenBy.PERSON, stream=stream)
        finally:
            self._execute.detach(stream)

    async def _rows(self, source: str, tool: str, arguments: dict[str, object]) -> Rows | None:
        call = ToolCall.model_validate({"connector": source, "tool": tool, "arguments": arguments})
        execution = await self._execution(call)
        payload = execution.evidence.payload if execution.evidence else None
        return payload if isinstance(payload, Rows) else None

    async def _describe(self, source: str) -> SourceSchema | None:
        return await self._catalogue.described(source)

    # cache and history

    def _remembered(self, key: tuple[str, str, str, bool]) -> Answered | None:
        kept = self._cache.get(key)
        if kept is None or self._clock.now() - kept[0] >= _CACHED_FOR:
            return None
        return kept[1].model_copy(update={"cached": True})

    def _remember(self, key: tuple[str, str, str, bool], answered: Answered) -> None:
        self._cache[key] = (self._clock.now(), answered)
        while len(self._cache) > _MOST_CACHED:
            self._cache.popitem(last=False)

    async def _keep(self, answered: Answered, *, by: Principal) -> None:
        await self._history.keep(
            PastQuery(
                id=make_id("ask", secrets.token_bytes(10)),
                user_id=by.id,
                question=answered.question,
                source=answered.source,
                generated_query=answered.query,
                duration_ms=answered.duration_ms,
                success=answered.cannot is None,
                error=answered.cannot,
                cached=answered.cached,
                created_at=self._clock.now(),
            )
        )


def _nearest(wanted: str, infos: Sequence[SourceInfo]) -> list[SourceInfo]:
    """Sources whose name, squad or type the words resemble: "payment db" is postgresql/squad_payment_prod."""
    words = [
        w for w in re.split(r"[^a-z0-9]+", wanted.lower()) if w not in ("db", "database", "the", "metrics", "logs", "")
    ]
    scored = []
    for info in infos:
        parts = re.split(r"[^a-z0-9]+", f"{info.name} {info.squad or ''}".lower())
        if words and all(max(fuzz.ratio(w, part) for part in parts) >= _NEAR for w in words):
            scored.append(info)
    kinds = {
        "db": ("postgresql", "mysql", "clickhouse", "bigquery"),
        "metrics": ("prometheus",),
        "logs": ("elasticsearch", "opensearch"),
    }
    for said, types in kinds.items():
        if re.search(rf"\b{said}\b", wanted.lower().replace("database", "db")):
            pool = scored if words else list(infos)
            return [info for info in pool if info.type in types] or scored
    return scored


def _refused(question: str, refusals: Sequence[tuple[str, Cannot]]) -> Answered:
    """The reason, with the source's name when several were tried; the one that has suggestions first."""
    ranked = sorted(refusals, key=lambda r: not r[1].suggestions)
    said = ranked[0][1].reason if len(ranked) == 1 else " ".join(f"{name}: {r.reason}" for name, r in ranked[:3])
    source = ranked[0][0] if len(ranked) == 1 else None
    return Answered(question=question, source=source, cannot=said, suggestions=ranked[0][1].suggestions)


def _outcome(execution: ToolExecution, *, counted: bool = False) -> dict[str, object]:
    """`counted`: the answer is the text of a search that counts, to be shown as rows."""
    evidence = execution.evidence
    if evidence is None:
        failed = execution.error or f"The source gave no result ({execution.outcome.value})."
        empty = execution.outcome.value == "empty"
        return {"cannot": None if empty else failed, "duration_ms": execution.duration_ms}
    payload: Payload | None = evidence.payload
    if counted and isinstance(payload, Text):
        payload = rows_of(payload.text)
        if payload is None:
            return {"cannot": "The source's answer could not be read.", "duration_ms": execution.duration_ms}
    return {
        "payload": payload,
        "truncated": evidence.truncated,
        "url": evidence.source.url,
        "duration_ms": execution.duration_ms,
        "cost_usd": execution.stats.cost_usd,
    }
