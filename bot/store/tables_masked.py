"""What was masked and may be read back. Columns only."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from bot.store.columns import Row, UtcDateTime


class MaskedValueRow(Row, table=True):
    """One value behind a placeholder; `sealed` opens only with the key of `bot.services.vault`.

    Placeholders are short, so two values may share one; `fingerprint` (a keyed hash) tells them apart.
    """

    __tablename__ = "masked_values"

    workspace: str = Field(primary_key=True)
    placeholder: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    sealed: bytes
    kept_at: datetime = Field(sa_type=UtcDateTime)
