"""Notices within milliseconds that another process died.

The processes stand in a ring, and each waits for the lock that the next one holds as long as it lives; PostgreSQL hands
it over when that one ends. Only a wake-up: who is alive is judged by the liveness locks, and a poll stands behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import URL

from bot.store.backend import DRIVER_ERRORS
from bot.store.hints import Hints
from bot.store.presence import WATCHED_CLASS, connect_apart
from bot.store.signals import wait_for

_LOOK_AGAIN_S = 1.0
_ROUND_MS = 900
"""Shorter than PostgreSQL's own deadlock_timeout of a second, after which it would look, and may write a line."""

_RING = f"""
SELECT objid::bigint AS holder FROM pg_locks
WHERE locktype = 'advisory' AND classid = {WATCHED_CLASS} AND granted AND objid <> $1
"""  # noqa: S608 - our own number


class Deathwatch:
    """Watches one other process. `start` may be called as often as one likes."""

    def __init__(self, url: URL, *, holder: int, hints: Hints) -> None:
        self._url, self._holder, self._hints = url, holder, hints
        self._connection: Any = None
        self._other: int | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name="inquest-store-deathwatch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        try:
            while True:
                try:
                    await self._round()
                except DRIVER_ERRORS:
                    self._hang_up()
                    await asyncio.sleep(_LOOK_AGAIN_S)
        finally:
            self._hang_up()

    async def _round(self) -> None:
        if self._connection is None:
            self._connection = await connect_apart(self._url)
            await self._connection.execute(f"SET lock_timeout = {_ROUND_MS}")
        self._hints.joined.clear()
        others = {row["holder"] for row in await self._connection.fetch(_RING, self._holder, timeout=5)}
        if self._other is not None and self._other not in others:
            self._hints.look()
            self._hints.add_any()
        self._other = self._next(others)
        if self._other is None:
            await wait_for(self._hints.joined, _LOOK_AGAIN_S)
        else:
            await self._connection.execute(_wait_for(self._other), timeout=10)

    def _next(self, others: Iterable[int]) -> int | None:
        """The next one round the ring."""
        return min(others, key=lambda one: (one < self._holder, one), default=None)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _wait_for(other: int) -> str:
    """Returns when the other let go, or at the end of a round. Rounds are short because a statement that waits for
    hours keeps PostgreSQL from cleaning up; their end is caught inside, so that it is no error in the server's log."""
    lock = f"{WATCHED_CLASS}, {int(other)}"
    taken = f"PERFORM pg_advisory_lock({lock}); PERFORM pg_advisory_unlock({lock})"
    return f"DO $$ BEGIN {taken}; EXCEPTION WHEN lock_not_available THEN NULL; END $$"
