"""PostgreSQL: many processes. A pool for transactions, one connection apart for liveness and wake-ups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store.backend import DRIVER_ERRORS, Work, append_work, is_trouble, new_holder, told
from bot.store.deathwatch import Deathwatch
from bot.store.hints import Hints
from bot.store.one_statement import statement_for
from bot.store.presence import Presence
from bot.store.redis_hints import RedisHints
from bot.store.signals import Signals
from bot.store.writing import Writing

T = TypeVar("T")

_POOL = 8
_SESSION = {
    "application_name": "inquest",
    "jit": "off",
    "timezone": "UTC",
    "statement_timeout": "20000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "2000",  # a frozen process must not keep its row locks
}


class PostgresBackend:
    """Pool of 8: what two cores and one disk can use (more only wait for each other)."""

    poll_s = 0.25
    alone = False

    def __init__(self, url: URL, *, signals: Signals, redis_url: str = "") -> None:
        self.holder = new_holder()
        self._engine = create_async_engine(
            url, pool_size=_POOL, max_overflow=0, pool_timeout=10, pool_use_lifo=True,
            connect_args={"server_settings": _SESSION, "timeout": 5},
        )  # fmt: skip
        self._questions = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._hints = Hints(self.holder, signals)
        redis = RedisHints(redis_url, hints=self._hints) if redis_url else None
        self._presence = Presence(url, holder=self.holder, hints=self._hints, redis=redis)
        self._deathwatch = Deathwatch(url, holder=self.holder, hints=self._hints)

    async def start(self) -> None:
        await self._presence.start()

    async def read(self, work: Work[T]) -> T:
        try:
            async with self._questions.connect() as connection:
                return await connection.run_sync(work)
        except DRIVER_ERRORS as error:
            raise _shown(error) from error

    async def write(self, work: Work[T]) -> T:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except DRIVER_ERRORS as error:
            raise _shown(error) from error

    async def append(self, writing: Writing, *, again: bool) -> None:
        """In one statement when that goes; else, and to say why it did not, in an ordinary transaction."""
        fast = None if again else statement_for(writing)
        if fast is None or not await self._in_one(*fast):
            await self.write(append_work(writing, again=again))

    async def _in_one(self, statement: str, values: Sequence[Any]) -> bool:
        try:
            async with self._questions.connect() as connection:
                link = (await connection.get_raw_connection()).driver_connection
                assert link is not None
                await link.fetchval(statement, *values)
        except (asyncpg.DivisionByZeroError, asyncpg.UniqueViolationError):
            return False
        except DRIVER_ERRORS as error:
            raise _shown(error) from error
        return True

    def hint(self, stream: str) -> None:
        self._hints.add(stream)

    def watch_others(self) -> None:
        self._presence.be_watched()
        self._deathwatch.start()

    async def close(self) -> None:
        await self._deathwatch.close()
        await self._presence.close()
        await self._engine.dispose()


def _shown(error: BaseException) -> BaseException:
    return told(error) if is_trouble(error) else error
