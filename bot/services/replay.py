"""Runs a past investigation again from what was kept, without asking any source, and says what changed.

Question, reading, evidence, gaps and what people said come from the log; correlation, further reads, wording and
verification are done anew by the code and the reasoner of today. A read that the reasoner wishes for is answered from
the log when exactly that call was made then, and counted as missing when it was not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import AwareDatetime

from bot.analysis import correlate
from bot.domain.events import Event, EventKind
from bot.domain.evidence import Evidence
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation, Spent
from bot.domain.question import CaseFile, Ranking, Setting
from bot.domain.report import Report
from bot.errors import InvalidRequest, ReasonerFailed
from bot.reasoning.protocol import Reasoner
from bot.reasoning.rules import RulesReasoner
from bot.reasoning.spending import Metered, Usage
from bot.services.investigate import MODEL_SOURCE
from bot.services.reporting import assemble
from bot.store import Store
from connectors.model import Frozen

_FOLLOW_UP_ROUNDS = 2
T = TypeVar("T")


class Recording(Frozen):
    """One investigation as it was kept. `ranked_at` is the moment that correlation took for now."""

    investigation: Investigation
    evidence: tuple[Evidence, ...]
    ranked_at: AwareDatetime
    lost: int = 0
    setting: Setting | None = None
    """What surrounded the question then; None in recordings of before this was kept."""


class Replayed(Frozen):
    """What came out this time. `missing` counts reads that were wished for and are not in the log."""

    report: Report
    ranking: Ranking
    changes: tuple[str, ...] = ()
    missing: int = 0
    fell_back: str | None = None
    seconds: float = 0.0


class Tab:
    """Spending of a replay: counted, not logged."""

    def __init__(self, usd: float) -> None:
        self._usd = usd
        self.spent = Spent()

    @property
    def tokens(self) -> int:
        return self.spent.tokens

    @property
    def usd_left(self) -> float:
        return self._usd - self.spent.usd

    async def spend(self, usage: Usage) -> None:
        tokens, usd = self.spent.tokens + usage.tokens, self.spent.usd + usage.usd
        self.spent = self.spent.model_copy(update={"tokens": tokens, "usd": usd})


async def recall(store: Store, investigation_id: str) -> Recording:
    """The recording of an investigation. UnknownId; InvalidRequest when it never got as far as evidence."""
    state = await store.investigation(investigation_id)
    if state.analysis is None:
        raise InvalidRequest("That investigation ended before its question was read; there is nothing to replay.")
    ids = [record.evidence_id for record in state.executions if record.evidence_id]
    evidence = await store.evidence(ids)
    events = await store.read(investigation_stream(state.id))
    ranked = [event.at for event in events if event.kind is EventKind.HYPOTHESIS_RANKED]
    return Recording(
        investigation=state,
        evidence=tuple(evidence),
        ranked_at=ranked[-1] if ranked else state.updated_at,
        lost=len(ids) - len(evidence),
        setting=_setting_of(events),
    )


def _setting_of(events: Sequence[Event]) -> Setting | None:
    """The surroundings of the newest reading of the question."""
    told = [e.payload.get("setting") for e in events if e.kind is EventKind.ANALYSIS_MADE]
    return Setting.model_validate(told[-1]) if told and told[-1] is not None else None


def _surroundings(then: Setting | None, today: Setting) -> Setting:
    """Services, owners and sources of then, with the tools that today's sources of the same name have."""
    if then is None:
        return today
    tools = {source.name: source.tools for source in today.sources}
    sources = [s.model_copy(update={"tools": tools.get(s.name, ())}) for s in then.sources]
    return then.model_copy(update={"sources": tuple(sources)})


async def replay(
    recording: Recording, *, reasoner: Reasoner | Metered, setting: Setting | None = None, budget_usd: float = 5.0
) -> Replayed:
    """Run it again in the surroundings of then; `setting` offers the tools of today to one who asks for more reads."""
    tab = Tab(budget_usd)
    around = _surroundings(recording.setting, setting or Setting())
    run = _Replay(recording, reasoner.begin(tab) if isinstance(reasoner, Metered) else reasoner, around)
    return await run.go(tab)


class _Replay:
    def __init__(self, recording: Recording, reasoner: Reasoner, setting: Setting) -> None:
        self._state = recording.investigation
        self._recording = recording
        self._reasoner: Reasoner = reasoner
        self._setting = setting
        self._fell_back: str | None = None
        self._missing = 0

    async def go(self, tab: Tab) -> Replayed:
        started = time.perf_counter()
        await self._wish_for_more()
        case = self._case()
        ranking = await asyncio.to_thread(correlate, case, now=self._recording.ranked_at)
        synthesis = await self._step(lambda reasoner: reasoner.synthesize(case, ranking))
        report = await asyncio.to_thread(
            assemble,
            self._state.model_copy(update={"spent": tab.spent}),
            synthesis,
            evidence=case.evidence,
            ranking=ranking,
            now=self._state.finished_at or self._state.updated_at,
            reasoner=self._reasoner.name,
        )
        return Replayed(
            report=report,
            ranking=ranking,
            changes=tuple(differences(self._state.report, report)) if self._state.report else (),
            missing=self._missing,
            fell_back=self._fell_back,
            seconds=round(time.perf_counter() - started, 3),
        )

    async def _wish_for_more(self) -> None:
        """Evidence of then already holds the answers to the reads of then; others cannot be had any more."""
        known = {item.call.digest for item in self._recording.evidence}
        for _ in range(_FOLLOW_UP_ROUNDS):
            case = self._case()
            wanted = await self._step(lambda reasoner, case=case: reasoner.follow_up(case))  # type: ignore[misc]
            self._missing += sum(1 for call in wanted if call.digest not in known)
            if not wanted:
                break

    async def _step(self, step: Callable[[Reasoner], Awaitable[T]]) -> T:
        try:
            return await step(self._reasoner)
        except ReasonerFailed as error:
            self._fell_back = str(error)
            self._reasoner = RulesReasoner()
        return await step(self._reasoner)

    def _case(self) -> CaseFile:
        state = self._state
        assert state.analysis is not None, "a recording begins with its analysis"
        return CaseFile(
            question=state.question,
            analysis=state.analysis,
            setting=self._setting,
            evidence=self._recording.evidence,
            gaps=tuple(gap for gap in state.gaps if gap.source != MODEL_SOURCE),
            guidance=state.guidance,
            pinned=state.pinned,
            ruled_out=state.ruled_out,
        )


def differences(then: Report, now: Report) -> list[str]:
    """What differs between two reports of one investigation, one line each; empty when they say the same."""
    old, new = then.synthesis, now.synthesis
    lines = []
    for what, before, after in (
        ("verdict", old.verdict.value, new.verdict.value),
        ("root cause", old.root_cause or "none", new.root_cause or "none"),
        ("confidence", f"{old.confidence:.2f}", f"{new.confidence:.2f}"),
        ("summary", old.summary, new.summary),
        ("backed", _backed(then), _backed(now)),
        ("reasoner", then.reasoner, now.reasoner),
    ):
        if before != after:
            lines.append(f"{what}: {before} → {after}")
    ranked = [[f"{h.component} {h.cause}" for h in one.hypotheses] for one in (old, new)]
    lines += _moves(*ranked)
    said = [{one.statement for h in s.hypotheses for one in (*h.supporting, *h.against)} for s in (old, new)]
    lines += [f"no longer said: {statement}" for statement in sorted(said[0] - said[1])]
    lines += [f"said now: {statement}" for statement in sorted(said[1] - said[0])]
    return lines


def _backed(report: Report) -> str:
    return f"{report.backed.backed} of {report.backed.statements}"


def _moves(old: Sequence[str], new: Sequence[str]) -> list[str]:
    lines = [f"hypothesis gone: {one} (was {old.index(one) + 1})" for one in old if one not in new]
    for place, one in enumerate(new, start=1):
        before = old.index(one) + 1 if one in old else None
        if before is None:
            lines.append(f"hypothesis new: {one} (now {place})")
        elif before != place:
            lines.append(f"hypothesis moved: {one} ({before} → {place})")
    return lines
