"""The change feed: what the page and tests follow instead of asking again and again."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from bot.demo.workspace.wire import Json

KEPT = 5_000


@dataclass
class Feed:
    """Numbered changes; a follower that fell too far behind is told to load everything again."""

    seq: int = 0
    items: deque[tuple[int, Json]] = field(default_factory=lambda: deque(maxlen=KEPT))
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, kind: str, body: Json) -> None:
        """Add one change and wake every follower."""
        self.seq += 1
        self.items.append((self.seq, {"kind": kind, **body}))
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    def since(self, after: int) -> tuple[list[tuple[int, Json]], bool]:
        """Changes beyond `after`, and whether some are lost."""
        lost = after > self.seq or bool(self.items and self.items[0][0] > after + 1)
        return [item for item in self.items if item[0] > after], lost

    async def wait(self, after: int, *, timeout_s: float) -> bool:
        """True as soon as there is something beyond `after`, False when the time is up."""
        if self.seq != after:
            return True
        try:
            await asyncio.wait_for(self._bell.wait(), timeout_s)
        except TimeoutError:
            return False
        return True
