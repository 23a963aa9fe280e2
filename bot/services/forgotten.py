"""What retention let go of, vouched for: the ends of forgotten streams, signed, in the stream `retention`.

Seals name every chain that ever was. One that was forgotten as the installation asks must not look like one that
somebody deleted, so its end is written down before it goes, signed with the key of the seals, which the database does
not know. Whoever can only write to the database cannot make such a line.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import AwareDatetime, ValidationError

from bot.domain.events import EventKind, NewEvent
from bot.services.appending import append_at_end
from bot.store import Store
from bot.store.audit import ChainEnd
from connectors.model import Frozen, canonical_digest

STREAM = "retention"
_ACTOR = "system:inquest"
_PAGE = 1_000


class Farewell(Frozen):
    """Streams that are forgotten together. `signature` is HMAC-SHA-256 (hex) over the rest; empty without a key."""

    workspace: str
    at: AwareDatetime
    forgotten: tuple[ChainEnd, ...]
    signature: str = ""

    def signed_with(self, key: bytes) -> str:
        body = canonical_digest(self.model_dump(mode="json", exclude={"signature"}))
        return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()


async def vouch(store: Store, ends: Sequence[ChainEnd], *, workspace: str, at: datetime, key: bytes | None) -> None:
    """Write down what is about to be forgotten."""
    bare = Farewell(workspace=workspace, at=at, forgotten=tuple(ends))
    said = bare.model_copy(update={"signature": bare.signed_with(key)}) if key else bare
    event = NewEvent(kind=EventKind.SNAPSHOT_TAKEN, actor=_ACTOR, at=at, payload=said.model_dump(mode="json"))
    await append_at_end(store, STREAM, [event])


class Forgotten:
    """The ends that somebody vouched for, with this key and without any."""

    def __init__(self, signed: Mapping[str, ChainEnd], unsigned: Mapping[str, ChainEnd]) -> None:
        self._signed = signed
        self._unsigned = unsigned

    @classmethod
    async def read(cls, store: Store, *, workspace: str, key: bytes) -> Forgotten:
        """From the log. Lines that are no farewell of this workspace count for nothing."""
        signed: dict[str, ChainEnd] = {}
        unsigned: dict[str, ChainEnd] = {}
        after = 0
        while found := await store.audit.events(STREAM, after=after, limit=_PAGE):
            after = found[-1].seq
            for event in found:
                said = _parsed(event.payload)
                if said is not None and said.workspace == workspace:
                    good = hmac.compare_digest(said.signature, said.signed_with(key))
                    (signed if good else unsigned).update({end.stream: end for end in said.forgotten})
        return cls(signed, unsigned)

    def covers(self, end: ChainEnd) -> bool:
        """Whether the stream went lawfully, this sealed end with it."""
        return _covers(self._signed.get(end.stream), end)

    def claims(self, end: ChainEnd) -> bool:
        """Whether a line says so that nobody signed with the key."""
        return _covers(self._unsigned.get(end.stream), end)


def _covers(gone: ChainEnd | None, end: ChainEnd) -> bool:
    return gone is not None and (gone.seq > end.seq or gone == end)


def _parsed(payload: object) -> Farewell | None:
    try:
        return Farewell.model_validate(payload)
    except ValidationError:
        return None
