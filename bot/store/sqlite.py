"""SQLite: one process, one writer thread, appends that wait together share one commit."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import StoreBusy
from bot.store.backend import DRIVER_ERRORS, Work, append_work, is_trouble, new_holder, told
from bot.store.urls import sqlite_path
from bot.store.writing import Writing

T = TypeVar("T")
Result: TypeAlias = "Any | BaseException"

_MAX_GROUP = 64
_READERS = 2
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-16000",
    "PRAGMA temp_store=MEMORY",
)


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    done: asyncio.Future[Any]


class FileLock:
    """Held as long as the process lives; the kernel lets go when it dies."""

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}.lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        """StoreBusy when another process, or another store of this one, has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = self._owner(file)
            file.close()
            raise StoreBusy(
                f"The database file is in use by another Inquest process{owner}. Stop it first, or use PostgreSQL: "
                "an SQLite file belongs to one process."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def _owner(self, file: IO[str]) -> str:
        file.seek(0)
        pid = file.read(20).strip()
        return f" (process {pid})" if pid.isdigit() else ""

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def sqlite_engine(url: URL) -> Engine:
    """An engine that leaves transactions to us."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    return engine


class SqliteBackend:
    """The whole transaction of a group of appends runs in one go in the writer thread."""

    poll_s = 1.0
    alone = True

    def __init__(self, url: URL) -> None:
        self.holder = new_holder()
        self._lock = FileLock(sqlite_path(url))
        self._engine = sqlite_engine(url)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="inquest-store-writer")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="inquest-store-reader")
        self._waiting: deque[_Job] = deque()
        self._running: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._closed = False

    async def start(self) -> None:
        """StoreBusy when the file belongs to another process."""
        try:
            self._lock.take()
        except OSError as error:
            raise StoreBusy(f"The folder of the database cannot be used: {error.strerror}.") from error

    async def read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Work[T]) -> T:
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                try:
                    return work(connection)
                finally:
                    connection.exec_driver_sql("ROLLBACK")
        except DRIVER_ERRORS as error:
            if is_trouble(error):
                raise told(error) from error
            raise

    async def write(self, work: Work[T]) -> T:
        if self._closed:
            raise StoreBusy("The store is closed.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(work, done))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._write_all(), name="inquest-store-writer")
        return await done

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_GROUP))]
            results = await loop.run_in_executor(self._writer, self._transact, [job.work for job in group])
            for job, result in zip(group, results, strict=True):
                _deliver(job.done, result)

    def _transact(self, works: Sequence[Work[Any]]) -> list[Result]:
        try:
            connection = self._connection = self._connection or self._engine.connect()
            results = self._all_well(connection, works)
            return self._each(connection, works) if results is None else results
        except DRIVER_ERRORS as error:
            self._give_up()
            return [told(error) if is_trouble(error) else error] * len(works)

    def _all_well(self, connection: Connection, works: Sequence[Work[Any]]) -> list[Result] | None:
        """The common case, without a savepoint around each: every statement hands the interpreter over and back, which
        costs more than SQLite does. None when one of them failed: then nothing happened."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            results = [work(connection) for work in works]
        except Exception as error:
            if is_trouble(error):
                raise
            connection.exec_driver_sql("ROLLBACK")
            return None
        connection.exec_driver_sql("COMMIT")
        return results

    def _each(self, connection: Connection, works: Sequence[Work[Any]]) -> list[Result]:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        results = [self._one(connection, work) for work in works]
        connection.exec_driver_sql("COMMIT")
        return results

    def _one(self, connection: Connection, work: Work[Any]) -> Result:
        """A failing append is undone alone; only a broken database fails the whole group."""
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            result = work(connection)
        except Exception as error:
            if is_trouble(error):
                raise
            connection.exec_driver_sql("ROLLBACK TO one")
            result = error
        connection.exec_driver_sql("RELEASE one")
        return result

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.exec_driver_sql("ROLLBACK")
            except SQLAlchemyError:
                connection.invalidate()
            connection.close()

    async def append(self, writing: Writing, *, again: bool) -> None:
        await self.write(append_work(writing, again=again))

    def hint(self, stream: str) -> None:
        """Nobody else to tell."""

    def watch_others(self) -> None:
        """Nobody else to watch."""

    async def close(self) -> None:
        self._closed = True
        if self._running is not None:
            await self._running
        await asyncio.get_running_loop().run_in_executor(self._writer, self._shut)
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()
        self._lock.release()

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _deliver(done: asyncio.Future[Any], result: Result) -> None:
    if done.done():
        return
    if isinstance(result, BaseException):
        done.set_exception(result)
    else:
        done.set_result(result)
