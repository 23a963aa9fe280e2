"""The investigation: what its events add up to. `apply` is the only way it changes; `fold` is `apply` over all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field, JsonValue

from bot.domain.access import Principal
from bot.domain.events import Event, EventKind
from bot.domain.evidence import ChosenBy, Gap
from bot.domain.question import Analysis, Guidance, Plan, Question
from bot.domain.report import Report
from bot.domain.states import PHASE_ORDER, InvestigationState, Outcome, PhaseName, PhaseState, may_move
from connectors.model import CallStats, Frozen, JsonObject, ToolCall


class PhaseProgress(Frozen):
    name: PhaseName
    state: PhaseState = PhaseState.PENDING
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    input: JsonObject = Field(default_factory=dict)
    output: JsonObject = Field(default_factory=dict)
    error: str | None = None

    @property
    def duration_ms(self) -> float | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds() * 1000


class ExecutionRecord(Frozen):
    """A ToolExecution as the log tells it; `outcome` is None while it runs."""

    id: str
    call: ToolCall
    by: ChosenBy
    phase: str | None = None
    why: str = ""
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    outcome: Outcome | None = None
    error_kind: str | None = None
    error: str | None = None
    evidence_id: str | None = None
    headline: str = ""
    truncated: str | None = None
    stats: CallStats = CallStats()
    attempts: int = 1

    @property
    def duration_ms(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() * 1000 if self.finished_at else None


class Transition(Frozen):
    origin: InvestigationState
    target: InvestigationState
    at: AwareDatetime
    actor: str
    reason: str = ""


class Requests(Frozen):
    """What people asked for and a worker has not honoured yet."""

    pause: str | None = None
    resume: str | None = None
    cancel: str | None = None
    retry: str | None = None


class Spent(Frozen):
    """What it has cost so far."""

    usd: float = 0.0
    tokens: int = 0
    queries: int = 0
    bytes: int = 0
    rows: int = 0


# Shared by all new investigations: as plain defaults they would be copied deeply for each.
_NO_REQUESTS, _NOTHING_SPENT = Requests(), Spent()
_NO_PHASES = tuple(PhaseProgress(name=name) for name in PHASE_ORDER)


class Investigation(Frozen):
    """The current row.

    `origin` is opaque to services: the face that opened it keeps there where to draw. `claims` counts claims since the
    last progress: an investigation that kills its workers is set aside, one that was interrupted often is not.
    """

    id: str
    seq: int = 0
    workspace: str = "default"
    state: InvestigationState = InvestigationState.CREATED
    question: Question
    requester: Principal
    squad: str | None = None
    parent_id: str | None = None
    origin: JsonObject = Field(default_factory=dict)
    created_at: AwareDatetime
    updated_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    claims: int = 0
    retries: int = 0
    worker: str | None = None
    fence: int = 0
    reason: str = ""
    requests: Requests = Field(default_factory=lambda: _NO_REQUESTS)
    phases: tuple[PhaseProgress, ...] = Field(default_factory=lambda: _NO_PHASES)
    analysis: Analysis | None = None
    plan: Plan | None = None
    executions: tuple[ExecutionRecord, ...] = ()
    gaps: tuple[Gap, ...] = ()
    guidance: tuple[Guidance, ...] = ()
    pinned: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    hypotheses: tuple[JsonObject, ...] = ()
    report: Report | None = None
    transitions: tuple[Transition, ...] = ()
    spent: Spent = Field(default_factory=lambda: _NOTHING_SPENT)
    feedback: tuple[JsonObject, ...] = ()

    @property
    def current_phase(self) -> PhaseName | None:
        """The running phase, else the first pending one, else None when all are done."""
        for wanted in (PhaseState.RUNNING, PhaseState.PENDING):
            for phase in self.phases:
                if phase.state is wanted:
                    return phase.name
        return None

    @property
    def progress_ratio(self) -> float:
        """0 to 1. Collect is the long phase: it counts half and moves with its finished calls."""
        if self.state is InvestigationState.COMPLETED:
            return 1.0
        weights = {PhaseName.COLLECT: 0.5}
        return min(0.99, sum(weights.get(p.name, 0.1) * self._phase_ratio(p) for p in self.phases))

    def _phase_ratio(self, phase: PhaseProgress) -> float:
        if phase.state in (PhaseState.PENDING, PhaseState.RUNNING):
            if phase.name is not PhaseName.COLLECT or not self.executions:
                return 0.0
            return sum(1 for e in self.executions if e.outcome) / len(self.executions)
        return 1.0

    def phase(self, name: PhaseName) -> PhaseProgress:
        return next(p for p in self.phases if p.name is name)

    def execution(self, execution_id: str) -> ExecutionRecord | None:
        return next((e for e in self.executions if e.id == execution_id), None)


def open_from(event: Event, investigation_id: str) -> Investigation:
    """The investigation as its first event makes it."""
    if event.kind is not EventKind.INVESTIGATION_CREATED:
        raise ValueError(f"a stream starts with InvestigationCreated, not {event.kind}")
    payload: dict[str, Any] = event.payload
    return Investigation(
        id=investigation_id,
        seq=event.seq,
        workspace=payload.get("workspace", "default"),
        question=Question.model_validate(payload["question"]),
        requester=Principal.model_validate(payload["requester"]),
        squad=payload.get("squad"),
        parent_id=payload.get("parent_id"),
        origin=payload.get("origin", {}),
        created_at=event.at,
        updated_at=event.at,
    )


def apply(state: Investigation, event: Event) -> Investigation:
    """The investigation after one more event. Pure; unknown details change nothing but the sequence."""
    change = _CHANGES.get(event.kind)
    update: dict[str, Any] = change(state, event) if change else {}
    return state.model_copy(update={**update, "seq": event.seq, "updated_at": event.at})


def fold(events: Iterable[Event], investigation_id: str) -> Investigation | None:
    """The investigation that these events (from the first on) add up to; None when there are none."""
    state: Investigation | None = None
    for event in events:
        state = open_from(event, investigation_id) if state is None else apply(state, event)
    return state


def _move(state: Investigation, event: Event, target: InvestigationState, reason: str = "") -> dict[str, Any]:
    if not may_move(state.state, target):
        return {}
    step = Transition(origin=state.state, target=target, at=event.at, actor=event.actor, reason=reason)
    update: dict[str, Any] = {"state": target, "transitions": (*state.transitions, step), "reason": reason}
    if target is InvestigationState.RUNNING and state.started_at is None:
        update["started_at"] = event.at
    if target.is_settled:
        update["finished_at"] = event.at
    return update


def _queued(state: Investigation, event: Event) -> dict[str, Any]:
    return _move(state, event, InvestigationState.QUEUED, str(event.payload.get("reason", "")))


def _claimed(state: Investigation, event: Event) -> dict[str, Any]:
    payload: dict[str, Any] = event.payload
    update: dict[str, Any] = {
        "worker": payload["worker"],
        "fence": payload["fence"],
        "claims": state.claims + 1,
    }
    if state.state in (InvestigationState.QUEUED, InvestigationState.RETRYING):
        update |= _move(state, event, InvestigationState.INITIALIZING, "claimed by a worker")
    return update


def _state_changed(state: Investigation, event: Event) -> dict[str, Any]:
    payload: dict[str, Any] = event.payload
    target = InvestigationState(payload["to"])
    update = _move(state, event, target, payload.get("reason", ""))
    answered = {
        InvestigationState.PAUSED: {"pause": None, "resume": None},
        InvestigationState.RUNNING: {"pause": None, "resume": None},
        InvestigationState.CANCELLED: {"pause": None, "resume": None, "cancel": None, "retry": None},
        InvestigationState.COMPLETED: {"pause": None, "resume": None, "cancel": None},
        InvestigationState.FAILED: {"pause": None, "resume": None},
        InvestigationState.RETRYING: {"retry": None},
    }.get(target)
    if update and answered:
        update["requests"] = state.requests.model_copy(update=answered)
    if update and target is InvestigationState.RETRYING:
        update |= _fresh_attempt(state)
    return update


def _fresh_attempt(state: Investigation) -> dict[str, Any]:
    """A retry keeps all evidence; phases that did not finish start again."""
    done = (PhaseState.COMPLETED, PhaseState.SKIPPED)
    redo = {PhaseName.CORRELATE, PhaseName.SYNTHESIZE, PhaseName.PROPOSE}
    phases = tuple(p if p.state in done and p.name not in redo else PhaseProgress(name=p.name) for p in state.phases)
    return {"retries": state.retries + 1, "claims": 0, "phases": phases, "finished_at": None, "report": None}


def _request(name: str) -> Callable[[Investigation, Event], dict[str, Any]]:
    def change(state: Investigation, event: Event) -> dict[str, Any]:
        cleared = {"pause": {"resume": None}, "resume": {"pause": None}}.get(name, {})
        return {"requests": state.requests.model_copy(update={**cleared, name: event.actor})}

    return change


def _guidance(state: Investigation, event: Event) -> dict[str, Any]:
    text = str(event.payload.get("text", ""))
    return {"guidance": (*state.guidance, Guidance(text=text, by=event.actor, at=event.at))}


def _analysis(_: Investigation, event: Event) -> dict[str, Any]:
    return {"analysis": Analysis.model_validate(event.payload["analysis"])}


def _plan(_: Investigation, event: Event) -> dict[str, Any]:
    return {"plan": Plan.model_validate(event.payload["plan"])}


def _phase_started(state: Investigation, event: Event) -> dict[str, Any]:
    update = {"state": PhaseState.RUNNING, "started_at": event.at, "finished_at": None, "error": None}
    return _phase(state, event, update | {"input": event.payload.get("input", {})})


def _phase_finished(state: Investigation, event: Event) -> dict[str, Any]:
    update = {
        "state": PhaseState(str(event.payload.get("state", "completed"))),
        "finished_at": event.at,
        "output": event.payload.get("output", {}),
        "error": event.payload.get("error"),
    }
    return {**_phase(state, event, update), "claims": 0}


def _phase(state: Investigation, event: Event, update: dict[str, Any]) -> dict[str, Any]:
    name = PhaseName(str(event.payload["phase"]))
    phases = tuple(p.model_copy(update=update) if p.name is name else p for p in state.phases)
    return {"phases": phases}


def _tool_started(state: Investigation, event: Event) -> dict[str, Any]:
    payload: dict[str, Any] = event.payload
    record = ExecutionRecord(
        id=payload["execution_id"],
        call=ToolCall.model_validate(payload["call"]),
        by=ChosenBy(payload["by"]),
        phase=payload.get("phase"),
        why=payload.get("why", ""),
        started_at=event.at,
    )
    others = tuple(e for e in state.executions if e.id != record.id)
    return {"executions": (*others, record)}


def _tool_finished(state: Investigation, event: Event) -> dict[str, Any]:
    payload: dict[str, Any] = event.payload
    stats = CallStats.model_validate(payload.get("stats", {}))
    update: dict[str, Any] = {
        "finished_at": event.at,
        "outcome": Outcome(payload["outcome"]),
        "error_kind": payload.get("error_kind"),
        "error": payload.get("error"),
        "evidence_id": payload.get("evidence_id"),
        "headline": payload.get("headline", ""),
        "truncated": payload.get("truncated"),
        "stats": stats,
        "attempts": payload.get("attempts", 1),
    }
    wanted = payload["execution_id"]
    executions = tuple(e.model_copy(update=update) if e.id == wanted else e for e in state.executions)
    return {"executions": executions, "spent": _spend(state.spent, stats), "claims": 0}


def _spend(spent: Spent, stats: CallStats) -> Spent:
    return Spent(
        usd=spent.usd + stats.cost_usd,
        tokens=spent.tokens,
        queries=spent.queries + stats.api_calls,
        bytes=spent.bytes + stats.bytes,
        rows=spent.rows + stats.rows,
    )


def _gap(state: Investigation, event: Event) -> dict[str, Any]:
    gap = Gap.model_validate(event.payload["gap"])
    return {"gaps": state.gaps if gap in state.gaps else (*state.gaps, gap)}


def _ranked(_: Investigation, event: Event) -> dict[str, Any]:
    hypotheses: JsonValue = event.payload.get("hypotheses", [])
    return {"hypotheses": tuple(h for h in hypotheses if isinstance(h, dict)) if isinstance(hypotheses, list) else ()}


def _pin(field: str, opposite: str) -> Callable[[Investigation, Event], dict[str, Any]]:
    def change(state: Investigation, event: Event) -> dict[str, Any]:
        key = str(event.payload["hypothesis"])
        kept = tuple(k for k in getattr(state, field) if k != key)
        return {field: (*kept, key), opposite: tuple(k for k in getattr(state, opposite) if k != key)}

    return change


def _report(_: Investigation, event: Event) -> dict[str, Any]:
    return {"report": Report.model_validate(event.payload["report"])}


def _budget(state: Investigation, event: Event) -> dict[str, Any]:
    payload: dict[str, Any] = event.payload
    spent = state.spent
    usd, tokens = spent.usd + payload.get("usd", 0.0), spent.tokens + payload.get("tokens", 0)
    return {"spent": spent.model_copy(update={"usd": usd, "tokens": tokens})}


def _feedback(state: Investigation, event: Event) -> dict[str, Any]:
    return {"feedback": (*state.feedback, {**event.payload, "by": event.actor})}


_CHANGES: dict[EventKind, Callable[[Investigation, Event], dict[str, Any]]] = {
    EventKind.QUEUED: _queued,
    EventKind.CLAIMED: _claimed,
    EventKind.STATE_CHANGED: _state_changed,
    EventKind.PAUSE_REQUESTED: _request("pause"),
    EventKind.RESUME_REQUESTED: _request("resume"),
    EventKind.CANCEL_REQUESTED: _request("cancel"),
    EventKind.RETRY_REQUESTED: _request("retry"),
    EventKind.GUIDANCE_GIVEN: _guidance,
    EventKind.ANALYSIS_MADE: _analysis,
    EventKind.PLAN_MADE: _plan,
    EventKind.PHASE_STARTED: _phase_started,
    EventKind.PHASE_FINISHED: _phase_finished,
    EventKind.TOOL_STARTED: _tool_started,
    EventKind.TOOL_FINISHED: _tool_finished,
    EventKind.GAP_NOTED: _gap,
    EventKind.HYPOTHESIS_RANKED: _ranked,
    EventKind.HYPOTHESIS_PINNED: _pin("pinned", "ruled_out"),
    EventKind.HYPOTHESIS_RULED_OUT: _pin("ruled_out", "pinned"),
    EventKind.REPORT_MADE: _report,
    EventKind.BUDGET_SPENT: _budget,
    EventKind.FEEDBACK_GIVEN: _feedback,
}


def elapsed_s(investigation: Investigation, now: datetime) -> float:
    """Seconds from opening to the end, or to `now` while it goes on."""
    return ((investigation.finished_at or now) - investigation.created_at).total_seconds()
