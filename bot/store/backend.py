"""What the two databases have in common, and how their troubles are told."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import BotError, StoreBusy
from bot.store.writing import Writing, is_written, write

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]

_FULL, _LOCKED, _READ_ONLY, _DAMAGED = (
    "The disk of the database is full. Nothing was saved; free some space and try again.",
    "The database is busy with another write. Try again in a moment.",
    "The database cannot be written to. Check the rights of its file and folder.",
    "The database file is damaged, or is not one of Inquest. Restore it from a copy.",
)
_UNREADABLE = "The database file cannot be read or written. Check its disk, its path and its rights."
_SQLITE = {
    5: _LOCKED,
    6: _LOCKED,
    8: _READ_ONLY,
    10: _UNREADABLE,
    11: _DAMAGED,
    13: _FULL,
    14: _UNREADABLE,
    26: _DAMAGED,
}
"""Primary result codes, https://www.sqlite.org/rescode.html (read 2026-11-20)."""
_POSTGRES = {"53100": _FULL, "55P03": _LOCKED, "40P01": _LOCKED, "40001": _LOCKED, "25006": _READ_ONLY}
_TROUBLE_CLASSES = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58"})
"""SQLSTATE classes that are not mistakes of ours: connection, transaction, sign-in, no such database, rollback,
resources, state, operator, system."""
_LINK_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
DRIVER_ERRORS = (SQLAlchemyError, asyncpg.PostgresError, *_LINK_ERRORS)


class StoreUnreachable(StoreBusy):
    """Worth another try at once: the link broke (what was under way may have been written), or two were in each
    other's way."""


class Backend(Protocol):
    """One database. All statements are written once, against a plain connection; a backend says where they run."""

    holder: int
    """The liveness lock of this process; a claim carries it, so that others see when its process is gone."""

    poll_s: float
    """How long a wake-up from another process may be missed."""

    alone: bool
    """No other process can write: what this one remembers is the truth."""

    async def start(self) -> None: ...

    async def read(self, work: Work[T]) -> T:
        """Run a question. StoreBusy or StoreUnreachable."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Run it in a transaction of its own: all of it is committed, or nothing and the error comes back."""
        ...

    async def append(self, writing: Writing, *, again: bool) -> None:
        """Write an append in a transaction of its own. `again`: an earlier try may have been committed."""
        ...

    def hint(self, stream: str) -> None:
        """Tell other processes that something changed; may be lost."""
        ...

    def watch_others(self) -> None:
        """Notice soon when another process ends: this one would take over its work. Again and again is harmless."""
        ...

    async def close(self) -> None: ...


def new_holder() -> int:
    """A number for this incarnation of the process, never reused by the next one; fits a lock's second half."""
    return secrets.randbelow(2**31 - 2) + 1


def append_work(writing: Writing, *, again: bool) -> Work[None]:
    """The ordinary way to write an append; twice is harmless, for the hash tells whether it was committed."""

    def work(connection: Connection) -> None:
        if again and is_written(connection, writing):
            return
        try:
            write(connection, writing)
        except BotError as error:
            # The earlier try may have been under way until we waited for its locks: then this refusal is its success.
            if not again or isinstance(error.__cause__, SQLAlchemyError) or not is_written(connection, writing):
                raise

    return work


def told(error: BaseException) -> StoreBusy:
    """The trouble as one plain sentence without addresses or statements."""
    known = _SQLITE.get(_sqlite_code(error)) or _POSTGRES.get(_state(error))
    if known:
        return StoreUnreachable(known) if _state(error)[:2] == "40" else StoreBusy(known)
    if isinstance(error, PoolTimeout):
        return StoreBusy("Every connection to the database is in use. Try again in a moment.")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StoreBusy(_FULL)
    if _state(error)[:2] in ("28", "3D"):
        return StoreBusy("The database refuses the sign-in. Check its address, user and password.")
    return StoreUnreachable("The database does not answer. Try again in a moment.")


def is_trouble(error: BaseException) -> bool:
    """True for what a database or the way to it can do to us; anything else is a mistake of our own."""
    if _sqlite_code(error):
        return _sqlite_code(error) in _SQLITE
    if _state(error):
        return _state(error)[:2] in _TROUBLE_CLASSES
    if isinstance(error, DBAPIError):
        names = {type(error).__name__, type(error.orig).__name__}
        return error.connection_invalidated or bool(names & {"OperationalError", "InterfaceError"})
    return isinstance(error, (PoolTimeout, *_LINK_ERRORS))


def _sqlite_code(error: BaseException) -> int:
    return int(getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) or 0) & 0xFF


def _state(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")
