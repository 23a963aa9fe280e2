"""The reasoner that asks Claude: it reads the question, wishes for reads, and words what code measured.

Each step is one or two turns over a request that is built from the case file alone, so that a restart loses nothing
and the same case always sends the same bytes in front (which is what prompt caching lives on). Budgets of tokens,
turns, seconds and money are checked before every turn. Whatever goes wrong is ReasonerFailed: rules take over.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib import resources
from typing import TypeVar

import structlog
from pydantic import BaseModel, Field, ValidationError

from bot.domain.evidence import Evidence
from bot.domain.question import Analysis, CaseFile, Catalogue, IssueType, Plan, PlannedCall, Question, Ranking, Setting
from bot.domain.report import Synthesis
from bot.errors import ReasonerFailed
from bot.reasoning import claude_data as data
from bot.reasoning.arms import Arm
from bot.reasoning.claude_answers import ANALYSIS_SCHEMA, REPORT_SCHEMA, AnalysisAnswer, ReportAnswer, overlay, parse
from bot.reasoning.claude_tools import Offer, Refused
from bot.reasoning.claude_wire import ContextOverflow, Endpoint, Request, Turn, Wire, cost_of
from bot.reasoning.protocol import Reasoner
from bot.reasoning.rules import RulesReasoner
from bot.reasoning.spending import Price, Spending, Usage, price_of
from bot.reasoning.timespan import find_span
from bot.reasoning.wording import Wording, listener
from connectors.model import Frozen, JsonObject, TimeWindow, ToolCall

log = structlog.get_logger(__name__)

_LISTED_SERVICES = 300
_EPHEMERAL: JsonObject = {"type": "ephemeral"}
_MOST_REPAIR_TEXT = 4_000
_SHRINKS = len(data.DETAILS)
AnswerT = TypeVar("AnswerT", bound=BaseModel)


class ClaudeLimits(Frozen):
    """What one investigation may take of the model."""

    tokens: int = Field(default=400_000, gt=0)
    turns: int = Field(default=10, gt=0)
    seconds: float = Field(default=180.0, gt=0)
    output_tokens: int = Field(default=16_000, gt=0)
    context_characters: int = Field(default=400_000, gt=0)
    reads_per_turn: int = Field(default=8, gt=0)


class ClaudeReasoner:
    """Makes one session for each investigation; the connection is shared."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        prices: Mapping[str, Price],
        unknown_price: Price,
        limits: ClaudeLimits | None = None,
        arm: Arm = Arm.BOTH,
    ) -> None:
        self.wire = Wire(endpoint)
        self.price = price_of(endpoint.model, prices, unknown_price)
        self.limits = limits or ClaudeLimits()
        self.arm = arm

    def begin(self, spending: Spending, wording: Wording | None = None) -> Reasoner:
        return ClaudeSession(self, spending, wording)

    async def close(self) -> None:
        await self.wire.close()


class ClaudeSession:
    """One investigation's reasoner."""

    def __init__(self, owner: ClaudeReasoner, spending: Spending, wording: Wording | None) -> None:
        self._wire, self._price, self._limits, self._arm = owner.wire, owner.price, owner.limits, owner.arm
        self._spending, self._wording = spending, wording
        self._rules = RulesReasoner()
        self._turns = 0
        self._seconds = 0.0
        self._detail = 0
        self._question: Question | None = None
        self._blocks: dict[tuple[str, int], str] = {}
        self.name = "claude" if owner.arm is Arm.BOTH else "claude-alone"

    # -- the four steps --------------------------------------------------------------------------------------------

    async def analyze(self, question: Question, setting: Setting) -> Analysis:
        """Rules read first and say whether the question can be used at all; the model fills in what they left open."""
        self._question = question
        plain = await self._rules.analyze(question, setting)
        surroundings = {
            "services": [service.name for service in setting.services[:_LISTED_SERVICES]],
            "environments": list(setting.environments),
            "squads": [squad.name for squad in setting.squads],
            "read_by_rules": plain.model_dump(mode="json", include={"issue_type", "services", "environment", "window"}),
        }
        texts = [data.question_block(question), data.block("surroundings", surroundings), _prompt("analyze")]
        request = Request(step="analyze", system=_system(), messages=[_user(texts)], schema=ANALYSIS_SCHEMA)
        answer = await self._answer(request, AnalysisAnswer)
        return refined(plain, answer, question, setting)

    async def plan(self, analysis: Analysis, catalogue: Catalogue) -> Plan:
        """`both`: everything that rules would read, and what the model wishes for besides; `model`: its wishes only."""
        plain = await self._rules.plan(analysis, catalogue)
        offer = Offer(catalogue.sources, analysis, self._question)
        texts = [data.analysis_block(analysis)]
        if self._question is not None:
            texts.insert(0, data.question_block(self._question))
        if self._arm is Arm.BOTH:
            standing = [{"source": p.call.connector, "tool": p.call.tool} for p in plain.calls]
            texts.append(data.block("already_planned", standing))
        texts.append(_prompt("plan"))
        wished = await self._wishes("plan", _user(texts), offer)
        planned = {item.call.digest: item for item in (plain.calls if self._arm is Arm.BOTH else ())}
        for item in wished:
            planned.setdefault(item.call.digest, item)
        return plain.model_copy(update={"calls": tuple(planned.values())})

    async def follow_up(self, case: CaseFile) -> Sequence[ToolCall]:
        """Reads that the model wishes for after what it has seen; empty when it has enough or the budget is spent."""
        if self._turns + 2 > self._limits.turns:
            return ()  # the last turns belong to the report
        self._question = case.question
        offer = Offer(case.setting.sources, case.analysis, case.question)
        asked = {item.call.digest for item in case.evidence}
        wished = await self._over_case("follow_up", case, [data.circumstances(case), _prompt("follow_up")], offer)
        assert isinstance(wished, list), "a follow-up gives wishes"
        return [item.call for item in wished if item.call.digest not in asked]

    async def synthesize(self, case: CaseFile, ranking: Ranking) -> Synthesis:
        self._question = case.question
        offer = Offer(case.setting.sources, case.analysis, case.question)
        shown = data.candidates_block(ranking) if self._arm is Arm.MODEL else data.ranking_block(ranking)
        texts = [data.circumstances(case), shown, _prompt("synthesize")]
        try:
            answer = await self._over_case("synthesize", case, texts, offer)
        finally:
            if self._wording is not None:
                await self._wording.end()
        assert isinstance(answer, ReportAnswer), "a synthesis gives a report"
        return overlay(answer, ranking, free_order=self._arm is Arm.MODEL)

    # -- turns -----------------------------------------------------------------------------------------------------

    async def _over_case(
        self, step: str, case: CaseFile, last: Sequence[str], offer: Offer
    ) -> list[PlannedCall] | ReportAnswer:
        """A step that shows the whole case; when that is too much, again with less of each piece of evidence."""
        for _ in range(_SHRINKS):
            message = await asyncio.to_thread(self._case_message, case, last)
            try:
                if step == "follow_up":
                    return await self._wishes(step, message, offer)
                request = Request(
                    step=step,
                    system=_system(),
                    messages=[message],
                    tools=offer.definitions(),
                    schema=REPORT_SCHEMA,
                    hear=listener(self._wording),
                )
                return await self._answer(request, ReportAnswer)
            except ContextOverflow:
                log.info("claude.shrinks", step=step, detail=self._detail + 1)
                self._detail += 1
        raise ReasonerFailed("The evidence does not fit Claude's context window.")

    def _case_message(self, case: CaseFile, last: Sequence[str]) -> JsonObject:
        """What never changes first, evidence in the order of its arrival behind it, and what changes at the end."""
        while True:
            shown = [self._block(item) for item in case.evidence]
            first = [data.question_block(case.question), data.analysis_block(case.analysis)]
            if self._detail + 1 >= _SHRINKS or sum(map(len, shown)) <= self._limits.context_characters:
                break
            self._detail += 1
        blocks: list[JsonObject] = [_text(text) for text in (*first, *_fitting(shown, self._limits.context_characters))]
        blocks[-1] = {**blocks[-1], "cache_control": _EPHEMERAL}
        return {"role": "user", "content": [*blocks, *(_text(text) for text in last)]}

    def _block(self, evidence: Evidence) -> str:
        key = evidence.id, self._detail
        if key not in self._blocks:
            self._blocks[key] = data.evidence_block(evidence, self._detail)
        return self._blocks[key]

    async def _wishes(self, step: str, message: JsonObject, offer: Offer) -> list[PlannedCall]:
        """The reads that the model asks for. When none of them is usable it is told why, once."""
        request = Request(
            step=step, system=_system(), messages=[message], tools=offer.definitions(), may_call=True, max_tokens=8_000
        )
        if not request.tools:
            return []
        turn = await self._turn(request)
        calls, refused = offer.calls(turn.wanted, most=self._limits.reads_per_turn)
        if refused:
            log.info("claude.refused_calls", step=step, count=len(refused), first=refused[0].reason)
        if refused and not calls and self._turns + 2 <= self._limits.turns:
            request.messages = [message, *_told_why(turn, refused)]
            turn = await self._turn(request)
            calls, _ = offer.calls(turn.wanted, most=self._limits.reads_per_turn)
        return [PlannedCall(call=call, why=why) for call, why in calls]

    async def _answer(self, request: Request, shape: type[AnswerT]) -> AnswerT:
        """The answer in its shape; one repair when it does not have it."""
        turn = await self._turn(request)
        try:
            return parse(turn.text, shape)
        except ValueError as error:
            log.info("claude.repair", step=request.step, reason=str(error)[:200])
            said = turn.text[:_MOST_REPAIR_TEXT] or "(nothing)"
            plea = f"That was not usable: {str(error)[:300]}. Answer again with one JSON object of the given schema."
            request.messages = [*request.messages, {"role": "assistant", "content": said}, _user([plea])]
        turn = await self._turn(request)
        try:
            return parse(turn.text, shape)
        except ValueError as error:
            raise ReasonerFailed("Claude's answer does not have the agreed shape.") from error

    async def _turn(self, request: Request) -> Turn:
        """One turn inside the budgets; one more with twice the room when it was cut off."""
        turn = await self._paid(request)
        if turn.stop == "max_tokens":
            request.max_tokens = min(2 * request.max_tokens, self._limits.output_tokens)
            turn = await self._paid(request)
        if turn.stop == "refusal":
            raise ReasonerFailed("Claude declined to answer.")
        if turn.stop == "model_context_window_exceeded":
            raise ContextOverflow
        if turn.stop == "max_tokens":
            raise ReasonerFailed("Claude's answer was cut off twice.")
        return turn

    async def _paid(self, request: Request) -> Turn:
        self._check_budget()
        self._turns += 1
        started = time.monotonic()
        try:
            turn, usage = await self._wire.turn(request, deadline_s=self._limits.seconds - self._seconds)
        except ReasonerFailed as error:
            await self._book(cost_of(error))
            raise
        finally:
            self._seconds += time.monotonic() - started
        await self._book(usage)
        return turn

    def _check_budget(self) -> None:
        if self._turns >= self._limits.turns:
            raise ReasonerFailed(f"Claude's {self._limits.turns} turns for this investigation are used up.")
        if self._spending.tokens >= self._limits.tokens:
            raise ReasonerFailed(f"Claude's {self._limits.tokens:,} tokens for this investigation are used up.")
        if self._seconds >= self._limits.seconds:
            raise ReasonerFailed(f"Claude's {self._limits.seconds:g} seconds for this investigation are used up.")
        if self._spending.usd_left <= 0:
            raise ReasonerFailed("The money for this investigation is used up.")

    async def _book(self, usage: Usage | None) -> None:
        if usage is not None and usage.tokens:
            await self._spending.spend(usage.priced(self._price))


def refined(plain: Analysis, answer: AnalysisAnswer, question: Question, setting: Setting) -> Analysis:
    """What rules read, with the model's reading where a person left it open and the name exists."""
    update: dict[str, object] = {}
    known = {service.name for service in setting.services}
    services = tuple(dict.fromkeys(name for name in answer.services if name in known))[:10]
    if services and not plain.services:
        update["services"] = services
    if plain.issue_type is IssueType.UNKNOWN and answer.issue_type in set(IssueType):
        update["issue_type"] = IssueType(answer.issue_type)
    if question.environment is None and answer.environment in setting.environments:
        update["environment"] = answer.environment
    words = tuple(w for w in dict.fromkeys(answer.keywords) if w.lower() in question.text.lower())[:20]
    if words and not plain.keywords:
        update["keywords"] = words
    window = _window(answer, question)
    if window is not None:
        update["window"] = window
    return plain.model_copy(update=update)


def _window(answer: AnalysisAnswer, question: Question) -> TimeWindow | None:
    """The model's span, only where the question's words gave rules none, and only in the past week."""
    told = question.window or find_span(question.text, asked_at=question.asked_at, time_zone=question.time_zone)
    if told or not answer.start or not answer.end:
        return None
    try:
        window = TimeWindow(start=datetime.fromisoformat(answer.start), end=datetime.fromisoformat(answer.end))
    except (ValidationError, ValueError):
        return None
    fits = window.end <= question.asked_at and window.start >= question.asked_at - timedelta(days=7)
    return window if fits and timedelta(minutes=5) <= window.duration <= timedelta(hours=25) else None


def _told_why(turn: Turn, refused: Sequence[Refused]) -> list[JsonObject]:
    """The turn's own calls and, as their results, why none of them ran."""
    reasons = {one.wanted.id: one.reason for one in refused}
    asked: list[JsonObject] = [
        {"type": "tool_use", "id": one.id, "name": one.name, "input": one.arguments} for one in turn.wanted
    ]
    results: list[JsonObject] = [
        {
            "type": "tool_result",
            "tool_use_id": one.id,
            "is_error": True,
            "content": reasons.get(one.id, "It was asked already."),
        }
        for one in turn.wanted
    ]
    return [{"role": "assistant", "content": list(asked)}, {"role": "user", "content": list(results)}]


def _fitting(shown: Sequence[str], most: int) -> list[str]:
    """As many blocks as fit, from the first on; a last word says how many do not."""
    kept: list[str] = []
    size = 0
    for text in shown:
        size += len(text)
        if size > most:
            kept.append(json.dumps({"left_out": len(shown) - len(kept)}))
            break
        kept.append(text)
    return kept


def _prompt(name: str) -> str:
    return resources.files("bot.reasoning").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8").strip()


def _system() -> list[JsonObject]:
    return [{"type": "text", "text": _prompt("system"), "cache_control": _EPHEMERAL}]


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _user(texts: Sequence[str]) -> JsonObject:
    return {"role": "user", "content": [_text(text) for text in texts]}
