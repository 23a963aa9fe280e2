"""A proposal: a change we would make, what people said about it, and what came of it. Changes only by events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import AwareDatetime, Field

from bot.domain.access import Principal
from bot.domain.authority import Subject
from bot.domain.events import Event, EventKind
from bot.domain.states import Risk
from bot.errors import MoveRefused
from connectors.model import Frozen, JsonObject, ToolCall, canonical_digest

PROPOSAL_PREFIX = "proposal/"
MOST_REFUSALS = 50


class ProposalState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ROLLED_BACK = "rolled_back"

    @property
    def is_open(self) -> bool:
        """Something may still happen to it by itself or by a click."""
        return bool(PROPOSAL_MOVES[self]) and self is not ProposalState.FAILED


_S = ProposalState
PROPOSAL_MOVES: Mapping[ProposalState, frozenset[ProposalState]] = MappingProxyType(
    {
        _S.PROPOSED: frozenset({_S.PROPOSED, _S.APPROVED, _S.REJECTED, _S.EXPIRED, _S.SUPERSEDED}),
        _S.APPROVED: frozenset({_S.EXECUTING, _S.EXPIRED, _S.SUPERSEDED}),
        _S.EXECUTING: frozenset({_S.VERIFYING, _S.FAILED, _S.UNKNOWN}),
        _S.VERIFYING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.ROLLED_BACK}),
        _S.UNKNOWN: frozenset({_S.VERIFYING, _S.FAILED}),
        _S.FAILED: frozenset({_S.ROLLED_BACK}),
        _S.REJECTED: frozenset(),
        _S.EXPIRED: frozenset(),
        _S.SUPERSEDED: frozenset(),
        _S.SUCCEEDED: frozenset(),
        _S.ROLLED_BACK: frozenset(),
    }
)
OPEN_STATES: tuple[ProposalState, ...] = tuple(s for s in _S if s.is_open)


class Target(Frozen):
    """The thing to be changed, as it was when the dry run was made."""

    name: str
    uid: str | None = None
    version: str | None = None


class SymptomCheck(Frozen):
    """How to see that a symptom went: the finding's own query, and which number in its answer to hold against which.

    `before` and `after` are the values around the onset; `labels` choose the series. `kind` is the finding's.
    """

    kind: str
    statement: str
    call: ToolCall
    service: str = ""
    metric: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    before: float | None = None
    after: float | None = None


class RunbookRef(Frozen):
    id: str
    version: str
    title: str = ""


class Approval(Frozen):
    """One person's yes to exactly this digest."""

    id: str
    principal_id: str
    name: str = ""
    digest: str
    at: AwareDatetime
    role: str = ""


class Step(Frozen):
    """One line of a proposal's story, for people."""

    at: AwareDatetime
    kind: EventKind
    actor: str
    text: str = ""


class Proposal(Frozen):
    """The current row of a proposal. `seq` is how far its stream has got."""

    id: str
    seq: int = 0
    workspace: str = "default"
    investigation_id: str | None = None
    state: ProposalState = ProposalState.PROPOSED
    title: str
    why: str = ""
    risk: Risk
    call: ToolCall
    target: Target
    diff: str
    warnings: tuple[str, ...] = ()
    requester: Principal
    squad: str | None = None
    service: str | None = None
    environment: str = "production"
    cause: str = ""
    component: str = ""
    evidence: tuple[str, ...] = ()
    runbook: RunbookRef | None = None
    checks: tuple[SymptomCheck, ...] = ()
    settle_s: float = Field(default=300.0, gt=0)
    undo: ToolCall | None = None
    undo_title: str = ""
    undo_of: str | None = None
    undone_by: str | None = None
    may_approve: str = ""
    token: str
    digest: str
    made_at: AwareDatetime
    updated_at: AwareDatetime
    expires_at: AwareDatetime
    approvals: tuple[Approval, ...] = ()
    refusals: int = 0
    rejected_by: str | None = None
    reason: str = ""
    executor: str | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    sends: int = 0
    verified_at: AwareDatetime | None = None
    outcome_text: str = ""
    story: tuple[Step, ...] = ()

    @property
    def subject(self) -> Subject:
        """What policy is asked about."""
        return Subject(
            risk=self.risk,
            squad=self.squad,
            service=self.service,
            environment=self.environment,
            tool=f"{self.call.connector} {self.call.tool}",
        )

    @property
    def waited_s(self) -> float | None:
        """Seconds from the proposal to the approval that completed it."""
        done = self.state not in (_S.PROPOSED, _S.REJECTED) and self.approvals
        return (self.approvals[-1].at - self.made_at).total_seconds() if done else None

    @property
    def recovery_s(self) -> float | None:
        """Seconds from the start of the execution to the first reading that shows the symptom gone."""
        if self.started_at is None or self.verified_at is None:
            return None
        return (self.verified_at - self.started_at).total_seconds()


def proposal_stream(proposal_id: str) -> str:
    return PROPOSAL_PREFIX + proposal_id


def digest_of(call: ToolCall, target: Target, diff: str, evidence: Iterable[str]) -> str:
    """What an approval is bound to: SHA-256 over call, target with its version, dry run, evidence."""
    return canonical_digest(
        {
            "call": call.model_dump(mode="json"),
            "target": target.model_dump(mode="json"),
            "diff": diff,
            "evidence": list(evidence),
        }
    )


def fresh_digest(proposal: Proposal) -> str:
    """The digest of what the proposal holds now; it must equal the recorded one."""
    return digest_of(proposal.call, proposal.target, proposal.diff, proposal.evidence)


def open_from(event: Event) -> Proposal:
    """The proposal that a ProposalMade event begins."""
    if event.kind is not EventKind.PROPOSAL_MADE:
        raise MoveRefused("A proposal begins with ProposalMade.")
    body: dict[str, Any] = dict(event.payload["proposal"])  # type: ignore[arg-type]
    step = Step(at=event.at, kind=event.kind, actor=event.actor)
    return Proposal.model_validate({**body, "seq": event.seq, "updated_at": event.at, "story": (step,)})


def apply(state: Proposal, event: Event) -> Proposal:
    """The proposal after one more event. MoveRefused when the state table has no such move."""
    change = _CHANGES.get(event.kind)
    if change is None:
        return state.model_copy(update={"seq": event.seq})
    update = change(state, event)
    target = update.get("state", state.state)
    if target is not state.state and target not in PROPOSAL_MOVES[state.state]:
        raise MoveRefused(f"A proposal that is {state.state.value} cannot become {target.value}.")
    if event.kind is EventKind.PROPOSAL_APPROVED and state.state is not _S.PROPOSED:
        raise MoveRefused(f"A proposal that is {state.state.value} cannot be approved.")
    story = state.story if event.kind in _SILENT else (*state.story, _step(event))
    return state.model_copy(update={"seq": event.seq, "updated_at": event.at, "story": story, **update})


def fold(events: Iterable[Event]) -> Proposal:
    """All events of one stream, in order."""
    found = iter(events)
    state = open_from(next(found))
    for event in found:
        state = apply(state, event)
    return state


def _step(event: Event) -> Step:
    words = event.payload.get("text") or event.payload.get("reason") or event.payload.get("error") or ""
    return Step(at=event.at, kind=event.kind, actor=event.actor, text=str(words))


def _approved(state: Proposal, event: Event) -> dict[str, Any]:
    approval = Approval.model_validate(event.payload["approval"])
    complete = event.payload.get("complete") is True
    approvals = (*state.approvals, approval)
    return {"approvals": approvals, "state": _S.APPROVED if complete else state.state}


def _rejected(_: Proposal, event: Event) -> dict[str, Any]:
    return {"state": _S.REJECTED, "rejected_by": event.actor, "reason": str(event.payload.get("reason", ""))}


def _closed(target: ProposalState) -> Callable[[Proposal, Event], dict[str, Any]]:
    def change(_: Proposal, event: Event) -> dict[str, Any]:
        return {"state": target, "reason": str(event.payload.get("reason", ""))}

    return change


def _started(_: Proposal, event: Event) -> dict[str, Any]:
    return {"state": _S.EXECUTING, "started_at": event.at, "executor": str(event.payload["executor"])}


def _sent(state: Proposal, event: Event) -> dict[str, Any]:
    return {"sends": state.sends + 1} if event.payload.get("digest") == state.call.digest else {}


def _finished(state: Proposal, event: Event) -> dict[str, Any]:
    good = event.payload.get("outcome") == "succeeded"
    text = str(event.payload.get("text") or event.payload.get("error") or "")
    return {"state": _S.VERIFYING if good else _S.FAILED, "finished_at": event.at, "outcome_text": text}


def _unknown(_: Proposal, event: Event) -> dict[str, Any]:
    return {"state": _S.UNKNOWN, "outcome_text": str(event.payload.get("reason", ""))}


def _read(state: Proposal, event: Event) -> dict[str, Any]:
    if state.state is not _S.UNKNOWN:
        return {}
    applied = event.payload.get("applied") is True
    text = str(event.payload.get("text", ""))
    return {"state": _S.VERIFYING if applied else _S.FAILED, "finished_at": event.at, "outcome_text": text}


def _verified(state: Proposal, event: Event) -> dict[str, Any]:
    outcome = str(event.payload.get("outcome"))
    target = {"succeeded": _S.SUCCEEDED, "rolled_back": _S.ROLLED_BACK}.get(outcome, _S.FAILED)
    at = event.at if target is _S.SUCCEEDED else state.verified_at
    return {"state": target, "verified_at": at, "outcome_text": str(event.payload.get("text", ""))}


def _undo(_: Proposal, event: Event) -> dict[str, Any]:
    return {"undone_by": str(event.payload["proposal_id"])}


def _refused(state: Proposal, _: Event) -> dict[str, Any]:
    return {"refusals": state.refusals + 1}


_CHANGES: dict[EventKind, Callable[[Proposal, Event], dict[str, Any]]] = {
    EventKind.PROPOSAL_APPROVED: _approved,
    EventKind.PROPOSAL_REJECTED: _rejected,
    EventKind.PROPOSAL_EXPIRED: _closed(_S.EXPIRED),
    EventKind.PROPOSAL_SUPERSEDED: _closed(_S.SUPERSEDED),
    EventKind.EXECUTION_STARTED: _started,
    EventKind.TOOL_STARTED: _sent,
    EventKind.EXECUTION_FINISHED: _finished,
    EventKind.OUTCOME_UNKNOWN: _unknown,
    EventKind.TARGET_READ: _read,
    EventKind.VERIFICATION_FINISHED: _verified,
    EventKind.UNDO_PROPOSED: _undo,
    EventKind.REFUSED: _refused,
}
_SILENT = frozenset({EventKind.TOOL_STARTED, EventKind.REFUSED})


def event_payload(proposal: Proposal) -> JsonObject:
    """The payload of the ProposalMade event."""
    body = proposal.model_dump(mode="json", exclude={"seq", "story", "updated_at"})
    return {"proposal": body}
