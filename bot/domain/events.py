"""What happened: append-only events, each chained to the one before in its stream by a hash."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field

from connectors.model import Frozen, JsonObject, canonical_digest

GENESIS_HASH = "0" * 64


class EventKind(StrEnum):
    """Every kind of event, past tense. The store refuses any other."""

    INVESTIGATION_CREATED = "InvestigationCreated"
    QUEUED = "Queued"
    CLAIMED = "Claimed"
    STATE_CHANGED = "StateChanged"
    PAUSE_REQUESTED = "PauseRequested"
    RESUME_REQUESTED = "ResumeRequested"
    CANCEL_REQUESTED = "CancelRequested"
    RETRY_REQUESTED = "RetryRequested"
    GUIDANCE_GIVEN = "GuidanceGiven"
    ANALYSIS_MADE = "AnalysisMade"
    PLAN_MADE = "PlanMade"
    PHASE_STARTED = "PhaseStarted"
    PHASE_FINISHED = "PhaseFinished"
    TOOL_STARTED = "ToolStarted"
    TOOL_FINISHED = "ToolFinished"
    EVIDENCE_KEPT = "EvidenceKept"
    FINDING_MADE = "FindingMade"
    HYPOTHESIS_RANKED = "HypothesisRanked"
    HYPOTHESIS_PINNED = "HypothesisPinned"
    HYPOTHESIS_RULED_OUT = "HypothesisRuledOut"
    REPORT_MADE = "ReportMade"
    GAP_NOTED = "GapNoted"
    BUDGET_SPENT = "BudgetSpent"
    FEEDBACK_GIVEN = "FeedbackGiven"
    SNAPSHOT_TAKEN = "SnapshotTaken"
    PROPOSAL_MADE = "ProposalMade"
    PROPOSAL_APPROVED = "ProposalApproved"
    PROPOSAL_REJECTED = "ProposalRejected"
    PROPOSAL_EXPIRED = "ProposalExpired"
    PROPOSAL_SUPERSEDED = "ProposalSuperseded"
    EXECUTION_STARTED = "ExecutionStarted"
    EXECUTION_FINISHED = "ExecutionFinished"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    TARGET_READ = "TargetRead"
    VERIFICATION_FINISHED = "VerificationFinished"
    UNDO_PROPOSED = "UndoProposed"
    INCIDENT_OPENED = "IncidentOpened"
    INCIDENT_MITIGATED = "IncidentMitigated"
    INCIDENT_RESOLVED = "IncidentResolved"
    INCIDENT_REOPENED = "IncidentReopened"
    TICKET_WANTED = "TicketWanted"
    TICKET_LINKED = "TicketLinked"
    ANOMALY_FOUND = "AnomalyFound"
    ANOMALY_GROUPED = "AnomalyGrouped"
    ANOMALY_SNOOZED = "AnomalySnoozed"
    ANOMALY_DISMISSED = "AnomalyDismissed"
    ANOMALY_RESOLVED = "AnomalyResolved"
    ALERT_RECEIVED = "AlertReceived"
    SWEEP_RAN = "SweepRan"
    SWEEP_MISSED = "SweepMissed"
    SWEEP_CHANGED = "SweepChanged"
    ROLE_GRANTED = "RoleGranted"
    ROLE_REVOKED = "RoleRevoked"
    KEY_ISSUED = "KeyIssued"
    KEY_REVOKED = "KeyRevoked"
    SIGNED_IN = "SignedIn"
    VALUE_UNMASKED = "ValueUnmasked"
    REFUSED = "Refused"


class NewEvent(Frozen):
    """An event before it has a place in its stream."""

    kind: EventKind
    actor: str
    at: AwareDatetime
    payload: JsonObject = Field(default_factory=dict)


class Event(Frozen):
    """An event in its place: `seq` counts from 1 without gaps; `hash` covers everything and the hash before."""

    stream: str
    seq: int = Field(ge=1)
    kind: EventKind
    actor: str
    at: AwareDatetime
    payload: JsonObject
    previous_hash: str
    hash: str


def event_hash(*, stream: str, seq: int, new: NewEvent, previous_hash: str) -> str:
    """SHA-256 over the event's canonical JSON and the hash of the event before it."""
    return canonical_digest(
        {
            "stream": stream,
            "seq": seq,
            "kind": new.kind.value,
            "actor": new.actor,
            "at": _instant(new.at),
            "payload": new.payload,
            "previous_hash": previous_hash,
        }
    )


def chain(stream: str, after: Event | None, new: NewEvent) -> Event:
    """The event in its place behind `after` (None: the stream is empty)."""
    seq = after.seq + 1 if after else 1
    previous = after.hash if after else GENESIS_HASH
    return Event(
        stream=stream,
        seq=seq,
        previous_hash=previous,
        hash=event_hash(stream=stream, seq=seq, new=new, previous_hash=previous),
        kind=new.kind,
        actor=new.actor,
        at=new.at,
        payload=new.payload,
    )


def first_broken_link(events: list[Event]) -> int | None:
    """The sequence number of the first event that does not fit its chain; None when all do."""
    previous_hash = GENESIS_HASH
    for expected_seq, event in enumerate(events, start=1):
        new = NewEvent(kind=event.kind, actor=event.actor, at=event.at, payload=event.payload)
        fits = event.seq == expected_seq and event.previous_hash == previous_hash
        made = event_hash(stream=event.stream, seq=event.seq, new=new, previous_hash=previous_hash)
        if not fits or made != event.hash:
            return expected_seq
        previous_hash = event.hash
    return None


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
