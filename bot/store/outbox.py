"""What has to be shown, what was shown where, and which process shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.store.claims import database_now, process_is_gone
from bot.store.model import Outgoing, Posted
from bot.store.rows import as_text, as_text_or_none, table
from bot.store.statements import insert_or_replace


def waiting(connection: Connection, workspace: str, *, limit: int) -> list[Outgoing]:
    """The streams that have got further than what was shown, longest waiting first."""
    target = table("outbox")
    query = (
        select(target.c.stream, target.c.published_seq, target.c.latest_seq)
        .where(target.c.workspace == workspace, target.c.published_seq < target.c.latest_seq)
        .order_by(target.c.changed_at)
        .limit(limit)
    )
    return [
        Outgoing(stream=row.stream, published_seq=row.published_seq, latest_seq=row.latest_seq)
        for row in connection.execute(query)
    ]


def mark_published(connection: Connection, workspace: str, stream: str, seq: int) -> None:
    """Shown up to `seq`; never taken back."""
    target = table("outbox")
    place = (target.c.workspace == workspace, target.c.stream == stream, target.c.published_seq < seq)
    connection.execute(update(target).where(*place).values(published_seq=seq))


def posted(connection: Connection, workspace: str, streams: Sequence[str]) -> list[Posted]:
    target = table("slack_messages")
    query = select(target).where(target.c.workspace == workspace, target.c.stream.in_(streams))
    return [
        Posted(
            stream=row.stream,
            slot=row.slot,
            channel=row.channel,
            ts=row.ts,
            digest=row.digest,
            thread_ts=row.thread_ts,
        )
        for row in connection.execute(query.order_by(target.c.stream, target.c.ts, target.c.slot))
    ]


def keep_posted(connection: Connection, workspace: str, message: Posted, at: datetime) -> None:
    row = {
        "workspace": workspace,
        "stream": message.stream,
        "slot": as_text(message.slot),
        "channel": as_text(message.channel),
        "ts": as_text(message.ts),
        "thread_ts": as_text_or_none(message.thread_ts),
        "digest": message.digest,
        "updated_at": at,
    }
    connection.execute(insert_or_replace(connection.dialect.name, "slack_messages"), row)


@dataclass(frozen=True, slots=True)
class Duty:
    """Something one process does at a time."""

    workspace: str
    name: str
    worker: str
    holder: int
    lease_s: float


def hold(connection: Connection, duty: Duty, own_now: datetime) -> bool:
    """True when this worker has the duty now, for another `lease_s`; False while a living other one has it."""
    now = database_now(connection, own_now)
    target = table("leases")
    dialect = connection.dialect.name
    made = (
        (sqlite if dialect == "sqlite" else postgresql)
        .insert(target)
        .values(
            workspace=duty.workspace,
            name=duty.name,
            worker=duty.worker,
            holder=duty.holder,
            lease_until=now + timedelta(seconds=duty.lease_s),
        )
    )
    changed = {name: made.excluded[name] for name in ("worker", "holder", "lease_until")}
    mine = (target.c.worker == duty.worker) & (target.c.holder == duty.holder)
    other = target.c.holder != duty.holder
    gone = other if dialect == "sqlite" else other & process_is_gone(target.c.holder)
    free = or_(mine, target.c.lease_until <= now, gone)
    place = [target.c.workspace, target.c.name]
    return connection.execute(made.on_conflict_do_update(index_elements=place, set_=changed, where=free)).rowcount == 1


def drop(connection: Connection, duty: Duty) -> None:
    """Let another take the duty at once."""
    target = table("leases")
    mine = (target.c.workspace == duty.workspace, target.c.name == duty.name, target.c.worker == duty.worker)
    connection.execute(target.delete().where(*mine, target.c.holder == duty.holder))
