"""Questions that people asked and the queries that answered them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Connection, insert, select

from bot.store.rows import as_text, table

T = TypeVar("T")
_LONGEST = 8_000


@dataclass(frozen=True, slots=True)
class PastQuery:
    """One asked question. `error` holds the sentence when there was no answer."""

    id: str
    user_id: str
    question: str
    source: str | None
    generated_query: str | None
    duration_ms: float | None
    success: bool
    error: str | None
    cached: bool
    created_at: datetime


class Ask(Protocol):
    """How the store runs a piece of work on its database."""

    async def __call__(self, work: Callable[[Connection], T]) -> T: ...


class QueryHistory:
    """The history of one workspace."""

    def __init__(self, *, ask: Ask, write: Ask, workspace: str) -> None:
        self._ask, self._write, self._workspace = ask, write, workspace

    async def keep(self, query: PastQuery) -> None:
        """Add one; the same id again changes nothing."""
        await self._write(lambda c: keep(c, self._workspace, query))

    async def recent(self, *, user_id: str | None = None, limit: int = 50) -> list[PastQuery]:
        """The newest first; of one person when named."""
        return await self._ask(lambda c: recent(c, self._workspace, user_id=user_id, limit=limit))


def keep(connection: Connection, workspace: str, query: PastQuery) -> None:
    """Insert unless the id is there."""
    target = table("query_history")
    if connection.execute(select(target.c.id).where(target.c.id == query.id)).first() is not None:
        return
    row = {
        "id": query.id,
        "workspace": workspace,
        "user_id": as_text(query.user_id),
        "question": as_text(query.question[:_LONGEST]),
        "source": query.source,
        "generated_query": as_text(query.generated_query[:_LONGEST]) if query.generated_query else None,
        "duration_ms": query.duration_ms,
        "success": query.success,
        "error": as_text(query.error[:_LONGEST]) if query.error else None,
        "cached": query.cached,
        "created_at": query.created_at,
    }
    connection.execute(insert(target), row)


def recent(connection: Connection, workspace: str, *, user_id: str | None, limit: int) -> list[PastQuery]:
    """Rows, newest first."""
    target = table("query_history")
    wanted = select(target).where(target.c.workspace == workspace)
    if user_id is not None:
        wanted = wanted.where(target.c.user_id == user_id)
    rows = connection.execute(wanted.order_by(target.c.created_at.desc()).limit(limit)).mappings()
    return [PastQuery(**{k: v for k, v in row.items() if k != "workspace"}) for row in rows]
