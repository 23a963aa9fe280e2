"""Full-text search over past investigations: FTS5 on SQLite, tsvector on PostgreSQL, one face."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, bindparam, or_, select, text

from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.store.rows import as_json, as_text, investigation_from, table
from bot.store.statements import replace_rows

T = TypeVar("T")
_MOST_WORDS = 40
_WORD = re.compile(r"[^\W_]{2,40}", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Document:
    """One investigation as it is searched. `signature` maps a feature (a finding at a component) to its weight."""

    id: str
    seq: int
    title: str
    body: str
    signature: dict[str, float]
    updated_at: datetime


class Ask(Protocol):
    """How the store runs a piece of work on its database."""

    async def __call__(self, work: Callable[[Connection], T]) -> T: ...


class Search:
    """Search over the finished investigations of one workspace."""

    def __init__(self, *, ask: Ask, write: Ask, workspace: str) -> None:
        self._ask, self._write, self._workspace = ask, write, workspace

    async def unindexed(self, *, limit: int = 200) -> list[Investigation]:
        return await self._ask(lambda c: unindexed(c, self._workspace, limit=limit))

    async def keep(self, documents: Sequence[Document]) -> None:
        await self._write(lambda c: keep(c, self._workspace, documents))

    async def by_words(self, words: str, *, limit: int = 30) -> list[str]:
        return await self._ask(lambda c: by_words(c, self._workspace, words, limit=limit))

    async def signatures(self, *, limit: int = 5_000) -> dict[str, dict[str, float]]:
        return await self._ask(lambda c: signatures(c, self._workspace, limit=limit))

    async def titles(self, ids: Sequence[str]) -> dict[str, str]:
        return await self._ask(lambda c: titles(c, self._workspace, ids)) if ids else {}


def unindexed(connection: Connection, workspace: str, *, limit: int) -> list[Investigation]:
    """Finished investigations that were never indexed, or went on since (somebody judged them), newest first."""
    investigations, documents = table("investigations"), table("search_documents")
    joined = investigations.outerjoin(
        documents, (documents.c.workspace == investigations.c.workspace) & (documents.c.id == investigations.c.id)
    )
    wanted = (
        select(investigations.c.document)
        .select_from(joined)
        .where(
            investigations.c.workspace == workspace,
            investigations.c.status == InvestigationState.COMPLETED.value,
            or_(documents.c.seq.is_(None), documents.c.seq < investigations.c.seq),
        )
        .order_by(investigations.c.created_at.desc())
        .limit(limit)
    )
    return [investigation_from(document) for document in connection.execute(wanted).scalars()]


def keep(connection: Connection, workspace: str, documents: Sequence[Document]) -> None:
    """Index these, in place of what was indexed under their ids."""
    if not documents:
        return
    documents = sorted(documents, key=lambda one: one.id)  # one order, so that two workers do not wait for each other
    ids = [one.id for one in documents]
    rows = [
        {
            "workspace": workspace, "id": one.id, "seq": one.seq, "title": as_text(one.title),
            "body": as_text(one.body), "signature": as_json(one.signature), "updated_at": one.updated_at,
        }
        for one in documents
    ]  # fmt: skip
    replace_rows(connection, "search_documents", rows)
    if connection.dialect.name == "sqlite":
        gone = text("DELETE FROM search_words WHERE workspace = :w AND id IN :ids")
        connection.execute(gone.bindparams(bindparam("ids", expanding=True)), {"w": workspace, "ids": ids})
        made = text("INSERT INTO search_words (workspace, id, title, body) VALUES (:workspace, :id, :title, :body)")
        connection.execute(made, rows)


def by_words(connection: Connection, workspace: str, words: str, *, limit: int) -> list[str]:
    """Ids of documents that hold any of the words, best first; a word of the title counts more."""
    found = list(dict.fromkeys(_WORD.findall(as_text(words).lower())))[:_MOST_WORDS]
    if not found:
        return []
    given: dict[str, Any] = {"w": workspace, "most": limit}
    if connection.dialect.name == "sqlite":
        given["q"] = " OR ".join(f'"{word}"' for word in found)
        query = text(
            "SELECT id FROM search_words WHERE search_words MATCH :q AND workspace = :w "
            "ORDER BY bm25(search_words, 0, 0, 3.0, 1.0) LIMIT :most"
        )
    else:
        given["q"] = " OR ".join(found)
        query = text(
            "SELECT id FROM search_documents, websearch_to_tsquery('english', :q) AS wanted "
            "WHERE workspace = :w AND to_tsvector('english', title || ' ' || body) @@ wanted "
            "ORDER BY ts_rank_cd(setweight(to_tsvector('english', title), 'A') || to_tsvector('english', body), "
            "wanted, 1) DESC, id LIMIT :most"
        )
    return [str(row.id) for row in connection.execute(query, given)]


def signatures(connection: Connection, workspace: str, *, limit: int) -> dict[str, dict[str, float]]:
    """The signatures of the newest documents, by id."""
    target = table("search_documents")
    newest = select(target.c.id, target.c.signature).where(target.c.workspace == workspace)
    rows = connection.execute(newest.order_by(target.c.updated_at.desc()).limit(limit))
    return {row.id: json.loads(row.signature) for row in rows}


def titles(connection: Connection, workspace: str, ids: Sequence[str]) -> dict[str, str]:
    """What is shown of these documents."""
    target = table("search_documents")
    wanted = select(target.c.id, target.c.title).where(target.c.workspace == workspace, target.c.id.in_(ids))
    return {row.id: row.title for row in connection.execute(wanted)}
