"""The application's sessions on payment_db: a few idle ones always, and those that the incident needs."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

from bot.demo.world.plan import Plan
from bot.demo.world.postgres_schema import failure_reason, payments_per_s
from bot.demo.world.story import POOL_LIMIT
from bot.demo.world.topology import DATABASE, LOCK_WAITERS, POOL_USUAL, REPORT_SESSIONS

_PAYMENT = """
WITH made AS (
    INSERT INTO orders SELECT nextval('payment_ids'), $1, 'placed', $2, now() RETURNING id, amount_cents
)
INSERT INTO payments SELECT id, id, $3, 'card', amount_cents, $4, now() FROM made
"""


class Sessions:
    """Real sessions, held open until released or closed."""

    def __init__(self, plan: Plan, *, released: Callable[[], None], failing: Callable[[], float]) -> None:
        self.plan = plan
        self._failing = failing
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

        names = ["payment-reports"] * REPORT_SESSIONS
        if self.plan.fault != "bad_deployment":
            names += ["payment-service"] * (POOL_USUAL - 1)
        self._idle = list(await asyncio.gather(*map(connect, [*names, "payment-service"])))
        self._tasks.append(asyncio.create_task(self._pay(self._idle[-1])))
        if self.plan.fault == "bad_deployment":
            await self._exhaust(connect)
        elif self.plan.fault == "database_lock":
            await self._block(connect)

    async def _exhaust(self, connect: Callable[[str], Any]) -> None:
        """Take every connection that the pools of payment-service may have, each in an open transaction."""
        self._incident = list(await asyncio.gather(*(connect("payment-service") for _ in range(POOL_LIMIT - 1))))
        for number, connection in enumerate(self._incident):
            await connection.execute("BEGIN")
            await connection.fetch("SELECT id, state, amount_cents FROM orders WHERE id = $1", 100 + number)

    async def _block(self, connect: Callable[[str], Any]) -> None:
        """One session holds rows of payments in an open transaction; others queue behind it and each other."""
        holder = await connect("refund-backfill")
        await holder.execute("BEGIN")
        await holder.execute("UPDATE payments SET status = 'refunding' WHERE id BETWEEN 11900 AND 12000")
        waiters = list(await asyncio.gather(*(connect("payment-service") for _ in range(LOCK_WAITERS))))
        self._incident = [holder, *waiters]
        for number, connection in enumerate(waiters):
            self._tasks.append(asyncio.create_task(self._wait(connection, 11900 + number % 4)))
        holder.add_termination_listener(self._ended)

    async def _pay(self, connection: Any) -> None:
        """Write the payments of each moment, failing as often as the service does."""
        dice = random.Random(self.plan.seed)
        reason, pause = failure_reason(self.plan), 1 / payments_per_s(self.plan)
        with contextlib.suppress(*_gone()):
            while not connection.is_closed():
                failed = dice.random() < self._failing()
                values = (dice.randint(1, 4000), dice.randint(500, 60000), "failed" if failed else "captured")
                await connection.execute(_PAYMENT, *values, reason if failed else None)
                await asyncio.sleep(pause)

    async def _wait(self, connection: Any, payment: int) -> None:
        """Try again and again to change one row; give up each time after five seconds, as the service does."""
        with contextlib.suppress(*_gone()):
            await connection.execute("SET lock_timeout = '5s'")
            while not connection.is_closed():
                with contextlib.suppress(_timed_out()):
                    await connection.execute("UPDATE payments SET status = 'captured' WHERE id = $1", payment)
                    await asyncio.sleep(1)

    def _ended(self, _connection: Any) -> None:
        """Somebody ended the blocking session: that is the cure."""
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


def _gone() -> tuple[type[Exception], ...]:
    """What a session raises when its connection is closed under it."""
    import asyncpg

    return (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


def _timed_out() -> type[Exception]:
    import asyncpg

    error: type[Exception] = asyncpg.LockNotAvailableError
    return error
