"""What the tool modules share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from connectors._search_dsl.config import SearchConfig
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.session import DslSession
from connectors.base import Ask
from connectors.errors import NotFound


class Tools(ABC):
    """Base of the tool modules; the connector gives sessions and fields."""

    name: str
    environment: str

    @property
    @abstractmethod
    def settings(self) -> SearchConfig:
        """Indices, names of fields, links."""

    @abstractmethod
    async def session(self, ask: Ask) -> DslSession:
        """The requests of one call."""

    @abstractmethod
    async def fields_of(self, index: str, session: DslSession) -> Fields:
        """Which fields of an index hold what."""

    @property
    def logs_index(self) -> str:
        """The logs, or where only error lines are kept, those."""
        return self.settings.indices.logs or self.settings.indices.errors or "logs-*"

    async def log_fields(self, session: DslSession) -> Fields | None:
        """Fields of the logs; None, with a note, when no index matches."""
        fields = await self.fields_of(self.logs_index, session)
        if not fields.types:
            session.notes.append(f"no index with known fields matches {self.logs_index}")
            return None
        if fields.time is None:
            raise NotFound(f"{self.name}: no time field was found in {self.logs_index}. Set fields.time.")
        return fields
