"""What the tool modules share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from connectors.base import Ask
from connectors.elasticsearch.config import ElasticsearchConfig
from connectors.elasticsearch.fields import Fields
from connectors.elasticsearch.session import Session
from connectors.errors import NotFound


class Tools(ABC):
    """Base of the tool modules; the connector gives sessions and fields."""

    config: ElasticsearchConfig
    name: str
    environment: str

    @abstractmethod
    async def session(self, ask: Ask) -> Session:
        """The requests of one call."""

    @abstractmethod
    async def fields_of(self, index: str, session: Session) -> Fields:
        """Which fields of an index hold what."""

    @abstractmethod
    async def has_esql(self, session: Session) -> bool:
        """Whether the server speaks ES|QL."""

    @property
    def logs_index(self) -> str:
        """The logs, or where only error lines are kept, those."""
        return self.config.indices.logs or self.config.indices.errors or "logs-*"

    async def log_fields(self, session: Session) -> Fields | None:
        """Fields of the logs; None, with a note, when no index matches."""
        fields = await self.fields_of(self.logs_index, session)
        if not fields.types:
            session.notes.append(f"no index with known fields matches {self.logs_index}")
            return None
        if fields.time is None:
            raise NotFound(f"{self.name}: no time field was found in {self.logs_index}. Set fields.time.")
        return fields
