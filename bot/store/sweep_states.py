"""What sweeps have learned, kept over restarts: opaque parts, replaced together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Connection, delete, insert, select

from bot.store.rows import as_text, table

T = TypeVar("T")


class Runs(Protocol):
    """How the store runs a piece of work on its database."""

    async def __call__(self, work: Callable[[Connection], T]) -> T: ...


class SweepStates:
    """The kept states of one workspace."""

    def __init__(self, *, ask: Runs, write: Runs, workspace: str) -> None:
        self._ask, self._write, self._workspace = ask, write, workspace

    async def keep(self, sweep: str, parts: Sequence[bytes], at: datetime) -> None:
        """Replace what was kept for this sweep."""
        await self._write(lambda c: keep(c, (self._workspace, as_text(sweep)), parts, at))

    async def kept(self, sweep: str) -> list[bytes]:
        """All parts in order; empty when nothing was kept."""
        return await self._ask(lambda c: kept(c, (self._workspace, as_text(sweep))))


def keep(connection: Connection, place: tuple[str, str], parts: Sequence[bytes], at: datetime) -> None:
    target = table("sweep_states")
    connection.execute(delete(target).where(target.c.workspace == place[0], target.c.sweep == place[1]))
    rows = [
        {"workspace": place[0], "sweep": place[1], "part": number, "kept_at": at, "document": data}
        for number, data in enumerate(parts)
    ]
    if rows:
        connection.execute(insert(target), rows)


def kept(connection: Connection, place: tuple[str, str]) -> list[bytes]:
    target = table("sweep_states")
    query = select(target.c.document).where(target.c.workspace == place[0], target.c.sweep == place[1])
    return [bytes(row.document) for row in connection.execute(query.order_by(target.c.part))]
