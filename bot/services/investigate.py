"""The engine: takes one claimed investigation through its phases, from wherever the log says it stands.

Everything it decides is an event before it counts. A crash at any point loses nothing that was committed: the next
claimer folds the log and goes on, and no call whose finish was committed runs again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from bot.analysis import correlate
from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Gap, GapReason
from bot.domain.ids import investigation_stream
from bot.domain.investigation import ExecutionRecord, Investigation
from bot.domain.question import CaseFile, Catalogue, PlannedCall, Ranking, Setting
from bot.domain.report import Synthesis
from bot.domain.states import InvestigationState, Outcome, PhaseName, PhaseState, Verdict
from bot.errors import BotError, FenceLost, ReasonerFailed, SequenceConflict, StoreBusy
from bot.reasoning.protocol import Reasoner
from bot.reasoning.spending import Metered
from bot.reasoning.wording import Wording
from bot.services.budget import Ledger
from bot.services.embedding import installed_embedder
from bot.services.execute import Execute
from bot.services.fanout import FanOut, StopRequested
from bot.services.journal import Journal
from bot.services.knowledge import Knowledge
from bot.services.propose import Proposer
from bot.services.purse import Purse
from bot.services.reporting import assemble
from bot.store import Claim, Store
from bot.tracing import tracer
from connectors.model import Clock, JsonObject

log = structlog.get_logger(__name__)

_WORKER = "system:worker"
MODEL_SOURCE = "claude"  # how a gap names the model; it says nothing about what could be measured
_FOLLOW_UP_ROUNDS = 2
_MOST_CLAIMS = 3
T = TypeVar("T")


class Investigator:
    """Runs claimed investigations. One per process; `run` may be called many times at once."""

    def __init__(
        self,
        *,
        store: Store,
        execute: Execute,
        reasoner: Reasoner | Metered,
        fallback: Reasoner,
        setting: Callable[[], Awaitable[Setting]],
        clock: Clock,
        proposer: Proposer | None = None,
    ) -> None:
        self._proposer = proposer
        self._store = store
        self._execute = execute
        self._reasoner = reasoner
        self._fallback = fallback
        self._setting = setting
        self._clock = clock
        self._journals: dict[str, Journal] = {}
        self.wording: Callable[[Investigation], Wording | None] = lambda _: None
        """Who shows the words of a model while they come; a face sets it."""

    def begun(self, investigation: Investigation, purse: Purse) -> Reasoner:
        """The reasoner of one run."""
        if isinstance(self._reasoner, Metered):
            return self._reasoner.begin(purse, self.wording(investigation))
        return self._reasoner

    def progress(self, investigation_id: str) -> int:
        """The sequence that our work on it has seen; 0 when we do not work on it."""
        journal = self._journals.get(investigation_id)
        return journal.state.seq if journal else 0

    async def run(self, claim: Claim) -> Investigation:
        """Take the investigation as far as it goes: to its end, to a pause, or to failure."""
        journal = Journal(self._store, claim.investigation, claim.fence)
        ledger = Ledger.resume(self._execute.budget, claim.investigation.spent)
        run = _Run(self, journal, Purse(journal, ledger, self._clock))
        stream = investigation_stream(claim.investigation.id)
        self._execute.attach(stream, journal, ledger, still_ours=journal.still_ours)
        self._journals[claim.investigation.id] = journal
        try:
            with tracer.start_as_current_span("investigation", attributes={"inquest.id": claim.investigation.id}):
                await run.go()
        except FenceLost:
            log.info("investigation.taken_over", investigation=claim.investigation.id)
        finally:
            self._execute.detach(stream)
            del self._journals[claim.investigation.id]
        return journal.state


class _Run:
    """One pass over one investigation."""

    def __init__(self, owner: Investigator, journal: Journal, purse: Purse) -> None:
        self._proposer = owner._proposer
        self._store = owner._store
        self._execute = owner._execute
        self._reasoner = owner.begun(journal.state, purse)
        self._fallback = owner._fallback
        self._load_setting = owner._setting
        self._clock = owner._clock
        self._journal = journal
        self._knowledge = Knowledge(owner._store, embedder=installed_embedder())
        self._fan_out = FanOut(store=self._store, execute=self._execute, journal=journal)
        self._setting = Setting()
        self._ranking = Ranking()
        self._fell_back = False

    @property
    def state(self) -> Investigation:
        return self._journal.state

    # -- the way through -------------------------------------------------------------------------------------------

    async def go(self) -> None:
        try:
            if await self._honour_before_start():
                return
            await self._phases()
        except StopRequested as stop:
            await self._stop(stop)
        except (FenceLost, StoreBusy, SequenceConflict):
            raise  # not the investigation's fault: it stays as it is, and somebody goes on with it
        except BotError as error:
            await self._fail(str(error))
        except Exception:  # the outermost border of an investigation: nothing may take the worker down with it
            log.exception("investigation.crashed", investigation=self.state.id)
            await self._fail("Inquest itself failed here. What was gathered is kept; Retry goes on from it.")

    async def _honour_before_start(self) -> bool:
        if self.state.claims > _MOST_CLAIMS:
            await self._fail("poisoned")
            return True
        if self.state.state is InvestigationState.PAUSED and self.state.requests.cancel:
            raise StopRequested(InvestigationState.CANCELLED, self.state.requests.cancel)
        moves = []
        if self.state.state is InvestigationState.INITIALIZING:
            moves.append(self._moved(InvestigationState.RUNNING, "started"))
        elif self.state.state is InvestigationState.PAUSED:
            by = self.state.requests.resume or _WORKER
            moves.append(self._moved(InvestigationState.RUNNING, "resumed", actor=by))
        if moves:
            await self._journal.record(moves)
        return self.state.state not in (InvestigationState.RUNNING, InvestigationState.COMPLETING)

    async def _phases(self) -> None:
        self._setting = await self._load_setting()
        if self.state.state is InvestigationState.RUNNING:
            await self._once(PhaseName.ANALYZE, self._analyze)
            await self._once(PhaseName.PLAN, self._plan)
            if self.state.question.dry_run:
                await self._skip_rest("dry run")
            else:
                await self._once(PhaseName.COLLECT, self._collect)
                await self._once(PhaseName.CORRELATE, self._correlate)
            await self._once(PhaseName.SYNTHESIZE, self._synthesize)
            await self._once(PhaseName.PROPOSE, self._propose)
            self._safe_point()
            await self._journal.record([self._moved(InvestigationState.COMPLETING, "report made")])
        await self._journal.record([self._moved(InvestigationState.COMPLETED, "done")])

    async def _once(self, name: PhaseName, work: Callable[[], Awaitable[Sequence[NewEvent]]]) -> None:
        """Run a phase unless the log says it is done; its result and its end are one commit."""
        if self.state.phase(name).state in (PhaseState.COMPLETED, PhaseState.SKIPPED):
            return
        self._safe_point()
        if self.state.phase(name).state is not PhaseState.RUNNING:
            await self._journal.record([self._event(EventKind.PHASE_STARTED, {"phase": name.value})])
        with tracer.start_as_current_span(f"phase {name.value}"):
            events = await work()
        if any(event.kind is EventKind.PHASE_FINISHED for event in events):
            await self._journal.record(events)
            return
        done = self._event(EventKind.PHASE_FINISHED, {"phase": name.value, "state": PhaseState.COMPLETED.value})
        await self._journal.record([*events, done])

    async def _skip_rest(self, reason: str) -> None:
        skipped = (PhaseName.COLLECT, PhaseName.CORRELATE)
        output: JsonObject = {"reason": reason}
        await self._journal.record(
            [
                self._event(EventKind.PHASE_FINISHED, {"phase": p.value, "state": "skipped", "output": output})
                for p in skipped
            ]
        )

    # -- phases ----------------------------------------------------------------------------------------------------

    async def _analyze(self) -> Sequence[NewEvent]:
        question, setting = self.state.question, self._setting
        analysis = await self._reasoned(lambda reasoner: reasoner.analyze(question, setting))
        told: JsonObject = {"analysis": analysis.model_dump(mode="json"), "setting": setting.kept()}
        return [self._event(EventKind.ANALYSIS_MADE, told)]

    async def _plan(self) -> Sequence[NewEvent]:
        analysis = self.state.analysis
        assert analysis is not None, "plan follows analyze"
        catalogue = Catalogue(sources=self._setting.sources)
        plan = await self._reasoned(lambda reasoner: reasoner.plan(analysis, catalogue))
        gaps = [self._event(EventKind.GAP_NOTED, {"gap": gap.model_dump(mode="json")}) for gap in plan.gaps]
        return [self._event(EventKind.PLAN_MADE, {"plan": plan.model_dump(mode="json")}), *gaps]

    async def _collect(self) -> Sequence[NewEvent]:
        assert self.state.plan is not None, "collect follows plan"
        await self._fan_out.run(self.state.plan.calls)
        for _ in range(_FOLLOW_UP_ROUNDS):
            self._safe_point()
            case = await self._case()
            wanted = await self._reasoned(lambda reasoner, case=case: reasoner.follow_up(case))  # type: ignore[misc]
            if not await self._fan_out.run([PlannedCall(call=call, why="follow-up") for call in wanted]):
                break
        return []

    async def _correlate(self) -> Sequence[NewEvent]:
        ranking = await self._rank()
        findings = [
            self._event(EventKind.FINDING_MADE, {"finding": finding.model_dump(mode="json")})
            for finding in ranking.findings
        ]
        ranked: JsonObject = {
            "verdict": ranking.verdict.value,
            "hypotheses": [
                hypothesis.model_dump(mode="json", exclude={"supporting", "against"})
                | {
                    "supporting": [f.id for f in hypothesis.supporting],
                    "against": [f.id for f in hypothesis.against],
                }
                for hypothesis in ranking.hypotheses
            ],
        }
        return [*findings, self._event(EventKind.HYPOTHESIS_RANKED, ranked)]

    async def _synthesize(self) -> Sequence[NewEvent]:
        if self.state.question.dry_run:
            synthesis = Synthesis(summary="Dry run: this is the plan; nothing was asked.", verdict=Verdict.INCONCLUSIVE)
            report = assemble(self.state, synthesis, evidence=(), now=self._clock.now(), reasoner=self._name)
            return [self._event(EventKind.REPORT_MADE, {"report": report.to_json()})]
        if not self._ranking.findings:
            self._ranking = await self._rank()
        case, ranking = await self._case(), self._ranking
        synthesis = await self._reasoned(lambda reasoner: reasoner.synthesize(case, ranking))
        related = await self._knowledge.related(case, ranking, besides=self.state.id)
        synthesis = synthesis.model_copy(update={"related_issues": related})
        report = await asyncio.to_thread(
            assemble,
            self.state,
            synthesis,
            evidence=case.evidence,
            ranking=ranking,
            now=self._clock.now(),
            reasoner=self._name,
        )
        return [self._event(EventKind.REPORT_MADE, {"report": report.to_json()})]

    async def _propose(self) -> Sequence[NewEvent]:
        report = self.state.report
        if self._proposer is None or self.state.question.dry_run or report is None:
            return [self._propose_ended(PhaseState.SKIPPED, "dry run" if self.state.question.dry_run else "reads only")]
        if not self._ranking.findings:
            self._ranking = await self._rank()
        case = await self._case()
        try:
            made = await self._proposer.propose(self.state, case, self._ranking)
        except FenceLost:
            raise
        except BotError as error:  # the report stands, whether or not there is a proposal
            return [self._propose_ended(PhaseState.FAILED, str(error))]
        amended = self._proposer.in_report(report, made, case, self._ranking)
        return [self._event(EventKind.REPORT_MADE, {"report": amended.to_json()})] if amended else []

    def _propose_ended(self, state: PhaseState, reason: str) -> NewEvent:
        ended: JsonObject = {"phase": PhaseName.PROPOSE.value, "state": state.value, "output": {"reason": reason}}
        return self._event(EventKind.PHASE_FINISHED, ended)

    # -- thinking --------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return self._fallback.name if self._fell_back else self._reasoner.name

    async def _reasoned(self, step: Callable[[Reasoner], Awaitable[T]]) -> T:
        """The step by the configured reasoner; by rules when that one fails, from here on."""
        if not self._fell_back:
            try:
                return await step(self._reasoner)
            except ReasonerFailed as error:
                log.warning("reasoner.failed", investigation=self.state.id, reason=str(error))
                await self._fall_back(str(error))
            except BotError:
                raise
            except Exception:  # the border to a reasoner: whatever breaks in one, rules go on
                log.exception("reasoner.crashed", investigation=self.state.id)
                await self._fall_back("The reasoner broke.")
        return await step(self._fallback)

    async def _fall_back(self, reason: str) -> None:
        self._fell_back = True
        gap = Gap(source=MODEL_SOURCE, reason=GapReason.UNAVAILABLE, text=f"{reason} Rules went on from there.")
        await self._journal.record([self._event(EventKind.GAP_NOTED, {"gap": gap.model_dump(mode="json")})])

    async def _case(self) -> CaseFile:
        state = await self._journal.refresh()
        assert state.analysis is not None, "a case begins with its analysis"
        ids = [record.evidence_id for record in state.executions if record.evidence_id]
        return CaseFile(
            question=state.question,
            analysis=state.analysis,
            setting=self._setting,
            evidence=tuple(await self._store.evidence(ids)),
            gaps=tuple(gap for gap in state.gaps if gap.source != MODEL_SOURCE),
            guidance=state.guidance,
            pinned=state.pinned,
            ruled_out=state.ruled_out,
        )

    async def _rank(self) -> Ranking:
        """Correlation is pure arithmetic; in a thread, so that clicks are answered meanwhile."""
        case, now = await self._case(), self._clock.now()
        self._ranking = await asyncio.to_thread(correlate, case, now=now)
        return self._ranking

    # -- stopping --------------------------------------------------------------------------------------------------

    def _safe_point(self) -> None:
        requests = self.state.requests
        if requests.cancel:
            raise StopRequested(InvestigationState.CANCELLED, requests.cancel)
        if requests.pause:
            raise StopRequested(InvestigationState.PAUSED, requests.pause)

    async def _stop(self, stop: StopRequested) -> None:
        events = []
        if stop.target is InvestigationState.CANCELLED:
            events = [self._cut_short(record) for record in self.state.executions if record.outcome is None]
        word = "paused" if stop.target is InvestigationState.PAUSED else "cancelled"
        await self._journal.record([*events, self._moved(stop.target, f"{word} on request", actor=stop.by)])

    def _cut_short(self, record: ExecutionRecord) -> NewEvent:
        payload: JsonObject = {
            "execution_id": record.id,
            "outcome": Outcome.CANCELLED.value,
            "error": "Cancelled on request.",
            "headline": "Cancelled on request",
        }
        return self._event(EventKind.TOOL_FINISHED, payload)

    async def _fail(self, reason: str) -> None:
        gap = Gap(source="inquest", reason=GapReason.UNAVAILABLE, text=reason)
        events = [
            self._event(EventKind.GAP_NOTED, {"gap": gap.model_dump(mode="json")}),
            self._moved(InvestigationState.FAILED, reason),
        ]
        await self._journal.record(events)

    # -- events ----------------------------------------------------------------------------------------------------

    def _event(self, kind: EventKind, payload: JsonObject) -> NewEvent:
        return NewEvent(kind=kind, actor=_WORKER, at=self._clock.now(), payload=payload)

    def _moved(self, target: InvestigationState, reason: str, *, actor: str = _WORKER) -> NewEvent:
        payload: JsonObject = {"to": target.value, "reason": reason}
        return NewEvent(kind=EventKind.STATE_CHANGED, actor=actor, at=self._clock.now(), payload=payload)
