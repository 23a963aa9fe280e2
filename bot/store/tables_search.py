"""What past investigations said, kept for finding related ones."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from bot.store.columns import Row, UtcDateTime


class SearchDocumentRow(Row, table=True):
    """One finished investigation as text. `seq` is how far it was when this was made; `signature` is JSON."""

    __tablename__ = "search_documents"

    workspace: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    seq: int
    title: str
    body: str
    signature: str = "{}"
    updated_at: datetime = Field(sa_type=UtcDateTime)
