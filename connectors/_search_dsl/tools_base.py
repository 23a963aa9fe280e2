"""What the tool modules share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pydantic import JsonValue

from connectors._search_dsl.answers import hits_of, mapping
from connectors._search_dsl.config import SearchConfig
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.queries import every, in_span, of_services
from connectors._search_dsl.session import DslSession
from connectors._search_dsl.shared_traces import MOST_TRACES, Times, shared_body, times_of
from connectors.base import Ask
from connectors.errors import NotFound
from connectors.model import JsonObject, TimeWindow


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

    async def failures_by_trace(self, session: DslSession, fields: Fields, window: TimeWindow) -> list[Times]:
        """Of each trace with errors: when each service first failed. ES|QL may take its place."""
        answer = await session.search(self.logs_index, shared_body(fields, window))
        others = mapping(answer, "aggregations", "traces").get("sum_other_doc_count")
        if isinstance(others, int) and others > 0:
            session.notes.append(f"only the {MOST_TRACES:,} traces with most errors were compared")
        return times_of(answer)

    async def deployment_documents(
        self, session: DslSession, fields: Fields, span: TimeWindow, *, services: list[str], most: int
    ) -> list[JsonObject]:
        """Documents of the deployments index, newest first. ES|QL may take its place."""
        filters: list[JsonValue] = [in_span(fields, span), *of_services(fields, services)]
        body: JsonObject = {
            "size": most,
            "query": every(filters),
            "sort": [{fields.time or "@timestamp": {"order": "desc", "unmapped_type": "date"}}],
            "track_total_hits": True,
        }
        answer = await session.search(self.settings.indices.deployments, body)
        return [mapping(hit, "_source") for hit in hits_of(answer)]
