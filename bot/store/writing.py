"""One append, all of it or nothing: events, current row, evidence, the outbox mark and the delivery id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from bot.domain.events import GENESIS_HASH, Event, EventKind, NewEvent, chain
from bot.domain.ids import stream_subject
from bot.domain.investigation import Investigation, apply, open_from
from bot.errors import FenceLost, SequenceConflict
from bot.store import access, remediation, rows
from bot.store.model import DuplicateDelivery, Fence
from bot.store.rows import Row, table
from bot.store.statements import (
    changed_one,
    insert_new,
    mark_outbox,
    move_head,
    move_investigation,
    replace_rows,
)

INVESTIGATION_PREFIX = "investigation/"
_NO_TIME = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream ends, and for an investigation what it adds up to there."""

    seq: int = 0
    hash: str = GENESIS_HASH
    investigation: Investigation | None = None


EMPTY = Head()


@dataclass(frozen=True, slots=True)
class Writing:
    """An append with everything computed, ready for one short transaction."""

    workspace: str
    stream: str
    before: Head
    after: Head
    events: tuple[Event, ...]
    event_rows: list[Row]
    evidence_rows: list[Row]
    fence: Fence | None = None
    delivery_id: str | None = None
    claim: Row | None = None

    @property
    def at(self) -> datetime:
        return self.events[-1].at


def prepare(
    workspace: str,
    stream: str,
    head: Head,
    *,
    new: Sequence[NewEvent],
    evidence_rows: list[Row],
    fence: Fence | None = None,
    delivery_id: str | None = None,
    claim: Row | None = None,
) -> Writing:
    """Chain the events behind the head and fold them into the investigation. Pure."""
    is_investigation = stream.startswith(INVESTIGATION_PREFIX)
    state, last = head.investigation, _last_event(stream, head)
    events: list[Event] = []
    event_rows: list[Row] = []
    for one in new:
        last = chain(stream, last, _normal(_placed(one, workspace)))
        before = state.state.value if state else None
        if is_investigation:
            state = apply(state, last) if state else open_from(last, stream_subject(stream))
        events.append(last)
        event_rows.append(rows.event_row(workspace, last, (before, state.state.value if state else None)))
    after = Head(seq=events[-1].seq, hash=events[-1].hash, investigation=state)
    return Writing(
        workspace, stream, head, after, tuple(events), event_rows, evidence_rows,
        fence=fence, delivery_id=delivery_id, claim=claim,
    )  # fmt: skip


def _placed(new: NewEvent, workspace: str) -> NewEvent:
    """An opening event says which workspace it is in, so that the fold says it too."""
    if new.kind is not EventKind.INVESTIGATION_CREATED or new.payload.get("workspace", "default") == workspace:
        return new
    return new.model_copy(update={"payload": {**new.payload, "workspace": workspace}})


def _last_event(stream: str, head: Head) -> Event | None:
    """A stand-in for the last event: chaining looks at its place and its hash only."""
    if head.seq == 0:
        return None
    return Event.model_construct(
        stream=stream, seq=head.seq, hash=head.hash, kind=EventKind.SNAPSHOT_TAKEN, actor="",
        at=_NO_TIME, payload={}, previous_hash="",
    )  # fmt: skip


def _normal(new: NewEvent) -> NewEvent:
    """In UTC and in characters that come back equal, so that the hash holds over what is read."""
    payload, actor = rows.clean_payload(new.payload), rows.as_text(new.actor)
    if payload is new.payload and new.at.tzinfo is UTC and actor is new.actor:
        return new
    return new.model_copy(update={"payload": payload, "at": new.at.astimezone(UTC), "actor": actor})


def write(connection: Connection, writing: Writing) -> None:
    """Write it inside the caller's transaction. SequenceConflict, FenceLost or DuplicateDelivery: nothing stays.

    The investigation's row comes first in every transaction, so that two of them cannot wait for each other.
    """
    if writing.delivery_id is not None:
        _deliver(connection, writing, writing.delivery_id)
    _write_investigation(connection, writing)
    _write_head(connection, writing)
    connection.execute(insert(table("investigation_events")), writing.event_rows)
    if writing.evidence_rows:
        _write_evidence(connection, writing)
    if deletes_rows(writing):
        _delete_rows(connection, writing)
    for name, changed in part_rows(writing):
        replace_rows(connection, name, changed)
    if writing.stream == access.STREAM:
        access.project(connection, writing.workspace, writing.events)
    if remediation.is_proposal(writing.stream):
        remediation.project(connection, writing.workspace, writing.stream, writing.events)
    connection.execute(mark_outbox(connection.dialect.name), outbox_row(writing))


def current_row(writing: Writing) -> Row | None:
    """The columns of the investigation's row to set; None for streams of other things."""
    after = writing.after.investigation
    if after is None:
        return None
    return rows.created_row(after) if writing.before.seq == 0 else {**rows.changing_row(after), **(writing.claim or {})}


def head_row(writing: Writing) -> Row:
    place = {"workspace": writing.workspace, "stream": writing.stream}
    return {**place, "seq": writing.after.seq, "hash": writing.after.hash}


def outbox_row(writing: Writing) -> Row:
    place = {"workspace": writing.workspace, "stream": writing.stream}
    return {**place, "latest_seq": writing.after.seq, "published_seq": 0, "changed_at": writing.at}


def delivery_row(writing: Writing, delivery_id: str) -> Row:
    return {
        "workspace": writing.workspace,
        "delivery_id": rows.as_text(delivery_id),
        "stream": writing.stream,
        "received_at": writing.at,
    }


def part_rows(writing: Writing) -> list[tuple[str, list[Row]]]:
    """The rows beside the document that these events changed, by table."""
    before, after = writing.before.investigation, writing.after.investigation
    if after is None:
        return []
    made: list[tuple[str, list[Row]]] = []
    if before is None or before.phases is not after.phases:
        made.append(("investigation_phases", rows.phase_rows(before, after)))
    if before is None or before.executions is not after.executions:
        made.append(("tool_executions", rows.execution_rows(before, after)))
    if any(event.kind is EventKind.FINDING_MADE for event in writing.events):
        made.append(("findings", rows.finding_rows(after, writing.events)))
    if _ranks(writing):
        made.append(("hypotheses", rows.hypothesis_rows(after, writing.at)))
    return made


def deletes_rows(writing: Writing) -> bool:
    """True for the appends that take rows away or read before they write: a shorter ranking, phases set back, roles,
    proposals."""
    before, after = writing.before.investigation, writing.after.investigation
    if writing.stream == access.STREAM or remediation.is_proposal(writing.stream):
        return True
    if before is None or after is None:
        return False
    shorter = _ranks(writing) and len(after.hypotheses) < len(before.hypotheses)
    return shorter or bool(before.phases is not after.phases and rows.reset_phases(before, after))


def _ranks(writing: Writing) -> bool:
    return any(event.kind is EventKind.HYPOTHESIS_RANKED for event in writing.events)


def is_written(connection: Connection, writing: Writing) -> bool:
    """True when an earlier try of exactly this append was committed after all."""
    events = table("investigation_events")
    place = (events.c.workspace == writing.workspace, events.c.stream == writing.stream)
    found = connection.execute(select(events.c.hash).where(*place, events.c.seq == writing.after.seq)).scalar()
    return bool(found == writing.after.hash)


def _deliver(connection: Connection, writing: Writing, delivery_id: str) -> None:
    row = delivery_row(writing, delivery_id)
    if changed_one(connection.execute(insert_new(connection.dialect.name, "deliveries"), row)):
        return
    stream = delivered_to(connection, writing.workspace, delivery_id)
    raise DuplicateDelivery(delivery_id, stream=stream or writing.stream)


def delivered_to(connection: Connection, workspace: str, delivery_id: str) -> str | None:
    """The stream that a delivery led to; None when it never came."""
    target = table("deliveries")
    place = (target.c.workspace == workspace, target.c.delivery_id == rows.as_text(delivery_id))
    found: str | None = connection.execute(select(target.c.stream).where(*place)).scalar()
    return found


def _write_investigation(connection: Connection, writing: Writing) -> None:
    row = current_row(writing)
    if row is None:
        return
    if writing.before.seq == 0:
        if not changed_one(connection.execute(insert_new(connection.dialect.name, "investigations"), row)):
            raise _conflict(writing.stream)
        return
    values: dict[str, Any] = {**row, "at_id": stream_subject(writing.stream), "at_seq": writing.before.seq}
    if writing.fence:
        values |= {"at_worker": writing.fence.worker, "at_fence": writing.fence.token}
    if not changed_one(connection.execute(move_investigation(writing.fence is not None), values)):
        raise _refusal(connection, writing)


def _refusal(connection: Connection, writing: Writing) -> SequenceConflict | FenceLost:
    fence = writing.fence
    if fence is not None and not holds(connection, fence):
        return fence_lost(fence)
    return _conflict(writing.stream)


def holds(connection: Connection, fence: Fence) -> bool:
    """True while nobody claimed the investigation after this fence was given, and it was not given back."""
    target = table("investigations")
    held = select(target.c.worker, target.c.fence).where(target.c.id == fence.investigation_id)
    return tuple(connection.execute(held).one_or_none() or ()) == (fence.worker, fence.token)


def fence_lost(fence: Fence) -> FenceLost:
    return FenceLost(f"Another worker has taken over {fence.investigation_id}.")


def _conflict(stream: str) -> SequenceConflict:
    return SequenceConflict(f"Somebody else wrote to {stream} first.")


def _write_head(connection: Connection, writing: Writing) -> None:
    if writing.before.seq == 0:
        result = connection.execute(insert_new(connection.dialect.name, "chain_heads"), head_row(writing))
    else:
        place = {"at_workspace": writing.workspace, "at_stream": writing.stream}
        at = {"at_seq": writing.before.seq, "at_hash": writing.before.hash}
        new = {"seq": writing.after.seq, "hash": writing.after.hash}
        result = connection.execute(move_head(), {**place, **at, **new})
    if not changed_one(result):
        raise _conflict(writing.stream)


def _write_evidence(connection: Connection, writing: Writing) -> None:
    try:
        connection.execute(insert(table("evidence")), writing.evidence_rows)
    except IntegrityError as error:
        raise SequenceConflict("This evidence is already kept; evidence is never edited.") from error


def _delete_rows(connection: Connection, writing: Writing) -> None:
    before, after = writing.before.investigation, writing.after.investigation
    if before is None or after is None:
        return
    names = rows.reset_phases(before, after)
    if names:
        phases = table("investigation_phases")
        gone = delete(phases).where(phases.c.investigation_id == after.id, phases.c.name.in_(names))
        connection.execute(gone)
    if _ranks(writing):
        ranking = table("hypotheses")
        surplus = ranking.c.rank > len(after.hypotheses)
        connection.execute(delete(ranking).where(ranking.c.investigation_id == after.id, surplus))
