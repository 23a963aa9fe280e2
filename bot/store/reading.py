"""Questions to the store; each is one or two short statements on the caller's connection."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.sql.elements import ColumnElement

from bot.domain.events import Event, EventKind
from bot.domain.evidence import Evidence
from bot.domain.ids import stream_subject
from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.store.rows import as_text, investigation_from, table
from bot.store.writing import EMPTY, INVESTIGATION_PREFIX, Head

_PAUSED = InvestigationState.PAUSED


@dataclass(frozen=True, slots=True)
class Filter:
    states: Collection[InvestigationState] = ()
    requester: str | None = None
    squad: str | None = None
    before: str | None = None
    limit: int = 50


def head(connection: Connection, workspace: str, stream: str) -> Head:
    """Where the stream ends, with its investigation; both from one statement, so that they fit."""
    heads, investigations = table("chain_heads"), table("investigations")
    place = (heads.c.workspace == workspace, heads.c.stream == stream)
    if not stream.startswith(INVESTIGATION_PREFIX):
        end = connection.execute(select(heads.c.seq, heads.c.hash).where(*place)).one_or_none()
        return Head(seq=end.seq, hash=end.hash) if end else EMPTY
    both = heads.join(investigations, investigations.c.id == stream_subject(stream))
    wanted = select(heads.c.seq, heads.c.hash, investigations.c.document).select_from(both).where(*place)
    row = connection.execute(wanted).one_or_none()
    return Head(seq=row.seq, hash=row.hash, investigation=investigation_from(row.document)) if row else EMPTY


def events(connection: Connection, workspace: str, stream: str, *, after: int, limit: int) -> list[Event]:
    target = table("investigation_events")
    wanted = (
        select(target)
        .where(target.c.workspace == workspace, target.c.stream == as_text(stream), target.c.seq > after)
        .order_by(target.c.seq)
        .limit(limit)
    )
    return [event_from(row) for row in connection.execute(wanted)]


def event_from(row: Row[tuple[object, ...]]) -> Event:
    """Not validated again: what is in the log was validated when it was written, and the hash says if it changed."""
    return Event.model_construct(
        stream=row.stream,
        seq=row.seq,
        kind=EventKind(row.type),
        actor=row.actor,
        at=row.timestamp,
        payload=json.loads(row.payload),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


_SEQS = "SELECT id, seq FROM investigations WHERE workspace = $1 AND id = ANY($2::text[])"


def investigation_seqs(connection: Connection, workspace: str, ids: Sequence[str]) -> dict[str, int]:
    """How far each of these investigations has got; unknown ones are left out.

    Asked before every click and every look at the progress: on PostgreSQL past SQLAlchemy, at a third of the cost.
    """
    asked = {as_text(one): one for one in ids}
    if connection.dialect.name == "postgresql":
        link: Any = connection.connection.dbapi_connection
        found = link.run_async(lambda raw: raw.fetch(_SEQS, workspace, list(asked)))
        return {asked[row["id"]]: row["seq"] for row in found}
    target = table("investigations")
    query = select(target.c.id, target.c.seq).where(target.c.workspace == workspace, target.c.id.in_(asked))
    return {asked[row.id]: row.seq for row in connection.execute(query)}


def investigation(connection: Connection, workspace: str, investigation_id: str) -> Investigation | None:
    target = table("investigations")
    return _first(connection, [target.c.id == as_text(investigation_id), target.c.workspace == workspace])


def investigations(connection: Connection, workspace: str, wanted: Filter) -> list[Investigation]:
    """Newest first; `before` is the id of the last one already seen."""
    target = table("investigations")
    conditions = [target.c.workspace == workspace]
    if wanted.states:
        conditions.append(target.c.status.in_(sorted(state.value for state in wanted.states)))
    if wanted.requester is not None:
        conditions.append(target.c.user_id == as_text(wanted.requester))
    if wanted.squad is not None:
        conditions.append(target.c.squad == as_text(wanted.squad))
    if wanted.before is not None:
        conditions.append(_older_than(connection, wanted.before))
    newest = (target.c.created_at.desc(), target.c.id.desc())
    query = select(target.c.document).where(*conditions).order_by(*newest).limit(wanted.limit)
    return [investigation_from(document) for document in connection.execute(query).scalars()]


def quiet(connection: Connection, workspace: str, before: datetime, *, limit: int) -> list[Investigation]:
    """Unfinished ones without an event since then, the longest quiet first; what waits for a person is left out."""
    target = table("investigations")
    states = sorted(state.value for state in InvestigationState if not state.is_settled and state is not _PAUSED)
    still = (target.c.workspace == workspace, target.c.status.in_(states), target.c.updated_at < before)
    query = select(target.c.document).where(*still).order_by(target.c.updated_at).limit(limit)
    return [investigation_from(document) for document in connection.execute(query).scalars()]


def _older_than(connection: Connection, investigation_id: str) -> ColumnElement[bool]:
    target = table("investigations")
    made = connection.execute(select(target.c.created_at).where(target.c.id == as_text(investigation_id))).scalar()
    if made is None:
        return target.c.id < as_text(investigation_id)
    same_instant = (target.c.created_at == made) & (target.c.id < investigation_id)
    older: ColumnElement[bool] = (target.c.created_at < made) | same_instant
    return older


def by_origin(connection: Connection, workspace: str, channel: str, thread_ts: str) -> Investigation | None:
    """The newest investigation of this thread: asked there, or its card is the thread's first message."""
    target = table("investigations")
    channel, thread_ts = as_text(channel), as_text(thread_ts)
    asked = [target.c.workspace == workspace, target.c.channel == channel, target.c.thread_ts == thread_ts]
    found = _first(connection, asked)
    if found is not None:
        return found
    stream = stream_posted_at(connection, workspace, channel, thread_ts)
    if stream is not None and not stream.startswith(INVESTIGATION_PREFIX):
        stream = _card_below(connection, workspace, channel, thread_ts)  # the thread of an alert
    return investigation(connection, workspace, stream_subject(stream)) if stream else None


def _card_below(connection: Connection, workspace: str, channel: str, thread_ts: str) -> str | None:
    """The investigation whose card is a reply to this message."""
    posted = table("slack_messages")
    there = [posted.c.workspace == workspace, posted.c.channel == channel, posted.c.thread_ts == thread_ts]
    query = select(posted.c.stream).where(*there, posted.c.stream.startswith(INVESTIGATION_PREFIX))
    found: str | None = connection.execute(query.order_by(posted.c.updated_at.desc()).limit(1)).scalar()
    return found


def stream_posted_at(connection: Connection, workspace: str, channel: str, ts: str) -> str | None:
    """The stream whose drawing is this message, or stands in the thread below it."""
    posted = table("slack_messages")
    there = [posted.c.workspace == workspace, posted.c.channel == as_text(channel)]
    here = posted.c.ts == as_text(ts)
    query = select(posted.c.stream).where(*there, here).order_by(posted.c.updated_at.desc()).limit(1)
    found: str | None = connection.execute(query).scalar()
    return found


def _first(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> Investigation | None:
    target = table("investigations")
    newest = (target.c.created_at.desc(), target.c.id.desc())
    document = connection.execute(select(target.c.document).where(*conditions).order_by(*newest).limit(1)).scalar()
    return investigation_from(document) if document is not None else None


def evidence(connection: Connection, workspace: str, ids: Sequence[str]) -> list[Evidence]:
    """In the order of the ids; unknown ones are left out."""
    target = table("evidence")
    wanted = [as_text(one) for one in ids]
    query = select(target.c.id, target.c.document).where(target.c.workspace == workspace, target.c.id.in_(wanted))
    found = {row.id: row.document for row in connection.execute(query)}
    return [Evidence.model_validate_json(found[one]) for one in wanted if one in found]
