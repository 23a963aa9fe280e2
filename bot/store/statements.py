"""Statements built once and used for ever: SQLAlchemy then only looks up what it compiled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Insert, Table, Update, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.store.rows import Row, table


@cache
def insert_new(dialect: str, name: str) -> Insert:
    """INSERT that leaves a row alone that is already there."""
    made: Insert = _insert(dialect, table(name)).on_conflict_do_nothing()
    return made


@cache
def insert_or_replace(dialect: str, name: str) -> Insert:
    """INSERT that overwrites the row of the same key."""
    return insert_or_renew(dialect, name)


@cache
def insert_or_renew(dialect: str, name: str, *kept: str) -> Insert:
    """INSERT that overwrites the row of the same key, but for the columns to be `kept`."""
    target = table(name)
    statement = _insert(dialect, target)
    keys = list(target.primary_key.columns)
    left = {*(column.name for column in keys), *kept}
    changed = {column.name: statement.excluded[column.name] for column in target.columns if column.name not in left}
    made: Insert = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return made


def _insert(dialect: str, target: Table) -> Any:
    return sqlite.insert(target) if dialect == "sqlite" else postgresql.insert(target)


@cache
def mark_outbox(dialect: str) -> Insert:
    """The stream has got to a further event; how far it was shown stays."""
    target = table("outbox")
    statement = _insert(dialect, target)
    changed = {"latest_seq": statement.excluded.latest_seq, "changed_at": statement.excluded.changed_at}
    made: Insert = statement.on_conflict_do_update(index_elements=list(target.primary_key.columns), set_=changed)
    return made


@cache
def move_investigation(fenced: bool) -> Update:
    """UPDATE of the current row, only from the expected sequence and, when fenced, only by its holder."""
    target = table("investigations")
    statement = update(target).where(target.c.id == bindparam("at_id"), target.c.seq == bindparam("at_seq"))
    if fenced:
        statement = statement.where(target.c.worker == bindparam("at_worker"), target.c.fence == bindparam("at_fence"))
    return statement


@cache
def move_head() -> Update:
    """UPDATE of a stream's end, only from the expected one."""
    target = table("chain_heads")
    return update(target).where(
        target.c.workspace == bindparam("at_workspace"),
        target.c.stream == bindparam("at_stream"),
        target.c.seq == bindparam("at_seq"),
        target.c.hash == bindparam("at_hash"),
    )


def replace_rows(connection: Connection, name: str, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(insert_or_replace(connection.dialect.name, name), list(rows))


def changed_one(result: CursorResult[Any]) -> bool:
    return result.rowcount == 1
