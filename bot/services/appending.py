"""Appending to a stream that many write to and nobody has read: behind whatever was written last."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.events import NewEvent
from bot.errors import SequenceConflict
from bot.store import Store

_ATTEMPTS = 10


async def append_at_end(
    store: Store, stream: str, events: Sequence[NewEvent], *, delivery_id: str | None = None
) -> None:
    """SequenceConflict when others were faster again and again."""
    for _ in range(_ATTEMPTS):
        try:
            seq = await store.audit.length(stream)
            await store.append(stream, expected_seq=seq, events=events, delivery_id=delivery_id)
        except SequenceConflict:
            continue
        return
    raise SequenceConflict(f"Too many write to {stream} at once. Try again.")
