"""Wake-ups inside one process. A lost one costs a poll, never an event."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Signals:
    """`work`: something may be claimable; `outgoing`: something may have to be drawn; and one per followed stream."""

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self.outgoing = asyncio.Event()
        self._followers: dict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, stream: str, *, work: bool) -> None:
        self.outgoing.set()
        if work:
            self.work.set()
        for follower in self._followers.get(stream, ()):
            follower.set()

    def changed_elsewhere(self) -> None:
        """Another process wrote something: everybody looks."""
        self.work.set()
        self.outgoing.set()
        for followers in self._followers.values():
            for follower in followers:
                follower.set()

    @contextmanager
    def following(self, stream: str) -> Iterator[asyncio.Event]:
        follower = asyncio.Event()
        self._followers[stream].add(follower)
        try:
            yield follower
        finally:
            self._followers[stream].discard(follower)
            if not self._followers[stream]:
                del self._followers[stream]


async def wait_for(signal: asyncio.Event, timeout_s: float) -> bool:
    """True when it was set, False when the time was over."""
    try:
        async with asyncio.timeout(timeout_s):
            await signal.wait()
    except TimeoutError:
        return False
    return True
