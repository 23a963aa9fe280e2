"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.shapes import big_integers, blobs, flags, floats, instants, integers, key, texts

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _investigations() -> None:
    op.create_table(
        "investigations",
        *texts("id", "workspace", "user_id", "subject", "status", "metadata", "configuration", "document"),
        *integers("seq", "retry_count", "queue_class", "fence", "claims"),
        *texts(
            "type",
            "current_phase",
            "error_message",
            "parent_investigation_id",
            "result",
            "squad",
            "channel",
            "thread_ts",
            "worker",
            null=True,
        ),
        *floats("progress_percentage"),
        *instants("created_at", "updated_at", "queued_at"),
        *instants("started_at", "completed_at", "failed_at", "lease_until", null=True),
        *flags("ready"),
        *big_integers("holder", null=True),
        key("id"),
    )
    op.create_index("ix_investigations_parent_investigation_id", "investigations", ["parent_investigation_id"])
    op.create_index(
        "ix_investigations_ready",
        "investigations",
        ["workspace", "queue_class", "queued_at"],
        sqlite_where=sa.text("ready = 1"),
        postgresql_where=sa.text("ready"),
    )
    op.create_index("ix_investigations_recent", "investigations", ["workspace", "created_at", "id"])
    op.create_index("ix_investigations_status", "investigations", ["workspace", "status", "created_at"])
    op.create_index("ix_investigations_thread", "investigations", ["channel", "thread_ts"])
    op.create_index("ix_investigations_user", "investigations", ["workspace", "user_id", "created_at"])


def _investigation_phases() -> None:
    op.create_table(
        "investigation_phases",
        *texts("workspace", "investigation_id", "name", "status", "input", "output"),
        *integers("position"),
        *floats("progress"),
        *instants("started_at", "completed_at", null=True),
        *floats("duration_ms", null=True),
        *texts("error", null=True),
        key("investigation_id", "name"),
    )


def _tool_executions() -> None:
    op.create_table(
        "tool_executions",
        *texts(
            "workspace",
            "investigation_id",
            "id",
            "connector",
            "digest",
            "agent",
            "tool",
            "status",
            "input",
            "output_summary",
        ),
        *texts("phase", "version", "error_kind", "error", "evidence_id", null=True),
        *instants("started_at"),
        *instants("completed_at", null=True),
        *floats("duration_ms", null=True),
        *integers("tokens_used", "api_calls_made", "attempts"),
        *floats("cost_estimate"),
        key("investigation_id", "id"),
    )
    op.create_index("ix_tool_executions_digest", "tool_executions", ["workspace", "digest"])


def _evidence() -> None:
    op.create_table(
        "evidence",
        *texts("id", "workspace", "stream", "connector", "tool", "kind", "digest", "headline", "document"),
        *instants("collected_at"),
        *texts("truncated", null=True),
        key("id"),
    )
    op.create_index("ix_evidence_stream", "evidence", ["stream"])


def _investigation_events() -> None:
    op.create_table(
        "investigation_events",
        *texts("workspace", "stream", "type", "actor", "payload", "previous_hash", "hash"),
        *integers("seq"),
        *instants("timestamp"),
        *texts("previous_state", "new_state", null=True),
        key("workspace", "stream", "seq"),
    )


def _chain_heads() -> None:
    op.create_table(
        "chain_heads",
        *texts("workspace", "stream", "hash"),
        *integers("seq"),
        *integers("signed_seq", null=True),
        *texts("signed_hash", "signature", null=True),
        *instants("signed_at", null=True),
        key("workspace", "stream"),
    )


def _investigation_snapshots() -> None:
    op.create_table(
        "investigation_snapshots",
        *texts("workspace", "stream", "hash", "document"),
        *integers("seq"),
        *instants("taken_at"),
        key("workspace", "stream", "seq"),
    )


def _findings() -> None:
    op.create_table(
        "findings",
        *texts("workspace", "investigation_id", "id", "kind", "component", "statement", "evidence", "data"),
        *floats("weight"),
        *instants("onset", null=True),
        *instants("created_at"),
        key("investigation_id", "id"),
    )
    op.create_index("ix_findings_component", "findings", ["workspace", "component", "kind"])


def _hypotheses() -> None:
    op.create_table(
        "hypotheses",
        *texts("workspace", "investigation_id", "component", "cause", "statement", "document"),
        *integers("rank"),
        *floats("confidence"),
        *flags("pinned", "ruled_out"),
        *instants("created_at"),
        key("investigation_id", "rank"),
    )
    op.create_index("ix_hypotheses_component", "hypotheses", ["workspace", "component", "cause"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        *texts("workspace", "delivery_id", "stream"),
        *instants("received_at"),
        key("workspace", "delivery_id"),
    )
    op.create_index("ix_deliveries_received_at", "deliveries", ["received_at"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        *texts("workspace", "stream"),
        *integers("latest_seq", "published_seq"),
        *instants("changed_at"),
        key("workspace", "stream"),
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["workspace", "changed_at"],
        sqlite_where=sa.text("published_seq < latest_seq"),
        postgresql_where=sa.text("published_seq < latest_seq"),
    )


def _slack_messages() -> None:
    op.create_table(
        "slack_messages",
        *texts("workspace", "stream", "slot", "channel", "ts", "digest"),
        *texts("thread_ts", null=True),
        *instants("updated_at"),
        key("workspace", "stream", "slot"),
    )
    op.create_index("ix_slack_messages_place", "slack_messages", ["workspace", "channel", "ts"])


def _leases() -> None:
    op.create_table(
        "leases",
        *texts("workspace", "name", "worker"),
        *big_integers("holder", null=True),
        *instants("lease_until"),
        key("workspace", "name"),
    )


def _proposals() -> None:
    op.create_table(
        "proposals",
        *texts("id", "workspace", "state", "risk", "digest", "title", "requester_id", "document"),
        *integers("seq"),
        *texts("investigation_id", "target", "target_uid", "target_version", "squad", null=True),
        *instants("created_at", "updated_at"),
        *instants("expires_at", null=True),
        key("id"),
    )
    op.create_index("ix_proposals_investigation_id", "proposals", ["investigation_id"])
    op.create_index("ix_proposals_state", "proposals", ["workspace", "state", "created_at"])


def _approvals() -> None:
    op.create_table(
        "approvals",
        *texts("id", "workspace", "proposal_id", "principal_id", "decision", "digest", "note"),
        *instants("decided_at"),
        key("id"),
    )
    op.create_index("ix_approvals_person", "approvals", ["proposal_id", "principal_id"], unique=True)


def _incidents() -> None:
    op.create_table(
        "incidents",
        *texts("id", "workspace", "title", "severity", "state", "document"),
        *integers("seq"),
        *texts("service", "squad", "owner_id", "ticket_key", "channel", "thread_ts", "fingerprint", null=True),
        *instants("opened_at", "updated_at"),
        *instants("mitigated_at", "resolved_at", null=True),
        key("id"),
    )
    op.create_index("ix_incidents_fingerprint", "incidents", ["fingerprint"])
    op.create_index("ix_incidents_state", "incidents", ["workspace", "state", "opened_at"])


def _anomalies() -> None:
    op.create_table(
        "anomalies",
        *texts("id", "workspace", "fingerprint", "state", "severity", "document"),
        *integers("seq", "count"),
        *texts("service", "source", "metric", "sweep", "group_id", null=True),
        *instants("first_seen_at", "last_seen_at"),
        *instants("snoozed_until", null=True),
        key("id"),
    )
    op.create_index("ix_anomalies_fingerprint", "anomalies", ["workspace", "fingerprint"])
    op.create_index("ix_anomalies_state", "anomalies", ["workspace", "state", "last_seen_at"])


def _sweeps() -> None:
    op.create_table(
        "sweeps",
        *texts("workspace", "name", "schedule", "document"),
        *flags("enabled"),
        *instants("last_run_at", "next_run_at", null=True),
        *texts("last_outcome", null=True),
        key("workspace", "name"),
    )


def _services() -> None:
    op.create_table(
        "services",
        *texts("workspace", "environment", "name", "document"),
        *texts("squad", null=True),
        *instants("first_seen_at", "last_seen_at"),
        key("workspace", "environment", "name"),
    )


def _metrics() -> None:
    op.create_table(
        "metrics",
        *texts("workspace", "source", "name", "type", "description", "labels", "services"),
        *instants("last_seen_at"),
        key("workspace", "source", "name"),
    )


def _query_history() -> None:
    op.create_table(
        "query_history",
        *texts("id", "workspace", "user_id", "question"),
        *texts("source", "generated_query", "error", null=True),
        *floats("duration_ms", null=True),
        *flags("success", "cached"),
        *instants("created_at"),
        key("id"),
    )
    op.create_index("ix_query_history_user", "query_history", ["workspace", "user_id", "created_at"])


def _query_embeddings() -> None:
    op.create_table(
        "query_embeddings",
        *texts("id", "workspace", "text", "model", "query"),
        *blobs("vector"),
        *integers("usage_count"),
        *instants("created_at"),
        key("id"),
    )
    op.create_index("ix_query_embeddings_workspace", "query_embeddings", ["workspace"])


def _users() -> None:
    op.create_table(
        "users",
        *texts("workspace", "id", "name", "time_zone"),
        *texts("email", "password_hash", null=True),
        *flags("guest"),
        *instants("created_at"),
        *instants("last_seen_at", null=True),
        key("workspace", "id"),
    )


def _squads() -> None:
    op.create_table(
        "squads",
        *texts("workspace", "name", "document"),
        *texts("lead", null=True),
        *instants("updated_at"),
        key("workspace", "name"),
    )


def _role_bindings() -> None:
    op.create_table(
        "role_bindings",
        *texts("workspace", "principal_id", "role", "squad", "granted_by"),
        *instants("granted_at"),
        key("workspace", "principal_id", "role", "squad"),
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        *texts("id", "workspace", "name", "key_sha256", "role", "squad", "created_by"),
        *integers("rate_limit_per_minute", null=True),
        *instants("created_at"),
        *instants("expires_at", "revoked_at", "last_used_at", null=True),
        *integers("usage_count"),
        key("id"),
        sa.UniqueConstraint("key_sha256"),
    )


TABLES = {
    "investigations": _investigations,
    "investigation_phases": _investigation_phases,
    "tool_executions": _tool_executions,
    "evidence": _evidence,
    "investigation_events": _investigation_events,
    "chain_heads": _chain_heads,
    "investigation_snapshots": _investigation_snapshots,
    "findings": _findings,
    "hypotheses": _hypotheses,
    "deliveries": _deliveries,
    "outbox": _outbox,
    "slack_messages": _slack_messages,
    "leases": _leases,
    "proposals": _proposals,
    "approvals": _approvals,
    "incidents": _incidents,
    "anomalies": _anomalies,
    "sweeps": _sweeps,
    "services": _services,
    "metrics": _metrics,
    "query_history": _query_history,
    "query_embeddings": _query_embeddings,
    "users": _users,
    "squads": _squads,
    "role_bindings": _role_bindings,
    "api_keys": _api_keys,
}


def upgrade() -> None:
    for make in TABLES.values():
        make()


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)
