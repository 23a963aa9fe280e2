"""The OpenSearch connector: lifecycle, health and what there is; the tools are shared with Elasticsearch."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import ValidationError

from connectors._json import listed, mapping, need_mapping, text
from connectors._linked import LinkedConnector
from connectors._search_dsl.fields import CANDIDATES, Fields, choose_fields, wanted_fields
from connectors._search_dsl.session import DslSession
from connectors._search_dsl.tools_logs import LogTools
from connectors._search_dsl.tools_search import SearchTools
from connectors.base import Ask
from connectors.errors import ConnectorError, Malformed, Misconfigured, NotFound, Rejected, Unauthorized
from connectors.http import HttpClient
from connectors.model import Health, HealthStatus, JsonObject, Limits, SchemaEntry, SourceSchema
from connectors.opensearch.config import OpenSearchConfig
from connectors.opensearch.session import Session, quoted
from connectors.opensearch.tools_metrics import MetricTools

_KEPT_FOR = timedelta(minutes=10)
_MOST_INDICES = 200
_MOST_SERVICES = 500
_PROBE = Limits(deadline_s=8.0, max_bytes=4_000_000)
_WRITING_ROLES = frozenset({"all_access", "admin", "manage_snapshots", "security_manager"})


class OpenSearchConnector(LogTools, SearchTools, MetricTools, LinkedConnector[OpenSearchConfig, HttpClient]):
    """One cluster, read through searches with bounds."""

    type: ClassVar[str] = "opensearch"
    Config = OpenSearchConfig
    driver_errors = (ValidationError,)  # an answer whose values do not fit our types

    def make_link(self) -> HttpClient:
        return HttpClient(self.config.access(), name=self.name)

    def prepare(self) -> None:
        self._fields: dict[str, tuple[datetime, Fields]] = {}
        self._asking_fields = asyncio.Lock()

    @property
    def settings(self) -> OpenSearchConfig:
        return self.config

    async def session(self, ask: Ask) -> Session:
        return Session(self.link, ask, name=self.name)

    async def fields_of(self, index: str, session: DslSession) -> Fields:
        """Which fields hold what, asked once in ten minutes for each index expression."""
        async with self._asking_fields:
            known, now = self._fields.get(index), self.clock.now()
            if known is not None and now - known[0] < _KEPT_FOR:
                return known[1]
            params = {
                "fields": ",".join(wanted_fields(self.config.fields)),
                "ignore_unavailable": "true",
                "allow_no_indices": "true",
            }
            answer = need_mapping(
                await session.get("GET", f"/{quoted(index)}/_field_caps", params=params), self.name, "fields"
            )
            caps = mapping(answer, "fields")
            fields = choose_fields(caps, self.config.fields)
            if caps:
                self._fields[index] = (now, fields)  # an index that is not there yet is asked for again
            return fields

    async def probe(self) -> Health:
        session = await self.session(Ask(None, _PROBE, self.clock))
        version = mapping(need_mapping(await session.get("GET", "/"), self.name), "version")
        number, kind = text(version, "number"), text(version, "distribution")
        if number is None:
            raise Misconfigured(f"{self.name}: this address does not answer as OpenSearch. Check url.")
        if kind != "opensearch":
            raise Misconfigured(f"{self.name}: this is Elasticsearch {number}. Use the elasticsearch connector.")
        state, roles = await asyncio.gather(
            self._asked(session, "/_cluster/health"), self._asked(session, "/_plugins/_security/authinfo")
        )
        held = roles.get("roles")
        names = {str(role) for role in held} if isinstance(held, list) else set()
        writable = True if names & _WRITING_ROLES else None
        colour = text(state, "status")
        words = f"OpenSearch {number}" + (f", cluster {colour}" if colour else "")
        words += (
            f"; the account has {', '.join(sorted(names & _WRITING_ROLES))}, give it a read-only role"
            if writable
            else ""
        )
        status = HealthStatus.DEGRADED if colour == "red" or writable else HealthStatus.HEALTHY
        return Health(status=status, latency_ms=0.0, detail=f"{words}.", writable=writable, version=number)

    async def _asked(self, session: DslSession, path: str) -> JsonObject:
        """An answer that may be kept from a reading role."""
        try:
            return mapping(await session.get("GET", path))
        except (Unauthorized, NotFound, Rejected, Malformed):
            return {}

    async def describe(self) -> SourceSchema:
        session = await self.session(Ask(None, _PROBE, self.clock))
        entries: list[SchemaEntry] = []
        for kind, index in self.config.indices.model_dump().items():
            if index:
                entries += await self._entries(session, kind, str(index))
        fields = await self.fields_of(self.logs_index, session)
        services: tuple[str, ...] = ()
        if fields.service is not None:
            terms: JsonObject = {"services": {"terms": {"field": fields.service, "size": _MOST_SERVICES}}}
            found = await session.search(self.logs_index, {"size": 0, "aggs": terms})
            buckets = listed(mapping(found, "aggregations", "services").get("buckets"))
            services = tuple(sorted(str(bucket.get("key")) for bucket in buckets))
        return SourceSchema(entries=tuple(entries), services=services, truncated="; ".join(session.notes) or None)

    async def _entries(self, session: DslSession, kind: str, index: str) -> list[SchemaEntry]:
        try:
            found = mapping(await session.get("GET", f"/_resolve/index/{quoted(index)}"))
        except ConnectorError as error:
            return [SchemaEntry(name=index, kind=kind, description=str(error))]
        names = {str(e.get("name")) for key in ("indices", "data_streams", "aliases") for e in listed(found.get(key))}
        if not names:
            return []
        fields = await self.fields_of(index, session)
        used = {name: fields.types.get(name, "") for sort in CANDIDATES if (name := getattr(fields, sort))}
        return [SchemaEntry(name=name, kind=kind, fields=used) for name in sorted(names)[:_MOST_INDICES]]
