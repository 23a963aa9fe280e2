"""What sweeps have learned. Columns only."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from bot.store.columns import Row, UtcDateTime


class SweepStateRow(Row, table=True):
    """One part of the state of a sweep's detectors: packed arrays, see `bot.services.sweep_keeping`."""

    __tablename__ = "sweep_states"

    workspace: str = Field(primary_key=True)
    sweep: str = Field(primary_key=True)
    part: int = Field(primary_key=True)
    kept_at: datetime = Field(sa_type=UtcDateTime)
    document: bytes
