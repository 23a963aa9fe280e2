"""Proof of the event log: signed heads kept apart, what is broken first, exports, and archives that stay provable.

Every chain proves its own middle. That its end was not cut, and that it was not written anew as a whole, is proved by
seals: lines in a file outside the database, each with the ends of the chains that grew since the one before, signed
with a key that the database does not know, and chained to that one.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import structlog
from pydantic import AwareDatetime, ValidationError

from bot.domain.events import GENESIS_HASH, Event, EventKind, NewEvent, event_hash
from bot.errors import BotError, InvalidConfiguration, InvalidRequest
from bot.services.forgotten import Forgotten
from bot.store import BrokenLink, Store
from bot.store.audit import ChainEnd
from bot.store.verify import vouched
from connectors.model import Clock, Frozen, JsonObject, canonical_digest

log = structlog.get_logger(__name__)

_ACTOR = "system:inquest"
_COLUMNS = ("stream", "seq", "at", "kind", "actor", "payload", "previous_hash", "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
SEALS = "seals"


class Seal(Frozen):
    """One line of the file of seals. `signature` is HMAC-SHA-256 over everything else."""

    number: int
    at: AwareDatetime
    workspace: str
    previous: str
    ends: tuple[ChainEnd, ...]
    signature: str = ""

    def signed_with(self, key: bytes) -> str:
        """The signature that this content has under this key (hex)."""
        body = canonical_digest(self.model_dump(mode="json", exclude={"signature"}))
        return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()


class Seals:
    """The file of seals. It belongs on another disk, and better on another machine, than the database."""

    def __init__(self, path: Path, key: bytes, *, workspace: str, clock: Clock) -> None:
        self._path = path
        self._key = key
        self._workspace = workspace
        self._clock = clock

    async def add(self, store: Store) -> int:
        """Seal what grew since the last seal; how many chains. InvalidRequest when the log contradicts a seal."""
        seals = self._read()
        known = _folded(seals)
        grown = tuple(end for end in await store.audit.ends() if known.get(end.stream) != end)
        broken = self._first_wrong(seals)
        if broken is None:
            gone = await self._forgotten(store)
            broken = await _first_contradiction(store, [known.get(e.stream) for e in grown], gone)
        if broken is not None:
            raise InvalidRequest(f"Not sealed: {broken.stream} at {broken.seq}: {broken.why}.")
        if not grown:
            return 0
        bare = Seal(
            number=len(seals) + 1,
            at=self._clock.now(),
            workspace=self._workspace,
            previous=seals[-1].signature if seals else GENESIS_HASH,
            ends=grown,
        )
        seal = bare.model_copy(update={"signature": bare.signed_with(self._key)})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(seal.model_dump_json() + "\n")
        return len(grown)

    async def broken_links(self, store: Store) -> list[BrokenLink]:
        """What the seals contradict: a seal that was touched, a chain that lacks or changed what was sealed."""
        seals = self._read()
        wrong = self._first_wrong(seals)
        if wrong is not None:
            return [wrong]
        gone = await self._forgotten(store)
        found = [await _first_contradiction(store, [end], gone) for end in _folded(seals).values()]
        return [link for link in found if link is not None]

    async def _forgotten(self, store: Store) -> Forgotten:
        return await Forgotten.read(store, workspace=self._workspace, key=self._key)

    def _first_wrong(self, seals: list[Seal]) -> BrokenLink | None:
        previous = GENESIS_HASH
        for number, seal in enumerate(seals, start=1):
            good = hmac.compare_digest(seal.signature, seal.signed_with(self._key))
            if not good or seal.previous != previous or seal.number != number:
                why = "the seal does not follow the one before" if good else "the seal's signature is not ours"
                return BrokenLink(stream=SEALS, seq=number, why=why)
            previous = seal.signature
        return None

    def _read(self) -> list[Seal]:
        if not self._path.exists():
            return []
        with self._path.open(encoding="utf-8") as file:
            try:
                seals = [Seal.model_validate_json(line) for line in file if line.strip()]
            except ValidationError as error:
                raise InvalidConfiguration(f"{self._path}: a line is no seal.") from error
        return [seal for seal in seals if seal.workspace == self._workspace]


def _folded(seals: Iterable[Seal]) -> dict[str, ChainEnd]:
    return {end.stream: end for seal in seals for end in seal.ends}


async def _first_contradiction(store: Store, ends: Iterable[ChainEnd | None], gone: Forgotten) -> BrokenLink | None:
    for end in ends:
        why = await _contradiction(store, end) if end is not None else None
        if end is None or why is None or gone.covers(end):
            continue
        claimed = "; a line says that it was forgotten, but not with the key of the seals" if gone.claims(end) else ""
        return BrokenLink(stream=end.stream, seq=end.seq, why=why + claimed)
    return None


async def _contradiction(store: Store, end: ChainEnd) -> str | None:
    """Why the log cannot be the one that was sealed. Archived events are proved by the snapshot behind them."""
    found = await store.audit.events(end.stream, after=end.seq - 1, limit=1)
    if found and found[0].seq == end.seq:
        return None if found[0].hash == end.hash else "it is not the event that was sealed"
    if found and found[0].seq == end.seq + 1 and found[0].previous_hash == end.hash:
        return None
    let_go = vouched(found[0]) if found else None
    if let_go is not None and let_go[0] >= end.seq:
        return None
    return "its end was cut: it was sealed with this event"


async def seal_forever(seals: Seals, store: Store, *, every_s: float = 300.0) -> None:
    """Until cancelled. A log that contradicts its seals is told in the log of the process, again and again."""
    while True:
        try:
            await seals.add(store)
        except (BotError, OSError) as error:
            log.error("audit.not_sealed", reason=str(error))
        await asyncio.sleep(every_s)


# -- export ------------------------------------------------------------------------------------------------------------


async def all_events(store: Store, *, stream: str | None = None, since: datetime | None = None) -> AsyncIterator[Event]:
    """Every event, stream by stream."""
    for name in [stream] if stream else await store.audit.streams():
        after = 0
        while found := await store.audit.events(name, after=after):
            for event in found:
                if since is None or event.at >= since:
                    yield event
            after = found[-1].seq


def as_line(event: Event) -> str:
    """An event as one line of JSON; `broken_line` checks it without the database."""
    return json.dumps(event.model_dump(mode="json"), ensure_ascii=True, separators=(",", ":"))


def write_header(file: IO[str]) -> None:
    csv.writer(file).writerow(_COLUMNS)


def write_row(file: IO[str], event: Event) -> None:
    """An event as one line of CSV. A cell that a spreadsheet would run is made a text."""
    payload = json.dumps(event.payload, ensure_ascii=True, separators=(",", ":"))
    cells = (event.stream, event.seq, event.at.isoformat(), event.kind.value, event.actor, payload)
    csv.writer(file).writerow([_harmless(str(cell)) for cell in (*cells, event.previous_hash, event.hash)])


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def broken_line(lines: Iterable[str]) -> BrokenLink | None:
    """The first line of an export that does not follow from the one before in its stream."""
    last: dict[str, tuple[int, str]] = {}
    for number, event in enumerate(_parsed(lines), start=1):
        if event is None:
            return BrokenLink(stream="export", seq=number, why="this line is no event")
        seq, previous = last.get(event.stream, (event.seq - 1, event.previous_hash))
        new = NewEvent(kind=event.kind, actor=event.actor, at=event.at, payload=event.payload)
        made = event_hash(stream=event.stream, seq=event.seq, new=new, previous_hash=event.previous_hash)
        if event.seq != seq + 1:
            return BrokenLink(stream=event.stream, seq=seq + 1, why="an event is missing")
        if event.previous_hash != previous or made != event.hash:
            return BrokenLink(stream=event.stream, seq=event.seq, why="its content was changed")
        last[event.stream] = (event.seq, event.hash)
    return None


def _parsed(lines: Iterable[str]) -> Iterator[Event | None]:
    for line in lines:
        try:
            yield Event.model_validate_json(line)
        except ValidationError:
            yield None


# -- retention ---------------------------------------------------------------------------------------------------------


async def archive(store: Store, path: Path, *, prefix: str, older: timedelta, clock: Clock) -> int:
    """Put the quiet streams of one kind into a file, then let go of their events; how many streams.

    What stays of each is one event, a snapshot with the hash of the last event let go and the digest of its lines: the
    chain goes on from it, and the file proves the rest.
    """
    names = await store.audit.quiet(prefix=prefix, before=clock.now() - older)
    for name in names:
        lines = [as_line(event) async for event in all_events(store, stream=name)]
        last = Event.model_validate_json(lines[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        payload: JsonObject = {"through": last.seq, "hash": last.hash, "archive_sha256": digest, "events": len(lines)}
        taken = NewEvent(kind=EventKind.SNAPSHOT_TAKEN, actor=_ACTOR, at=clock.now(), payload=payload)
        await store.append(name, expected_seq=last.seq, events=[taken])
        await store.audit.let_go(name, through=last.seq)
    return len(names)
