"""The application's sessions on payment_db: a few idle ones always, and those that the incident needs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from bot.demo.world.plan import Plan
from bot.demo.world.topology import DATABASE, DATABASE_CONNECTIONS

_USUAL = 9
_RESERVED = 4
_WAITERS = 14


class Sessions:
    """Real sessions, held open until released or closed."""

    def __init__(self, plan: Plan, *, released: Callable[[], None]) -> None:
        self.plan = plan
        self._released = released
        self._idle: list[Any] = []
        self._incident: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    async def open(self, port: int, password: str) -> None:
        """Open the sessions that this scenario holds."""
        import asyncpg

        async def connect(name: str) -> Any:
            return await asyncpg.connect(
                host="127.0.0.1",
                port=port,
                user="payment_app",
                password=password,
                database=DATABASE,
                server_settings={"application_name": name},
            )

        self._idle = list(await asyncio.gather(*(connect("payment-service") for _ in range(_USUAL))))
        if self.plan.fault == "bad_deployment":
            await self._exhaust(connect)
        elif self.plan.fault == "database_lock":
            await self._block(connect)

    async def _exhaust(self, connect: Callable[[str], Any]) -> None:
        """Take every connection but the few that are kept for people; most sit in an open transaction."""
        count = DATABASE_CONNECTIONS - _RESERVED - _USUAL
        self._incident = list(await asyncio.gather(*(connect("payment-service") for _ in range(count))))
        for number, connection in enumerate(self._incident):
            await connection.execute("BEGIN")
            await connection.fetch("SELECT id, state, amount_cents FROM orders WHERE id = $1", 100 + number)

    async def _block(self, connect: Callable[[str], Any]) -> None:
        """One session holds rows of payments in an open transaction; others queue behind it and each other."""
        holder = await connect("refund-backfill")
        await holder.execute("BEGIN")
        await holder.execute("UPDATE payments SET status = 'refunding' WHERE id BETWEEN 5900 AND 6000")
        waiters = list(await asyncio.gather(*(connect("payment-service") for _ in range(_WAITERS))))
        self._incident = [holder, *waiters]
        for number, connection in enumerate(waiters):
            self._tasks.append(asyncio.create_task(self._wait(connection, 5900 + number % 4)))
        self._tasks.append(asyncio.create_task(self._watch(holder)))

    async def _wait(self, connection: Any, payment: int) -> None:
        import asyncpg

        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.execute(f"UPDATE payments SET status = 'captured' WHERE id = {payment}")

    async def _watch(self, holder: Any) -> None:
        """Notice when somebody ends the blocking session: that is the cure."""
        while not holder.is_closed():
            await asyncio.sleep(0.5)
        if not self._closing:
            self._released()

    def release(self) -> None:
        """Close the incident's sessions."""
        for connection in self._incident:
            connection.terminate()
        self._incident = []

    async def close(self) -> None:
        """Close all sessions."""
        self._closing = True
        for connection in (*self._incident, *self._idle):
            connection.terminate()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._incident, self._idle, self._tasks = [], [], []
