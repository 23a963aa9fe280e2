"""Who works on what: claims with a fencing token, a lease, and the liveness of the holder's process.

Each claim is an event of its own (`Claimed`), so that an attempt is counted before its first instruction runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, case, exists, func, literal_column, or_, select, text, update
from sqlalchemy.sql.elements import ColumnElement

from bot.domain.events import EventKind, NewEvent
from bot.domain.ids import investigation_stream
from bot.store.columns import UtcDateTime
from bot.store.model import Claim, Fence, Full
from bot.store.reading import head as read_head
from bot.store.rows import PEOPLES_CLASS, SCHEDULES_CLASS, as_text, table
from bot.store.writing import Head, Writing, fence_lost, prepare, write

LIVENESS_CLASS = 1_229_869_905
"""First half of the advisory lock that a process holds while it lives; the second half is its holder number."""

SUSPECT_CLAIMS = 2
"""After so many claims without progress an investigation may be what kills its workers."""

_ANY = 2**31 - 1
_AFTER_START_S = 3.0
"""Right after PostgreSQL started every process is still reconnecting: a missing lock says nothing then."""


@dataclass(frozen=True, slots=True)
class Claimer:
    """Who wants work. `cached` gives the stream's end as this process last knew it, or None."""

    workspace: str
    worker: str
    holder: int
    lease_s: float
    now: datetime
    cached: Callable[[str], Head | None]
    full: Full


def claim(connection: Connection, claimer: Claimer) -> tuple[Claim, Writing] | None:
    """Take the next investigation that needs a worker, or None."""
    query = _next_one(connection.dialect.name, claimer.full.idle)
    found = connection.execute(query, _next_values(claimer)).one_or_none()
    if found is None:
        return None
    stream = investigation_stream(found.id)
    known = claimer.cached(stream)
    head = known if known and known.seq == found.seq else read_head(connection, claimer.workspace, stream)
    fence = Fence(investigation_id=found.id, worker=claimer.worker, token=found.fence + 1)
    writing = _claiming(claimer, stream, head, fence=fence, until=found.now + timedelta(seconds=claimer.lease_s))
    write(connection, writing)
    assert writing.after.investigation is not None
    return Claim(investigation=writing.after.investigation, fence=fence), writing


def is_waiting(connection: Connection, claimer: Claimer) -> bool:
    """True when something could be claimed, as far as one look without a lock can tell."""
    dialect = connection.dialect.name
    values = _next_values(claimer)
    found = connection.execute(select(table("investigations").c.id).where(*claimable(dialect)).limit(1), values)
    return found.first() is not None


def _claiming(claimer: Claimer, stream: str, head: Head, *, fence: Fence, until: datetime) -> Writing:
    event = NewEvent(
        kind=EventKind.CLAIMED,
        actor=f"system:{claimer.worker}",
        at=claimer.now,
        payload={"worker": fence.worker, "fence": fence.token},
    )
    held = {"worker": fence.worker, "holder": claimer.holder, "lease_until": until}
    return prepare(claimer.workspace, stream, head, new=[event], evidence_rows=[], claim=held)


def database_now(connection: Connection, own: datetime) -> datetime:
    """Leases are measured by one clock: the server's, where there is a server."""
    if connection.dialect.name == "sqlite":
        return own
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _next_values(claimer: Claimer) -> dict[str, Any]:
    most_class = PEOPLES_CLASS if claimer.full.schedules else SCHEDULES_CLASS
    passed_over = sorted(map(as_text, claimer.full.squads))
    return {
        "workspace": claimer.workspace,
        "now": claimer.now,
        "holder": claimer.holder,
        "most_class": most_class,
        "passed_over": passed_over,
        "most_claims": SUSPECT_CLAIMS - 1 if claimer.full.suspects else _ANY,
    }


def _now(dialect: str) -> ColumnElement[datetime]:
    """One clock for all leases: the server's, where there is a server."""
    return bindparam("now", type_=UtcDateTime()) if dialect == "sqlite" else func.clock_timestamp()


@cache
def _next_one(dialect: str, suspects_first: bool) -> Executable:
    target = table("investigations")
    query = select(target.c.id, target.c.seq, target.c.fence, _now(dialect).label("now")).where(*claimable(dialect))
    trust = [case((target.c.claims >= SUSPECT_CLAIMS, 0), else_=1)] if suspects_first else []
    query = query.order_by(target.c.queue_class, *trust, target.c.queued_at).limit(1)
    return query if dialect == "sqlite" else query.with_for_update(skip_locked=True)


def claimable(dialect: str) -> list[ColumnElement[bool]]:
    """Conditions with the parameters of `_next_values`."""
    target = table("investigations")
    free = [target.c.worker.is_(None), target.c.lease_until <= _now(dialect)]
    gone = target.c.holder != bindparam("holder")
    if dialect != "sqlite":  # a single process owns that file: whatever another incarnation held is free
        gone &= process_is_gone(target.c.holder)
    elsewhere = target.c.squad.not_in(bindparam("passed_over", expanding=True))
    return [
        target.c.workspace == bindparam("workspace"),
        target.c.ready,
        target.c.queue_class <= bindparam("most_class"),
        or_(target.c.squad.is_(None), elsewhere),
        target.c.claims <= bindparam("most_claims"),
        or_(*free, gone),
    ]


def process_is_gone(holder: ColumnElement[int]) -> ColumnElement[bool]:
    """No living process holds this liveness lock. PostgreSQL frees it in milliseconds when a process dies."""
    column = literal_column
    alive = (
        exists()
        .select_from(text("pg_locks"))
        .where(
            column("pg_locks.locktype") == "advisory",
            column("pg_locks.classid") == LIVENESS_CLASS,
            column("pg_locks.objid") == holder,
            column("pg_locks.granted"),
        )
    )
    settled = func.pg_postmaster_start_time() < func.clock_timestamp() - timedelta(seconds=_AFTER_START_S)
    return ~alive & settled


def renew(connection: Connection, fence: Fence, *, until: Callable[[Connection], datetime]) -> None:
    """Keep the claim, at least until then. FenceLost when it is another's by now."""
    target = table("investigations")
    mine = (
        target.c.id == fence.investigation_id,
        target.c.worker == fence.worker,
        target.c.fence == fence.token,
    )
    changed = connection.execute(update(target).where(*mine).values(lease_until=_no_sooner(until(connection))))
    if changed.rowcount != 1:
        raise fence_lost(fence)


def renew_all(
    connection: Connection, fences: Collection[Fence], *, worker: str, holder: int, until: datetime
) -> dict[str, int]:
    """Keep these claims of a worker: investigation id to fencing token of those that are still its own.

    Only those it names: a claim whose commit it never heard of, or that it could not give back, has to run out.
    """
    target = table("investigations")
    wanted = target.c.id.in_([fence.investigation_id for fence in fences])
    mine = (target.c.worker == worker, target.c.holder == holder, wanted)
    kept = connection.execute(
        update(target).where(*mine).values(lease_until=_no_sooner(until)).returning(target.c.id, target.c.fence)
    )
    return {row.id: row.fence for row in kept}


def _no_sooner(until: datetime) -> ColumnElement[datetime]:
    """`until`, or the end that the lease has already when that is later."""
    target = table("investigations")
    return case((target.c.lease_until > until, target.c.lease_until), else_=until)


def release(connection: Connection, fence: Fence) -> bool:
    """Give the claim back; what this fence writes later is refused. False when it was another's already."""
    target = table("investigations")
    mine = (
        target.c.id == fence.investigation_id,
        target.c.worker == fence.worker,
        target.c.fence == fence.token,
    )
    freed = update(target).where(*mine).values(worker=None, holder=None, lease_until=None)
    return connection.execute(freed).rowcount == 1
