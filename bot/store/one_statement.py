"""An append to PostgreSQL in one statement: one round trip, no transaction to open and close.

The statement either does everything or fails: its last part divides by the number of places that were as expected.
When it fails the ordinary path runs and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, Integer, Table
from sqlalchemy.types import TypeEngine

from bot.store.columns import UtcDateTime
from bot.store.rows import Row, table
from bot.store.writing import Writing, current_row, deletes_rows, delivery_row, head_row, outbox_row, part_rows


def statement_for(writing: Writing) -> tuple[str, list[Any]] | None:
    """The text with `$n` and its values; None for the rare append that has to delete rows."""
    if deletes_rows(writing):
        return None
    made = _Builder()
    if writing.delivery_id is not None:
        made.insert_one("deliveries", delivery_row(writing, writing.delivery_id), expected=True)
    row = current_row(writing)
    if row is not None and writing.before.seq == 0:
        made.insert_one("investigations", row, expected=True)
    elif row is not None:
        made.update_one("investigations", row, _place_of_row(writing))
    if writing.before.seq == 0:
        made.insert_one("chain_heads", head_row(writing), expected=True)
    else:
        at = {"workspace": writing.workspace, "stream": writing.stream}
        end = {"seq": writing.before.seq, "hash": writing.before.hash}
        made.update_one("chain_heads", {"seq": writing.after.seq, "hash": writing.after.hash}, {**at, **end})
    made.insert_many("investigation_events", writing.event_rows)
    made.insert_many("evidence", writing.evidence_rows)
    for name, rows in part_rows(writing):
        made.insert_many(name, rows, replace=True)
    made.insert_one("outbox", outbox_row(writing), on_conflict=_mark())
    return made.finished()


def _place_of_row(writing: Writing) -> Row:
    assert writing.after.investigation is not None
    place: Row = {"id": writing.after.investigation.id, "seq": writing.before.seq}
    if writing.fence is not None:
        place |= {"worker": writing.fence.worker, "fence": writing.fence.token}
    return place


class _Builder:
    """Collects parts `WITH p0 AS (…), p1 AS (…)`. Every name is that of one of our own tables and columns, never
    from outside; every value is a parameter."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._expected: list[str] = []
        self._values: list[Any] = []

    def _add(self, sql: str, *, expected: bool) -> None:
        name = f"p{len(self._parts)}"
        self._parts.append(f"{name} AS ({sql}{' RETURNING 1' if expected else ''})")
        if expected:
            self._expected.append(f"(SELECT count(*) FROM {name})")  # noqa: S608 - see the class: our own names

    def _bind(self, value: Any, kind: str) -> str:
        self._values.append(value)
        return f"${len(self._values)}::{kind}"

    def insert_one(self, name: str, row: Row, *, expected: bool = False, on_conflict: str = "DO NOTHING") -> None:
        kinds = _kinds(name)
        values = ", ".join(self._bind(value, kinds[column]) for column, value in row.items())
        conflict = "ON CONFLICT " + on_conflict
        self._add(f"INSERT INTO {name} ({_names(row)}) VALUES ({values}) {conflict}", expected=expected)  # noqa: S608 - see the class: our own names

    def update_one(self, name: str, row: Row, place: Row) -> None:
        kinds = _kinds(name)
        sets = ", ".join(f'"{column}" = {self._bind(value, kinds[column])}' for column, value in row.items())
        at = " AND ".join(f'"{column}" = {self._bind(value, kinds[column])}' for column, value in place.items())
        self._add(f"UPDATE {name} SET {sets} WHERE {at}", expected=True)  # noqa: S608 - see the class: our own names

    def insert_many(self, name: str, rows: Sequence[Row], *, replace: bool = False) -> None:
        if not rows:
            return
        kinds = _kinds(name)
        arrays = ", ".join(self._bind([row[column] for row in rows], kinds[column] + "[]") for column in rows[0])
        conflict = _replace(name) if replace else ""
        head = f"INSERT INTO {name} ({_names(rows[0])})"
        self._add(f"{head} SELECT * FROM unnest({arrays}) {conflict}", expected=False)  # noqa: S608 - see the class: our own names

    def finished(self) -> tuple[str, list[Any]]:
        return f"WITH {', '.join(self._parts)} SELECT 1 / ({' * '.join(self._expected)})", self._values


def _names(row: Row) -> str:
    return ", ".join(f'"{column}"' for column in row)


@cache
def _kinds(name: str) -> dict[str, str]:
    return {column.name: _kind(column.type) for column in table(name).columns}


def _kind(column: TypeEngine[Any]) -> str:
    kinds: tuple[tuple[type[Any], str], ...] = (
        (UtcDateTime, "timestamptz"),
        (BigInteger, "int8"),
        (Integer, "int4"),
        (Float, "float8"),
        (Boolean, "bool"),
    )
    return next((name for kind, name in kinds if isinstance(column, kind)), "text")


@cache
def _replace(name: str) -> str:
    target: Table = table(name)
    keys = ", ".join(f'"{column.name}"' for column in target.primary_key.columns)
    rest = [column.name for column in target.columns if not column.primary_key]
    return f"ON CONFLICT ({keys}) DO UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in rest)


@cache
def _mark() -> str:
    changed = "latest_seq = excluded.latest_seq, changed_at = excluded.changed_at"
    return f"(workspace, stream) DO UPDATE SET {changed}"
