"""Taking away what is too old to keep: whole investigations, never a part of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, exists, select

from bot.domain.ids import investigation_stream, stream_subject
from bot.domain.states import InvestigationState
from bot.store.audit import ChainEnd
from bot.store.rows import table

_BY_STREAM = ("investigation_events", "evidence", "outbox", "slack_messages", "investigation_snapshots", "chain_heads")
_BY_INVESTIGATION = ("investigation_phases", "tool_executions", "findings", "hypotheses")


def forgettable(connection: Connection, workspace: str, before: datetime, *, limit: int) -> list[ChainEnd]:
    """Where settled investigations without an event since then end, oldest first.

    What led to a proposal stays: it is the story of a change to a system of somebody's.
    """
    target, proposals, heads = table("investigations"), table("proposals"), table("chain_heads")
    settled = target.c.status.in_(sorted(state.value for state in InvestigationState if state.is_settled))
    changed = exists().where(proposals.c.investigation_id == target.c.id)
    old = select(target.c.id).where(target.c.workspace == workspace, settled, target.c.updated_at < before, ~changed)
    ids = connection.execute(old.order_by(target.c.updated_at).limit(limit)).scalars()
    streams = [investigation_stream(one) for one in ids]
    wanted = select(heads.c.stream, heads.c.seq, heads.c.hash).where(
        heads.c.workspace == workspace, heads.c.stream.in_(streams)
    )
    return [ChainEnd(stream=row.stream, seq=row.seq, hash=row.hash) for row in connection.execute(wanted)]


def forget(connection: Connection, workspace: str, ends: Sequence[ChainEnd]) -> list[str]:
    """Delete those investigations that still end there; gives their streams."""
    target = table("investigations")
    by_id = {stream_subject(end.stream): end for end in ends}
    rows = select(target.c.id, target.c.seq).where(target.c.workspace == workspace, target.c.id.in_(by_id))
    locked = rows if connection.dialect.name == "sqlite" else rows.with_for_update(skip_locked=True)
    ids = [row.id for row in connection.execute(locked) if row.seq == by_id[row.id].seq]
    _delete(connection, workspace, ids, [by_id[one].stream for one in ids])
    return [by_id[one].stream for one in ids]


def forget_deliveries(connection: Connection, workspace: str, before: datetime) -> None:
    """Slack repeats a delivery within minutes; one that is days old comes no more."""
    target = table("deliveries")
    connection.execute(delete(target).where(target.c.workspace == workspace, target.c.received_at < before))


def _delete(connection: Connection, workspace: str, ids: Sequence[str], streams: Sequence[str]) -> None:
    if not ids:
        return
    investigations, search = table("investigations"), table("search_documents")
    connection.execute(delete(investigations).where(investigations.c.id.in_(ids)))
    for name in _BY_INVESTIGATION:
        target = table(name)
        connection.execute(delete(target).where(target.c.investigation_id.in_(ids)))
    for name in _BY_STREAM:
        target = table(name)
        connection.execute(delete(target).where(target.c.workspace == workspace, target.c.stream.in_(streams)))
    connection.execute(delete(search).where(search.c.workspace == workspace, search.c.id.in_(ids)))
