"""DuckDB over the files of one folder: it may read those and nothing else, and runs one SELECT at a time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import duckdb

from connectors.errors import Rejected
from connectors.files.config import FilesConfig
from connectors.files.folder import File
from connectors.model import Column, Limits
from connectors.sql import TableBuilder

_PREFETCH = 200
T = TypeVar("T")
DRIVER_ERRORS: tuple[type[Exception], ...] = (duckdb.Error,)


class Table(NamedTuple):
    file: File
    columns: tuple[tuple[str, str], ...]
    problem: str | None = None


class Engine:
    """Queries run in threads of their own; a cancelled one is interrupted in the engine."""

    def __init__(self, config: FilesConfig) -> None:
        self._config = config
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, files: Sequence[File], work: Callable[[Any], T]) -> T:
        """`work` on a fresh connection that sees the files as views."""
        self._threads = self._threads or ThreadPoolExecutor(max_workers=4, thread_name_prefix="files")
        connection: Any = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, functools.partial(self._prepared, connection, files, work))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await _interrupt(connection, future)
            raise
        finally:
            if future.done():
                connection.close()

    def _prepared(self, connection: Any, files: Sequence[File], work: Callable[[Any], T]) -> T:
        paths = ", ".join(_text(str(file.path)) for file in files)
        connection.execute(f"SET allowed_paths = [{paths}]")
        for setting in (
            "enable_external_access = false",
            f"memory_limit = '{self._config.memory_bytes // 1_000_000}MB'",
            f"threads = {self._config.threads}",
            "TimeZone = 'UTC'",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        return work(connection)


async def _interrupt(connection: Any, future: asyncio.Future[Any]) -> None:
    """The engine looks for this between chunks; a query that only now begins is met by the next one."""
    for _ in range(40):
        connection.interrupt()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(asyncio.shield(future), 0.025)
        if future.done():
            return


def views(connection: Any, files: Sequence[File]) -> Iterator[Table]:
    """Make a view of each file; one that cannot be read keeps its reason."""
    for file in files:
        try:
            source = f"{file.reader}({_text(str(file.path))}{file.options})"
            connection.execute(f"CREATE VIEW {_name(file.table or '')} AS FROM {source}")
            columns = connection.execute(f"DESCRIBE {_name(file.table or '')}").fetchall()
            yield Table(file, tuple((str(row[0]), str(row[1])) for row in columns))
        except duckdb.Error as error:
            yield Table(file, (), type(error).__name__)


def select(connection: Any, sql: str, limits: Limits) -> TableBuilder:
    """The answer of one SELECT under the caps. The engine's own parser says what it is."""
    statements = connection.extract_statements(sql)
    reading = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(statements) != 1 or statements[0].type not in reading:
        raise Rejected("Only one reading statement is run here.")
    found = connection.execute(statements[0])
    builder = TableBuilder([Column(name=str(d[0]), type=str(d[1])) for d in found.description], limits)
    while rows := found.fetchmany(_PREFETCH):
        if not all(builder.add(row) for row in rows):
            break
    return builder


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
