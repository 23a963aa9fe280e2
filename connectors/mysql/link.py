"""A small pool to one server, in which every read is an explicit READ ONLY transaction of one statement at a time."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from asyncmy import connection as untyped
from asyncmy import errors as my
from asyncmy.constants.COMMAND import COM_SET_OPTION, COM_STMT_PREPARE
from asyncmy.cursors import DictCursor, SSCursor
from asyncmy.protocol import FieldDescriptorPacket

from connectors._afterwards import Afterwards
from connectors.base import Ask
from connectors.errors import Malformed, Misconfigured, Unavailable
from connectors.model import Column, Limits
from connectors.mysql.config import MysqlConfig, tls
from connectors.mysql.errors import DENIED, is_tls, number
from connectors.sql import MAX_CELL_CHARS, TableBuilder

driver: Any = untyped
_PREFETCH = 100
_MULTI_STATEMENTS_OFF = 1
_WRAPPED = ("select", "with", "values", "table", "(")
# Field types whose values may be of any size: https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
_HUGE = frozenset({245, 249, 250, 251, 252})
_BINARY_CHARSET = 63
_TYPES = {
    0: "decimal", 1: "tinyint", 2: "smallint", 3: "int", 4: "float", 5: "double", 6: "null", 7: "timestamp",
    8: "bigint", 9: "mediumint", 10: "date", 11: "time", 12: "datetime", 13: "year", 15: "varchar", 16: "bit",
    245: "json", 246: "decimal", 247: "enum", 248: "set", 249: "text", 250: "text", 251: "text", 252: "text",
    253: "varchar", 254: "char", 255: "geometry",
}  # fmt: skip
# The guard reads with backslash escapes, and without ANSI quotes: the session must read the same way.
_SESSION = (
    "set session sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO', time_zone = '+00:00',"
    " lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}, group_concat_max_len = 65536"
)


class Version(NamedTuple):
    """Which product answers, and its version."""

    mariadb: bool
    number: tuple[int, int, int]
    text: str

    @property
    def too_old(self) -> bool:
        return self.number < ((10, 4, 0) if self.mariadb else (8, 0, 0))


class MysqlLink:
    """Lazily connected. A cancelled or cut read is killed on the server from a second connection."""

    def __init__(self, config: MysqlConfig, *, name: str) -> None:
        self._config = config
        self._name = name
        self._free: list[Any] = []
        self._used: set[Any] = set()
        self._gate = asyncio.Semaphore(config.pool_size)
        self._afterwards = Afterwards(my.MySQLError, Unavailable, Malformed, Misconfigured)
        self._plain = False

    async def open(self) -> None:
        """Nothing to prepare: connections are made when needed."""
        tls(self._config, self._name)

    async def close(self) -> None:
        for connection in [*self._free, *self._used]:
            connection.close()
        self._free.clear()
        self._used.clear()
        await self._afterwards.finish()

    @contextlib.asynccontextmanager
    async def reading(self, limits: Limits) -> AsyncIterator[Any]:
        """A connection inside a READ ONLY transaction whose statements end before the deadline."""
        async with self._gate:
            connection = self._take() or await self._connect()
            self._used.add(connection)
            clean = False
            try:
                await self._begin(connection, limits)
                yield connection
                await connection.query("rollback")
                clean = True
            except my.MySQLError as error:
                clean = await self._recovered(connection, error)
                raise
            finally:
                self._used.discard(connection)
                if clean and connection.connected:
                    self._free.append(connection)
                else:
                    self._abandon(connection)

    def _take(self) -> Any:
        while self._free:
            connection = self._free.pop()
            if connection.connected:
                return connection
        return None

    async def _begin(self, connection: Any, limits: Limits) -> None:
        limit_s = min(self._config.statement_timeout_s, limits.deadline_s)
        if version(connection).mariadb:
            timeout = f"max_statement_time = {max(0.001, limit_s):.3f}"
        else:
            timeout = f"max_execution_time = {max(1, int(limit_s * 1000))}"
        await connection.query(f"set session {timeout}, sql_select_limit = {limits.max_rows + 1}")
        await connection.query("start transaction read only")

    async def _recovered(self, connection: Any, error: Exception) -> bool:
        """True when the server refused one statement and the connection is still good."""
        if not 1000 <= number(error) < 2000 and not 3000 <= number(error) < 5000:
            return False
        try:
            await connection.query("rollback")
        except (my.MySQLError, OSError):
            return False
        return True

    def _abandon(self, connection: Any) -> None:
        """Close, and end what the server still does for this connection."""
        thread = getattr(connection, "server_thread_id", None)
        connection.close()
        if thread and isinstance(thread, tuple):
            self._afterwards.send(lambda: self._kill(int(thread[0])))

    async def _kill(self, thread: int) -> None:
        """The statement's own time limit is the net below this one."""
        connection = await self._dial()
        try:
            await connection.query(f"kill {thread}")
        finally:
            connection.close()

    async def _connect(self) -> Any:
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                connection = await self._dial()
                await self._prepare(connection)
                return connection
        except TimeoutError as error:
            waited = f"{self._config.connect_timeout_s:g}"
            raise Unavailable(f"{self._name} cannot be reached: no answer within {waited} s.") from error
        except (ValueError, IndexError, KeyError, AttributeError, struct.error, AssertionError) as error:
            raise Malformed(f"{self._name} does not speak MySQL's protocol here.") from error

    async def _dial(self) -> Any:
        context = None if self._plain else tls(self._config, self._name)
        try:
            return await self._dial_with(context)
        except (my.MySQLError, ssl.SSLError, ConnectionError) as error:
            refused = is_tls(error) or number(error) in {1043, 2013, 2026}
            if context is None or self._config.sslmode != "prefer" or not refused:
                raise
        connection = await self._dial_with(None)
        self._plain = True
        return connection

    async def _dial_with(self, context: ssl.SSLContext | None) -> Any:
        config = self._config
        connection = driver.Connection(
            host="localhost" if config.on_socket else config.host,
            unix_socket=config.host if config.on_socket else None,
            port=config.port,
            user=config.username,
            password=config.password.get_secret_value() if config.password else "",
            database=config.database,
            charset="utf8mb4",
            connect_timeout=config.connect_timeout_s,
            autocommit=True,
            local_infile=False,
            program_name="inquest",
            ssl=context,
        )
        try:
            await connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    async def _prepare(self, connection: Any) -> None:
        """One statement at a time, read-only by default, and a server we can read rightly."""
        found = version(connection)
        if found.too_old:
            connection.close()
            raise Misconfigured(f"{self._name} runs {found.text}; MySQL 8.0 or MariaDB 10.4 is the oldest read here.")
        await connection._execute_command(COM_SET_OPTION, struct.pack("<H", _MULTI_STATEMENTS_OFF))
        await connection.read_packet()
        lock_s = max(1, int(self._config.lock_timeout_s))
        await connection.query(_SESSION.format(lock=lock_s))
        await connection.query("set session transaction read only")

    async def fetch(self, sql: str, *arguments: Any, ask: Ask) -> list[dict[str, Any]]:
        """The rows of one of our own queries, keyed by column; at most one more than `max_rows`."""
        async with self.reading(ask.limits) as connection:
            return await fetch_in(connection, sql, *arguments)

    async def table(self, sql: str, ask: Ask) -> TableBuilder:
        """The answer of a judged query, cut on the server in rows and in the size of a cell."""
        async with self.reading(ask.limits) as connection:
            described = await _describe(connection, sql)
            builder = TableBuilder([Column(name=d[0], type=d[3]) for d in described], ask.limits)
            cursor = connection.cursor(SSCursor)
            await cursor.execute(_bounded(sql, described) or sql)
            received = 0
            while records := await cursor.fetchmany(_PREFETCH):
                received += len(records)
                kept = [builder.add(record) for record in records]
                if not kept[-1] and received <= ask.limits.max_rows:
                    raise _CutError(builder)
            await cursor.close()
            return builder

    async def answer(self, sql: str, ask: Ask) -> TableBuilder:
        """As `table`; where more is to come than may be kept, the statement is ended on the server."""
        try:
            return await self.table(sql, ask)
        except _CutError as cut:
            return cut.builder


class _CutError(Exception):
    """A cap was reached while rows were still coming; the connection is given up."""

    def __init__(self, builder: TableBuilder) -> None:
        super().__init__("cap reached")
        self.builder = builder


async def fetch_in(connection: Any, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of one of our own queries within a transaction."""
    async with connection.cursor(DictCursor) as cursor:
        await cursor.execute(sql, arguments or None)
        found = await cursor.fetchall()
    return [{key.lower(): value for key, value in record.items()} for record in found]


async def fetch_permitted(connection: Any, sql: str, *arguments: Any) -> list[dict[str, Any]] | None:
    """As `fetch_in`; None when this account may not read that, or this server has no such table."""
    try:
        return await fetch_in(connection, sql, *arguments)
    except my.MySQLError as error:
        if number(error) in DENIED | {1109, 1146, 1193}:
            return None
        raise


def version(connection: Any) -> Version:
    """What the server said of itself; MariaDB may prefix its version with 5.5.5-."""
    text = str(connection.get_server_info())
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text.removeprefix("5.5.5-"))
    parts = tuple(int(part) for part in found.groups()) if found else (0, 0, 0)
    mariadb = "mariadb" in text.lower()
    return Version(mariadb, (parts[0], parts[1], parts[2]), f"{'MariaDB' if mariadb else 'MySQL'} {text}")


async def _describe(connection: Any, sql: str) -> list[tuple[str, int, int, str]]:
    """Name, type number, character set and type of every column, learned by preparing without running.

    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html
    """
    await connection._execute_command(COM_STMT_PREPARE, sql.encode())
    head = await connection.read_packet()
    head.read_uint8()
    statement, columns, parameters = head.read_uint32(), head.read_uint16(), head.read_uint16()
    if parameters:
        raise my.ProgrammingError(1210, "a placeholder has no value here")
    found = []
    for _ in range(columns):
        field = await connection.read_packet(FieldDescriptorPacket)
        found.append((str(field.name), int(field.type_code), int(field.charsetnr), _type_name(field)))
    if columns and not connection._deprecate_eof:
        await connection.read_packet()
    await driver.PreparedStatement(connection, statement, 0).close()
    return found


def _type_name(field: Any) -> str:
    name = _TYPES.get(int(field.type_code), "unknown")
    binary = int(field.charsetnr) == _BINARY_CHARSET
    return {"text": "blob", "varchar": "varbinary", "char": "binary"}.get(name, name) if binary else name


def _bounded(sql: str, described: Sequence[tuple[str, int, int, str]]) -> str | None:
    """The query inside one that cuts huge cells before they travel; None when nothing can be huge."""
    if not sql.lstrip().lower().startswith(_WRAPPED) or not any(code in _HUGE for _, code, _, _ in described):
        return None
    names = [f"c{index}" for index in range(len(described))]
    cells = [
        f"LEFT({name}, {MAX_CELL_CHARS + 1})" if code in _HUGE else name
        for name, (_, code, _, _) in zip(names, described, strict=True)
    ]
    return f"WITH judged({', '.join(names)}) AS ({sql}) SELECT {', '.join(cells)} FROM judged"  # noqa: S608  # judged
