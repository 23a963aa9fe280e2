"""One pool to one database, in which every read is an explicit READ ONLY transaction of the extended protocol."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import asyncpg

from connectors.base import Ask
from connectors.errors import Malformed, Misconfigured, Unavailable
from connectors.model import Column, Limits
from connectors.postgresql.config import APPLICATION, PostgresqlConfig, tls
from connectors.sql import MAX_CELL_CHARS, TableBuilder, interval_text

OLDEST = 12
_PREFETCH = 100
# Types whose values may be of any size, and how the server cuts them to one character more than a cell may hold.
_TEXTS = frozenset({"text", "varchar", "bpchar", "json", "jsonb", "xml", "unknown", "citext", "tsvector", "hstore"})
_WRAPPED = ("select", "with", "values", "table", "(")


class Server(NamedTuple):
    """What was learned of the server at the first connection."""

    major: int
    monitor: bool


class PostgresLink:
    """Lazily connected. A cancelled read cancels the query on the server and gives its connection back."""

    def __init__(self, config: PostgresqlConfig, *, name: str) -> None:
        self._config = config
        self._name = name
        self._pool: Any = None

    async def open(self) -> None:
        if self._pool is None:
            self._pool = await asyncpg.create_pool(min_size=0, max_size=self._config.pool_size, **self._options())

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    def _options(self) -> dict[str, Any]:
        config = self._config
        return {
            "host": config.host,
            "port": config.port,
            "database": config.database,
            "user": config.username,
            "password": config.password.get_secret_value() if config.password else None,
            "passfile": "",  # never a file of the user who runs us
            "ssl": tls(config, self._name),
            "timeout": config.connect_timeout_s,
            "init": self._prepare,
            "statement_cache_size": 0 if config.behind_pooler else 100,
            "server_settings": {"application_name": APPLICATION, **({} if config.behind_pooler else self._session())},
        }

    def _session(self) -> dict[str, str]:
        return {
            "default_transaction_read_only": "on",
            "statement_timeout": _milliseconds(self._config.statement_timeout_s),
            "lock_timeout": _milliseconds(self._config.lock_timeout_s),
            "idle_in_transaction_session_timeout": _milliseconds(self._config.statement_timeout_s * 2),
        }

    async def _prepare(self, connection: Any) -> None:
        """Refuse servers we cannot read rightly; keep intervals exact."""
        if connection.get_server_version().major < OLDEST:
            raise Misconfigured(f"{self._name} is older than PostgreSQL {OLDEST}, or not PostgreSQL.")
        await connection.set_type_codec(
            "interval", schema="pg_catalog", encoder=str, decoder=lambda parts: interval_text(*parts), format="tuple"
        )

    @contextlib.asynccontextmanager
    async def reading(self, limits: Limits) -> AsyncIterator[Any]:
        """A connection inside a READ ONLY transaction whose statements end before the deadline."""
        await self.open()
        connection = await self._acquire()
        try:
            transaction = connection.transaction(readonly=True)
            await transaction.start()
            try:
                await self._limit(connection, limits)
                yield connection
            finally:  # READ ONLY lets large objects be made, settings be set and notices be sent; nothing is committed
                await _roll_back(connection, transaction)
        finally:
            await self._pool_release(connection)

    async def _limit(self, connection: Any, limits: Limits) -> None:
        limit_s = min(self._config.statement_timeout_s, limits.deadline_s)
        await connection.fetchval(
            "select set_config('statement_timeout', $1, true) || set_config('lock_timeout', $2, true)",
            _milliseconds(limit_s),
            _milliseconds(min(self._config.lock_timeout_s, limit_s)),
        )

    async def _acquire(self) -> Any:
        try:
            return await self._pool.acquire()
        except TimeoutError as error:
            raise Unavailable(
                f"{self._name} cannot be reached: no answer within {self._config.connect_timeout_s:g} s."
            ) from error
        except (ValueError, IndexError, KeyError, AttributeError) as error:
            raise Malformed(f"{self._name} does not speak PostgreSQL's protocol here.") from error

    async def _pool_release(self, connection: Any) -> None:
        if self._pool is None:
            return
        with contextlib.suppress(asyncpg.InterfaceError):
            await self._pool.release(connection, timeout=2.0)

    async def fetch(self, sql: str, *arguments: Any, ask: Ask) -> list[Any]:
        """The rows of one of our own queries; at most one more than `max_rows`."""
        async with self.reading(ask.limits) as connection:
            return await self.fetch_in(connection, sql, *arguments, ask=ask)

    async def fetch_in(self, connection: Any, sql: str, *arguments: Any, ask: Ask) -> list[Any]:
        cursor = await connection.cursor(sql, *arguments)
        found: list[Any] = await cursor.fetch(ask.limits.max_rows + 1)
        return found

    async def table(self, sql: str, ask: Ask) -> TableBuilder:
        """The answer of a judged query, cut on the server in rows and in the size of a cell."""
        async with self.reading(ask.limits) as connection:
            statement = await connection.prepare(sql)
            attributes = statement.get_attributes()
            columns = [Column(name=a.name, type=_type_name(a.type)) for a in attributes]
            builder = TableBuilder(columns, ask.limits)
            bounded = _bounded(sql, attributes)
            if bounded is not None:
                statement = await connection.prepare(bounded)
            await self._fill(builder, await statement.cursor())
            return builder

    async def _fill(self, builder: TableBuilder, cursor: Any) -> None:
        try:
            while records := await cursor.fetch(_PREFETCH):
                for record in records:
                    if not builder.add(record.values()):
                        return
        except (ValueError, OverflowError) as error:
            raise Malformed(
                f"{self._name} holds a value outside what Python can read, such as a date before year 1. "
                "Cast the column to text."
            ) from error


async def _roll_back(connection: Any, transaction: Any) -> None:
    """End the transaction without a trace; a connection that is gone or was left by its caller ends by itself."""
    if connection.is_closed() or not connection.is_in_transaction():
        return
    with contextlib.suppress(asyncpg.InterfaceError, asyncpg.PostgresConnectionError):
        await transaction.rollback()


def _bounded(sql: str, attributes: Sequence[Any]) -> str | None:
    """The query inside one that cuts huge cells before they travel; None when nothing can be huge."""
    if not sql.lstrip().lower().startswith(_WRAPPED) or not attributes:
        return None
    cells = [_bounded_cell(f"c{index}", attribute.type.name) for index, attribute in enumerate(attributes)]
    if all(cell == f"c{index}" for index, cell in enumerate(cells)):
        return None
    names = ", ".join(f"c{index}" for index in range(len(attributes)))
    return f"SELECT {', '.join(cells)} FROM ({sql}) AS judged({names})"  # noqa: S608  # the guard wrote `sql`


def _bounded_cell(column: str, kind: str) -> str:
    if kind in _TEXTS:
        return f"left({column}::text, {MAX_CELL_CHARS + 1})"
    if kind == "bytea":
        return f"substring({column} from 1 for {MAX_CELL_CHARS})"
    return column


def _type_name(kind: Any) -> str:
    name: str = kind.name
    return name if kind.kind != "array" else name.removesuffix("[]") + "[]"


def _milliseconds(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))
