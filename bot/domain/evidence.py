"""From what came back to what it may mean: ToolExecution, Evidence, Finding, Hypothesis; each cites the one before."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from bot.domain.states import Outcome
from connectors.model import CallStats, Frozen, JsonObject, Payload, SourceRef, ToolCall


class ChosenBy(StrEnum):
    """Who wished for a call."""

    REASONER = "reasoner"
    SWEEP = "sweep"
    RUNBOOK = "runbook"
    PERSON = "person"


class Evidence(Frozen):
    """What a source answered, as kept: redacted, never edited. `headline` is one line for people, made by code."""

    id: str
    call: ToolCall
    payload: Payload
    source: SourceRef
    truncated: str | None = None
    collected_at: AwareDatetime
    headline: str = ""


class ToolExecution(Frozen):
    """One attempt at a ToolCall and how it ended."""

    id: str
    call: ToolCall
    by: ChosenBy
    phase: str | None = None
    started_at: AwareDatetime
    finished_at: AwareDatetime
    outcome: Outcome
    error_kind: str | None = None
    error: str | None = None
    evidence: Evidence | None = None
    stats: CallStats = CallStats()
    attempts: int = 1

    @property
    def duration_ms(self) -> float:
        return (self.finished_at - self.started_at).total_seconds() * 1000


class FindingKind(StrEnum):
    """The closed catalogue of measured statements."""

    ERROR_RATE_ROSE = "error_rate_rose"
    LATENCY_ROSE = "latency_rose"
    TRAFFIC_ROSE = "traffic_rose"
    TRAFFIC_FELL = "traffic_fell"
    SATURATION_HIGH = "saturation_high"
    METRIC_SHIFTED = "metric_shifted"
    SERIES_MISSING = "series_missing"
    LOG_TEMPLATE_NEW = "log_template_new"
    LOG_TEMPLATE_ROSE = "log_template_rose"
    LOG_SILENT = "log_silent"
    CHANGE_BEFORE_ONSET = "change_before_onset"
    ROLLOUT_IN_PROGRESS = "rollout_in_progress"
    RESTARTED = "restarted"
    OOM_KILLED = "oom_killed"
    CRASH_LOOPING = "crash_looping"
    IMAGE_PULL_FAILED = "image_pull_failed"
    SCHEDULING_FAILED = "scheduling_failed"
    QUOTA_EXCEEDED = "quota_exceeded"
    PROBE_FAILED = "probe_failed"
    CONFIG_REFERENCE_MISSING = "config_reference_missing"
    ENDPOINTS_EMPTY = "endpoints_empty"
    PORT_MISMATCH = "port_mismatch"
    NODE_NOT_READY = "node_not_ready"
    NODE_UNDER_PRESSURE = "node_under_pressure"
    CONNECTIONS_AT_LIMIT = "connections_at_limit"
    LOCK_CHAIN = "lock_chain"
    SLOW_STATEMENT_ROSE = "slow_statement_rose"
    REPLICATION_LAG_ROSE = "replication_lag_rose"
    SPAN_GAP_GREW = "span_gap_grew"
    SELF_TIME_GREW = "self_time_grew"
    ERRORS_ORIGINATE = "errors_originate"
    ERRORS_PROPAGATE = "errors_propagate"
    MONITOR_ALERTING = "monitor_alerting"
    SLO_BURNING = "slo_burning"
    ANOMALY_FOUND = "anomaly_found"
    EVIDENCE_CONTRADICTS = "evidence_contradicts"
    HOSTILE_TEXT_SEEN = "hostile_text_seen"


class Finding(Frozen):
    """A measured statement about a component.

    `component` is `app/NAME`, `node/NAME`, `namespace/NAME`, `database/NAME` or `external/NAME`. `weight` is how
    strongly it speaks, 0 to 1, before anything is combined. `data` holds the measured numbers that the statement
    quotes, and whatever a runbook needs to fill its parameters.
    """

    id: str
    kind: FindingKind
    component: str
    statement: str
    evidence: tuple[str, ...] = Field(min_length=1)
    onset: AwareDatetime | None = None
    weight: float = Field(default=0.5, ge=0, le=1)
    data: JsonObject = Field(default_factory=dict)


class Hypothesis(Frozen):
    """A possible cause at a component, with the findings for and against it."""

    component: str
    cause: str
    confidence: float = Field(ge=0, le=1)
    statement: str
    supporting: tuple[Finding, ...] = ()
    against: tuple[Finding, ...] = ()
    would_disprove: str = ""
    pinned: bool = False
    ruled_out: bool = False


class GapReason(StrEnum):
    TIMED_OUT = "timed_out"
    UNAUTHORIZED = "unauthorized"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    EMPTY = "empty"
    TOO_EXPENSIVE = "too_expensive"
    NOT_CONFIGURED = "not_configured"


class Gap(Frozen):
    """What could not be checked, and why."""

    source: str
    reason: GapReason
    text: str
