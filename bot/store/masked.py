"""Sealed values behind placeholders. The store cannot open them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime
from sqlalchemy import Connection, delete, select

from bot.store.rows import as_text, table
from bot.store.statements import insert_new
from bot.store.sweep_states import Runs
from connectors.model import Frozen


class SealedValue(Frozen):
    """One value behind a placeholder, as only the key opens it."""

    placeholder: str
    fingerprint: str
    sealed: bytes
    kept_at: AwareDatetime


class MaskedValues:
    """The sealed values of one workspace."""

    def __init__(self, *, ask: Runs, write: Runs, workspace: str) -> None:
        self._ask, self._write, self._workspace = ask, write, workspace

    async def keep(self, values: Sequence[SealedValue]) -> None:
        """Those that are there already stay as they are."""
        await self._write(lambda c: _keep(c, self._workspace, values))

    async def behind(self, placeholder: str) -> list[SealedValue]:
        """Every value that this placeholder stood for, oldest first."""
        return await self._ask(lambda c: _behind(c, self._workspace, as_text(placeholder)))

    async def forget(self, before: datetime) -> int:
        """Delete what was kept before then; how many."""
        return await self._write(lambda c: _forget(c, self._workspace, before))


def _keep(connection: Connection, workspace: str, values: Sequence[SealedValue]) -> None:
    rows = [{"workspace": workspace, **value.model_dump()} for value in values]
    if rows:
        connection.execute(insert_new(connection.dialect.name, "masked_values"), rows)


def _behind(connection: Connection, workspace: str, placeholder: str) -> list[SealedValue]:
    target = table("masked_values")
    place = (target.c.workspace == workspace, target.c.placeholder == placeholder)
    found = connection.execute(select(target).where(*place).order_by(target.c.kept_at))
    return [
        SealedValue(
            placeholder=row.placeholder, fingerprint=row.fingerprint, sealed=bytes(row.sealed), kept_at=row.kept_at
        )
        for row in found
    ]


def _forget(connection: Connection, workspace: str, before: datetime) -> int:
    target = table("masked_values")
    gone = connection.execute(delete(target).where(target.c.workspace == workspace, target.c.kept_at < before))
    return int(gone.rowcount)
