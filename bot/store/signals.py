"""Wake-ups inside one process, and the newest events for those who follow. A lost one costs a poll, never an event."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from bot.domain.events import Event

_KEPT = 1_000


class Follower:
    """One who follows a stream. `changed` is set when there is something new, here or in the log."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._fresh: list[Event] = []
        self._look = True

    def give(self, events: Sequence[Event]) -> None:
        if len(self._fresh) + len(events) > _KEPT:
            self._fresh.clear()
            self._look = True
        else:
            self._fresh.extend(events)
        self.changed.set()

    def look(self) -> None:
        """There may be more in the log than was given."""
        self._look = True
        self.changed.set()

    def take(self, after: int) -> tuple[list[Event], bool]:
        """The events given that directly follow `after`, and whether the log must be looked at first."""
        fresh, self._fresh = [event for event in self._fresh if event.seq > after], []
        look = self._look or any(event.seq != seq for seq, event in enumerate(fresh, start=after + 1))
        self._look = False
        self.changed.clear()
        return ([] if look else fresh), look


class Signals:
    """`work`: something may be claimable; `outgoing`: something may have to be drawn; and the followers of streams."""

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self.outgoing = asyncio.Event()
        self._followers: dict[str, set[Follower]] = defaultdict(set)

    def appended(self, stream: str, events: Sequence[Event], *, work: bool) -> None:
        """This process wrote to a stream."""
        self.outgoing.set()
        if work:
            self.work.set()
        for follower in self._followers.get(stream, ()):
            follower.give(events)

    def changed_elsewhere(self, streams: Iterable[str] | None) -> None:
        """Another process wrote to these streams, or to any (None)."""
        self.work.set()
        self.outgoing.set()
        for stream in list(self._followers) if streams is None else streams:
            for follower in self._followers.get(stream, ()):
                follower.look()

    @contextmanager
    def following(self, stream: str) -> Iterator[Follower]:
        follower = Follower()
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
