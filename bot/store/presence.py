"""One connection apart: it holds the lock that says this process lives, and carries wake-ups between processes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
from sqlalchemy import URL

from bot.store.backend import DRIVER_ERRORS, told
from bot.store.claims import LIVENESS_CLASS
from bot.store.hints import CHANNEL, JOINED, Hints
from bot.store.redis_hints import RedisHints

WATCHED_CLASS = 1_229_869_906
"""First half of the advisory lock by which others notice the end of this process; see `bot.store.deathwatch`."""

_GATHER_S = 0.01
_RETRY_S = 0.2


class Presence:
    """Wake-ups are hints: gathered for a moment, sent after the commit, never part of a transaction."""

    def __init__(self, url: URL, *, holder: int, hints: Hints, redis: RedisHints | None) -> None:
        self._url, self._holder, self._hints, self._redis = url, holder, hints, redis
        self._connection: Any = None
        self._wanted, self._watched = False, False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        try:
            await self._connect()
        except DRIVER_ERRORS as error:
            raise told(error) from error
        self._task = asyncio.create_task(self._stay(), name="inquest-store-presence")
        if self._redis is not None:
            self._redis.start()

    def be_watched(self) -> None:
        """Let the others notice when this process ends."""
        self._wanted = True

    async def _connect(self) -> None:
        connection = await connect_apart(self._url)
        try:  # shared, so that a half-dead earlier link of this process cannot keep us waiting
            await connection.execute("SELECT pg_advisory_lock_shared($1, $2)", LIVENESS_CLASS, self._holder)
            await connection.add_listener(CHANNEL, self._heard)
        except BaseException:
            connection.terminate()
            raise
        self._connection, self._watched = connection, False

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        self._hints.heard(payload)

    async def _stay(self) -> None:
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    await self._connect()
                    self._hints.look()
                if self._wanted and not self._watched:
                    await self._show()
                await self._send_hints()
            except DRIVER_ERRORS:
                self._hang_up()
                await asyncio.sleep(_RETRY_S)

    async def _show(self) -> None:
        """Only tried: somebody may still wait for the end of an earlier link of ours."""
        ours = "SELECT pg_try_advisory_lock_shared($1, $2)"
        self._watched = await self._connection.fetchval(ours, WATCHED_CLASS, self._holder, timeout=5)
        if self._watched:
            self._hints.add(JOINED)

    async def _send_hints(self) -> None:
        """Wait for something to tell, at most until the link should be looked at again."""
        message = await self._hints.wait(_RETRY_S)
        if message is None:
            return
        if self._redis is None or not await self._redis.send(message):
            await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, message, timeout=5)
        await asyncio.sleep(_GATHER_S)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            with contextlib.suppress(*DRIVER_ERRORS):
                await self._connection.close(timeout=2)
        self._hang_up()

    def _hang_up(self) -> None:
        """Close at once: the server then frees the lock, and whoever waits for our work may have it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def connect_apart(url: URL) -> Any:
    """A connection of one's own, outside of the pool."""
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.connect(dsn, timeout=5, server_settings={"application_name": "inquest presence"})
