"""What the two databases have in common, and how their troubles are told."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import BotError, StoreBusy

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]

_FULL = ("disk is full", "disk full", "no space left", "53100")
_LOCKED = ("locked", "lock timeout", "deadlock", "could not serialize")


class StoreUnreachable(StoreBusy):
    """The database did not answer, or the link broke; what was under way may or may not have been written."""


class Backend(Protocol):
    """One database. All statements are written once, against a plain connection; a backend says where they run."""

    holder: int
    """The liveness lock of this process; a claim carries it, so that others see when its process is gone."""

    async def read(self, work: Work[T]) -> T:
        """Run a question. StoreBusy or StoreUnreachable."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Run it in a transaction of its own: all of it is committed, or nothing and the error comes back."""
        ...

    def hint(self, stream: str) -> None:
        """Tell other processes that something changed; may be lost."""
        ...

    async def close(self) -> None: ...


def new_holder() -> int:
    """A number for this incarnation of the process, never reused by the next one; fits a lock's second half."""
    return secrets.randbelow(2**31 - 2) + 1


def told(error: Exception) -> BotError:
    """The error as one plain sentence without addresses or statements."""
    if isinstance(error, BotError):
        return error
    said = str(getattr(error, "orig", None) or error).lower() + _state(error)
    if any(word in said for word in _FULL):
        return StoreBusy("The disk of the database is full. Nothing was saved; free some space and try again.")
    if any(word in said for word in _LOCKED):
        return StoreBusy("The database is busy with another write. Try again in a moment.")
    if isinstance(error, PoolTimeout):
        return StoreBusy("Every connection to the database is in use. Try again in a moment.")
    return StoreUnreachable("The database does not answer. Try again in a moment.")


def is_trouble(error: BaseException) -> bool:
    """True for what a database or the way to it can do to us; anything else is a mistake of our own."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_operational(error)
    return isinstance(error, PoolTimeout | OSError) or (
        isinstance(error, SQLAlchemyError) and "connection" in str(error).lower()
    )


def _is_operational(error: DBAPIError) -> bool:
    """SQLSTATE classes: 08 connection, 40 rollback, 53 resources, 55 state, 57 operator, 58 system, 25 timeout."""
    state = _state(error)
    if state:
        return state[:2] in {"08", "25", "40", "53", "55", "57", "58"}
    names = {type(error).__name__, type(error.orig).__name__}
    return bool(names & {"OperationalError", "InterfaceError"})


def _state(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
