"""Which states there are and which moves lead from one to another. Anything not listed is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class InvestigationState(StrEnum):
    CREATED = "created"
    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETING = "completing"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRYING = "retrying"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return not INVESTIGATION_MOVES[self]

    @property
    def is_settled(self) -> bool:
        """No worker has anything to do now: final, or failed and waiting for a person."""
        return self.is_final or self is InvestigationState.FAILED


_S = InvestigationState
INVESTIGATION_MOVES: Mapping[InvestigationState, frozenset[InvestigationState]] = MappingProxyType(
    {
        _S.CREATED: frozenset({_S.QUEUED, _S.CANCELLED}),
        _S.QUEUED: frozenset({_S.INITIALIZING, _S.FAILED, _S.CANCELLED}),
        _S.INITIALIZING: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
        _S.RUNNING: frozenset({_S.PAUSED, _S.COMPLETING, _S.FAILED, _S.CANCELLED}),
        _S.PAUSED: frozenset({_S.RUNNING, _S.CANCELLED}),
        _S.COMPLETING: frozenset({_S.COMPLETED, _S.FAILED}),
        _S.FAILED: frozenset({_S.RETRYING, _S.CANCELLED}),
        _S.RETRYING: frozenset({_S.QUEUED, _S.INITIALIZING, _S.FAILED, _S.CANCELLED}),
        _S.COMPLETED: frozenset(),
        _S.CANCELLED: frozenset(),
    }
)


class PhaseName(StrEnum):
    ANALYZE = "analyze"
    PLAN = "plan"
    COLLECT = "collect"
    CORRELATE = "correlate"
    SYNTHESIZE = "synthesize"
    PROPOSE = "propose"


PHASE_ORDER: tuple[PhaseName, ...] = tuple(PhaseName)


class PhaseState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Severity(StrEnum):
    """How bad a symptom is."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Risk(StrEnum):
    """How dangerous a change is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Outcome(StrEnum):
    """How one ToolExecution ended."""

    SUCCEEDED = "succeeded"
    EMPTY = "empty"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    SUPPORTED = "supported"
    INCONCLUSIVE = "inconclusive"
    NO_FAULT_FOUND = "no_fault_found"


def may_move(origin: InvestigationState, target: InvestigationState) -> bool:
    """True when the table allows the move."""
    return target in INVESTIGATION_MOVES[origin]
