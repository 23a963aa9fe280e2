"""One connection apart: it holds the lock that says this process lives, and carries wake-ups between processes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
from sqlalchemy import URL

from bot.store.backend import DRIVER_ERRORS, told
from bot.store.claims import LIVENESS_CLASS
from bot.store.signals import Signals

CHANNEL = "inquest_changed"
_GATHER_S = 0.01
_MAX_STREAMS = 100
_MAX_PAYLOAD = 7_000
_RETRY_S = 0.2


class Presence:
    """Wake-ups are hints: gathered for a moment, sent after the commit, never part of a transaction."""

    def __init__(self, url: URL, *, holder: int, signals: Signals) -> None:
        self._url, self._holder, self._signals = url, holder, signals
        self._connection: Any = None
        self._hints = asyncio.Event()
        self._streams: set[str] = set()
        self._any = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        try:
            await self._connect()
        except DRIVER_ERRORS as error:
            raise told(error) from error
        self._task = asyncio.create_task(self._stay(), name="inquest-store-presence")

    async def _connect(self) -> None:
        dsn = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn, timeout=5, server_settings={"application_name": "inquest presence"})
        try:  # shared, so that a half-dead earlier link of this process cannot keep us waiting
            await connection.execute("SELECT pg_advisory_lock_shared($1, $2)", LIVENESS_CLASS, self._holder)
            await connection.add_listener(CHANNEL, self._heard)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        sender, _, streams = payload.partition(" ")
        if sender != str(self._holder):
            self._signals.changed_elsewhere(streams.split(" ") if streams else None)

    async def _stay(self) -> None:
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    await self._connect()
                    self._signals.changed_elsewhere(None)
                await self._send_hints()
            except DRIVER_ERRORS:
                self._hang_up()
                await asyncio.sleep(_RETRY_S)

    async def _send_hints(self) -> None:
        """Wait for something to tell, at most until the link should be looked at again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_S):
                await self._hints.wait()
        if self._hints.is_set():
            self._hints.clear()
            payload = " ".join([str(self._holder), *self._streams])
            self._streams.clear()
            shown = str(self._holder) if self._any or len(payload) > _MAX_PAYLOAD else payload
            self._any = False
            await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, shown, timeout=5)
            await asyncio.sleep(_GATHER_S)

    def hint(self, stream: str) -> None:
        if len(self._streams) < _MAX_STREAMS and stream.isascii() and " " not in stream:
            self._streams.add(stream)
        else:
            self._any = True
        self._hints.set()

    async def close(self) -> None:
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
