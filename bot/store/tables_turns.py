"""What processes count together. Columns only."""

from __future__ import annotations

from sqlmodel import Field

from bot.store.columns import Row


class TurnsRow(Row, table=True):
    """The calls that count towards one limit: `taken` is a JSON list of seconds since 1970, ascending.

    `closed_until`: no call before then (seconds since 1970).
    """

    __tablename__ = "turns"

    workspace: str = Field(primary_key=True)
    bucket: str = Field(primary_key=True)
    taken: str = "[]"
    closed_until: float = 0.0
