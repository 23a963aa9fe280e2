"""What surrounds investigations: changes, incidents, anomalies, people, and what was discovered. Columns only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field

from bot.store.columns import Row, UtcDateTime


class ProposalRow(Row, table=True):
    __tablename__ = "proposals"
    __table_args__ = (Index("ix_proposals_state", "workspace", "state", "created_at"),)

    id: str = Field(primary_key=True)
    workspace: str
    seq: int
    investigation_id: str | None = Field(default=None, index=True)
    state: str
    risk: str
    digest: str
    title: str
    target: str | None = None
    target_uid: str | None = None
    target_version: str | None = None
    requester_id: str
    squad: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    document: str


class ApprovalRow(Row, table=True):
    __tablename__ = "approvals"
    __table_args__ = (Index("ix_approvals_person", "proposal_id", "principal_id", unique=True),)

    id: str = Field(primary_key=True)
    workspace: str
    proposal_id: str
    principal_id: str
    decision: str
    digest: str
    decided_at: datetime = Field(sa_type=UtcDateTime)
    note: str = ""


class IncidentRow(Row, table=True):
    __tablename__ = "incidents"
    __table_args__ = (Index("ix_incidents_state", "workspace", "state", "opened_at"),)

    id: str = Field(primary_key=True)
    workspace: str
    seq: int
    title: str
    severity: str
    state: str
    service: str | None = None
    squad: str | None = None
    owner_id: str | None = None
    ticket_key: str | None = None
    channel: str | None = None
    thread_ts: str | None = None
    fingerprint: str | None = Field(default=None, index=True)
    opened_at: datetime = Field(sa_type=UtcDateTime)
    mitigated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    document: str


class AnomalyRow(Row, table=True):
    __tablename__ = "anomalies"
    __table_args__ = (
        Index("ix_anomalies_state", "workspace", "state", "last_seen_at"),
        Index("ix_anomalies_fingerprint", "workspace", "fingerprint"),
    )

    id: str = Field(primary_key=True)
    workspace: str
    seq: int
    fingerprint: str
    state: str
    severity: str
    service: str | None = None
    source: str | None = None
    metric: str | None = None
    sweep: str | None = None
    group_id: str | None = None
    count: int = 1
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    document: str


class SweepRow(Row, table=True):
    __tablename__ = "sweeps"

    workspace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    schedule: str
    enabled: bool = True
    last_run_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_run_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_outcome: str | None = None
    document: str = "{}"


class ServiceRow(Row, table=True):
    __tablename__ = "services"

    workspace: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    squad: str | None = None
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    document: str = "{}"


class MetricRow(Row, table=True):
    __tablename__ = "metrics"

    workspace: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    type: str = ""
    description: str = ""
    labels: str = "[]"
    services: str = "[]"
    first_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)


class QueryHistoryRow(Row, table=True):
    __tablename__ = "query_history"
    __table_args__ = (Index("ix_query_history_user", "workspace", "user_id", "created_at"),)

    id: str = Field(primary_key=True)
    workspace: str
    user_id: str
    question: str
    source: str | None = None
    generated_query: str | None = None
    duration_ms: float | None = None
    success: bool
    error: str | None = None
    cached: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)


class QueryEmbeddingRow(Row, table=True):
    __tablename__ = "query_embeddings"

    id: str = Field(primary_key=True)
    workspace: str = Field(index=True)
    text: str
    model: str
    vector: bytes
    query: str
    usage_count: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)


class UserRow(Row, table=True):
    __tablename__ = "users"

    workspace: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str = ""
    email: str | None = None
    time_zone: str = "UTC"
    guest: bool = False
    password_hash: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SquadRow(Row, table=True):
    __tablename__ = "squads"

    workspace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    lead: str | None = None
    updated_at: datetime = Field(sa_type=UtcDateTime)
    document: str


class RoleBindingRow(Row, table=True):
    """A role a principal has; `squad` is empty when it holds everywhere."""

    __tablename__ = "role_bindings"

    workspace: str = Field(primary_key=True)
    principal_id: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    squad: str = Field(default="", primary_key=True)
    granted_by: str
    granted_at: datetime = Field(sa_type=UtcDateTime)


class ApiKeyRow(Row, table=True):
    """An API key by its SHA-256; the key itself is never kept."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    workspace: str
    name: str
    key_sha256: str = Field(unique=True)
    role: str
    squad: str = ""
    rate_limit_per_minute: int | None = None
    created_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    usage_count: int = 0
