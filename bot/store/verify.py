"""Is the log still what was written? Every event against its chain, every chain against its recorded end."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from bot.domain.events import GENESIS_HASH, Event, EventKind, NewEvent, event_hash
from bot.store.model import BrokenLink
from bot.store.reading import events
from bot.store.rows import table

_CHUNK = 1_000


def first_broken_link(connection: Connection, workspace: str, stream: str) -> BrokenLink | None:
    """None when the stream is whole."""
    seq, previous_hash = _begin(connection, workspace, stream)
    for event in _all(connection, workspace, stream):
        broken = _broken(event, expected_seq=seq + 1, previous_hash=previous_hash)
        if broken:
            return BrokenLink(stream=stream, seq=seq + 1, why=broken)
        seq, previous_hash = event.seq, event.hash
    heads = table("chain_heads")
    place = (heads.c.workspace == workspace, heads.c.stream == stream)
    end = connection.execute(select(heads.c.seq, heads.c.hash).where(*place)).one_or_none()
    if end is None:
        return BrokenLink(stream=stream, seq=1, why="its recorded end is missing") if seq else None
    if end.seq != seq:
        return BrokenLink(stream=stream, seq=min(end.seq, seq) + 1, why=f"it should end at {end.seq}, it ends at {seq}")
    if end.hash != previous_hash:
        return BrokenLink(stream=stream, seq=seq, why="its end is not the one recorded")
    return None


def vouched(event: Event) -> tuple[int, str] | None:
    """How far the events before were let go after they were archived, and the hash of the last of them."""
    if event.kind is not EventKind.SNAPSHOT_TAKEN:
        return None
    seq, hash_ = event.payload.get("through"), event.payload.get("hash")
    return (seq, hash_) if isinstance(seq, int) and isinstance(hash_, str) else None


def _begin(connection: Connection, workspace: str, stream: str) -> tuple[int, str]:
    """Where the chain begins: at nothing, or behind what a snapshot vouches for."""
    first = events(connection, workspace, stream, after=0, limit=1)
    found = vouched(first[0]) if first and first[0].seq > 1 else None
    fits = found is not None and found[0] == first[0].seq - 1
    return found if found is not None and fits else (0, GENESIS_HASH)


def _all(connection: Connection, workspace: str, stream: str) -> Iterator[Event]:
    after = 0
    while chunk := events(connection, workspace, stream, after=after, limit=_CHUNK):
        yield from chunk
        after = chunk[-1].seq


def _broken(event: Event, *, expected_seq: int, previous_hash: str) -> str | None:
    if event.seq != expected_seq:
        return "an event is missing"
    if event.previous_hash != previous_hash:
        return "it does not follow the event before"
    new = NewEvent(kind=event.kind, actor=event.actor, at=event.at, payload=event.payload)
    made = event_hash(stream=event.stream, seq=event.seq, new=new, previous_hash=previous_hash)
    return None if made == event.hash else "its content was changed"


def streams(connection: Connection, workspace: str) -> list[str]:
    """Every stream that has an event or a recorded end."""
    log, heads = table("investigation_events"), table("chain_heads")
    begun = select(log.c.stream).where(log.c.workspace == workspace).distinct()
    ended = select(heads.c.stream).where(heads.c.workspace == workspace)
    return sorted(connection.execute(begun.union(ended)).scalars())
