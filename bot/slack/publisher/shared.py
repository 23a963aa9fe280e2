"""The part of a turn that all processes decide together, in the database. When it is away, each decides alone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from bot.errors import BotError
from bot.slack.publisher.windows import Priority, Window, room
from bot.store.turns import Quota, Taken

log = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE_S = 1.0
"""An answer to a click does not wait longer than this for a database that says nothing."""
ALONE_S = 2.0
LATE_S = 0.2
"""Seconds of Slack from its turn within which a call needs no correction: the windows leave more than that unused."""


class Book(Protocol):
    """`bot.store.turns.Turns`."""

    alone: bool

    async def take(self, quotas: Sequence[Quota]) -> Taken: ...
    async def land(self, buckets: Collection[str], at: float) -> None: ...
    async def give_back(self, buckets: Collection[str], at: float) -> None: ...
    async def close(self, bucket: str, *, for_s: float) -> None: ...
    async def closed_s(self, bucket: str) -> float: ...


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A call that was not answered yet. `at` names its turn in the book; None: the book was away."""

    buckets: frozenset[str]
    at: float | None
    since: float


class SharedTurns:
    """Turns from the book of all processes."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._under_way: dict[str, deque[_UnderWay]] = defaultdict(deque)
        self._alone_until = 0.0
        self._beside: set[asyncio.Task[Any]] = set()

    async def take(self, name: str, windows: Sequence[Window], priority: Priority, *, scale: float) -> float:
        """0 when the turn is ours; else the seconds after which to ask again."""
        quotas = [Quota(bucket=w.bucket, limit=room(w.limit, priority), span_s=w.span_s / scale) for w in windows]
        if not quotas:
            return 0.0
        buckets = frozenset(window.bucket for window in windows)
        asked = self._later(self._asked(quotas))
        try:
            taken = await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._later(self._return(asked, buckets))
            raise
        if taken is not None and taken.at is None:
            return max(taken.wait_s, 0.005)
        self._under_way[name].append(_UnderWay(buckets, taken.at if taken else None, time.monotonic()))
        return 0.0

    async def _asked(self, quotas: Sequence[Quota]) -> Taken | None:
        """None when the database does not say."""
        if time.monotonic() < self._alone_until:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._book.take(quotas)
        except (BotError, OSError, TimeoutError) as error:
            self._went_away(error)
            return None

    async def _return(self, asked: asyncio.Task[Taken | None], buckets: frozenset[str]) -> None:
        taken = await asked
        if taken is not None and taken.at is not None:
            await self._told(self._book.give_back(buckets, taken.at))

    def landed(self, name: str, *, scale: float) -> None:
        """The oldest call of this name was answered. Slow ones are written down at the time that Slack may mean."""
        queue = self._under_way[name]
        call = queue.popleft() if queue else None
        if call is not None and call.at is not None and (time.monotonic() - call.since) * scale > LATE_S:
            self._later(self._told(self._book.land(call.buckets, call.at)))

    async def close(self, name: str, for_s: float) -> None:
        """Hold everybody back."""
        await self._told(self._book.close(name, for_s=for_s))

    async def closed_s(self, name: str) -> float:
        """For how long another process was told to wait; 0 when the database does not say."""
        if self._book.alone or time.monotonic() < self._alone_until:
            return 0.0
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._book.closed_s(name)
        except (BotError, OSError, TimeoutError) as error:
            self._went_away(error)
            return 0.0

    async def _told(self, telling: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await telling
        except (BotError, OSError, TimeoutError) as error:
            self._went_away(error)

    def _went_away(self, error: Exception) -> None:
        log.warning("slack's limits are kept by this process alone for a moment: %s", error)
        self._alone_until = time.monotonic() + ALONE_S

    def _later(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    async def settled(self) -> None:
        """Wait until everything that runs beside the calls is written down."""
        if self._beside:
            await asyncio.wait(set(self._beside))
