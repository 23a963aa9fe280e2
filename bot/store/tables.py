"""The log and everything an investigation is made of: columns only. Documents and payloads are JSON text in ASCII.

JSON is kept as text because PostgreSQL's own JSON types refuse U+0000 and may rewrite numbers, and a hash must hold
over exactly what was written.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from bot.store.columns import Row, UtcDateTime


class InvestigationRow(Row, table=True):
    """The current row of an investigation. `document` is the whole of it; the other columns make it findable.

    `worker`, `holder` and `lease_until` name who works on it now (NULL: nobody); `holder` is the liveness lock of the
    process. `ready`: a worker would have something to do. People's come before schedules' by `queue_class`.
    """

    __tablename__ = "investigations"
    __table_args__ = (
        Index("ix_investigations_recent", "workspace", "created_at", "id"),
        Index("ix_investigations_status", "workspace", "status", "created_at"),
        Index("ix_investigations_user", "workspace", "user_id", "created_at"),
        Index("ix_investigations_thread", "channel", "thread_ts"),
        Index(
            "ix_investigations_ready",
            "workspace",
            "queue_class",
            "queued_at",
            sqlite_where=text("ready = 1"),
            postgresql_where=text("ready"),
        ),
    )

    id: str = Field(primary_key=True)
    workspace: str
    seq: int
    user_id: str
    subject: str
    type: str | None = None
    status: str
    current_phase: str | None = None
    progress_percentage: float = 0.0
    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    completed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    retry_count: int = 0
    error_message: str | None = None
    parent_investigation_id: str | None = Field(default=None, index=True)
    result: str | None = None
    metadata_: str = Field(default="{}", sa_column_kwargs={"name": "metadata"})
    configuration: str = "{}"
    squad: str | None = None
    channel: str | None = None
    thread_ts: str | None = None
    document: str
    ready: bool = False
    queue_class: int = 0
    queued_at: datetime = Field(sa_type=UtcDateTime)
    worker: str | None = None
    holder: int | None = Field(default=None, sa_type=BigInteger)
    fence: int = 0
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    claims: int = 0


class PhaseRow(Row, table=True):
    __tablename__ = "investigation_phases"

    workspace: str
    investigation_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    position: int
    status: str
    progress: float = 0.0
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    completed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    duration_ms: float | None = None
    input: str = "{}"
    output: str = "{}"
    error: str | None = None


class ToolExecutionRow(Row, table=True):
    """One attempt at a call. `agent` is who chose it: reasoner, sweep, runbook or person."""

    __tablename__ = "tool_executions"
    __table_args__ = (Index("ix_tool_executions_digest", "workspace", "digest"),)

    workspace: str
    investigation_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    connector: str
    digest: str
    phase: str | None = None
    agent: str
    tool: str
    version: str | None = None
    started_at: datetime = Field(sa_type=UtcDateTime)
    completed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    duration_ms: float | None = None
    status: str
    input: str = "{}"
    output_summary: str = ""
    error_kind: str | None = None
    error: str | None = None
    evidence_id: str | None = None
    tokens_used: int = 0
    api_calls_made: int = 0
    cost_estimate: float = 0.0
    attempts: int = 1


class EvidenceRow(Row, table=True):
    __tablename__ = "evidence"

    id: str = Field(primary_key=True)
    workspace: str
    stream: str = Field(index=True)
    connector: str
    tool: str
    kind: str
    digest: str
    collected_at: datetime = Field(sa_type=UtcDateTime)
    headline: str = ""
    truncated: str | None = None
    document: str


class EventRow(Row, table=True):
    """What happened, in every stream. Never updated; `payload` is JSON text and the hash holds over it."""

    __tablename__ = "investigation_events"

    workspace: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    type: str
    timestamp: datetime = Field(sa_type=UtcDateTime)
    actor: str
    previous_state: str | None = None
    new_state: str | None = None
    payload: str
    previous_hash: str
    hash: str


class ChainHeadRow(Row, table=True):
    """Where each stream ends, kept apart from the events so that a cut tail shows; the signature is added later."""

    __tablename__ = "chain_heads"

    workspace: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    seq: int
    hash: str
    signed_seq: int | None = None
    signed_hash: str | None = None
    signature: str | None = None
    signed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SnapshotRow(Row, table=True):
    __tablename__ = "investigation_snapshots"

    workspace: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    taken_at: datetime = Field(sa_type=UtcDateTime)
    hash: str
    document: str


class FindingRow(Row, table=True):
    __tablename__ = "findings"
    __table_args__ = (Index("ix_findings_component", "workspace", "component", "kind"),)

    workspace: str
    investigation_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    kind: str
    component: str
    statement: str
    weight: float = 0.5
    onset: datetime | None = Field(default=None, sa_type=UtcDateTime)
    evidence: str = "[]"
    data: str = "{}"
    created_at: datetime = Field(sa_type=UtcDateTime)


class HypothesisRow(Row, table=True):
    __tablename__ = "hypotheses"
    __table_args__ = (Index("ix_hypotheses_component", "workspace", "component", "cause"),)

    workspace: str
    investigation_id: str = Field(primary_key=True)
    rank: int = Field(primary_key=True)
    component: str
    cause: str
    confidence: float
    statement: str
    pinned: bool = False
    ruled_out: bool = False
    document: str
    created_at: datetime = Field(sa_type=UtcDateTime)


class DeliveryRow(Row, table=True):
    """A delivery from outside that has had its effect: a repeated one is recognised by its id."""

    __tablename__ = "deliveries"

    workspace: str = Field(primary_key=True)
    delivery_id: str = Field(primary_key=True)
    stream: str
    received_at: datetime = Field(sa_type=UtcDateTime, index=True)


class OutboxRow(Row, table=True):
    """Per stream: how far it has got and how far it has been shown."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_waiting",
            "workspace",
            "changed_at",
            sqlite_where=text("published_seq < latest_seq"),
            postgresql_where=text("published_seq < latest_seq"),
        ),
    )

    workspace: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    latest_seq: int
    published_seq: int = 0
    changed_at: datetime = Field(sa_type=UtcDateTime)


class SlackMessageRow(Row, table=True):
    """What was posted where, so that it is edited and never posted twice."""

    __tablename__ = "slack_messages"
    __table_args__ = (Index("ix_slack_messages_place", "workspace", "channel", "ts"),)

    workspace: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    slot: str = Field(primary_key=True)
    channel: str
    ts: str
    thread_ts: str | None = None
    digest: str
    updated_at: datetime = Field(sa_type=UtcDateTime)


class LeaseRow(Row, table=True):
    """A duty that one process has at a time, such as publishing."""

    __tablename__ = "leases"

    workspace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    worker: str
    holder: int | None = Field(default=None, sa_type=BigInteger)
    lease_until: datetime = Field(sa_type=UtcDateTime)
