"""The Elasticsearch connector: lifecycle, health and what there is; the tools are in the modules beside it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, ClassVar

from elasticsearch import AsyncElasticsearch

from connectors._search_dsl.answers import listed, mapping
from connectors._search_dsl.fields import CANDIDATES, Fields, choose_fields, wanted_fields
from connectors._search_dsl.session import DslSession
from connectors._search_dsl.tools_logs import LogTools
from connectors._search_dsl.tools_search import SearchTools
from connectors.base import Answer, Ask, Connector
from connectors.elasticsearch.config import ElasticsearchConfig
from connectors.elasticsearch.session import Session
from connectors.elasticsearch.tools_esql import EsqlTools
from connectors.elasticsearch.transport import DRIVER_ERRORS, make_client, translate
from connectors.errors import ConnectorError, Malformed, Misconfigured
from connectors.model import Clock, Health, HealthStatus, JsonObject, Limits, SchemaEntry, SourceSchema

_FIELDS_KEPT_FOR = timedelta(minutes=10)
_MOST_INDICES = 200
_MOST_SERVICES = 500
_PROBE = Limits(deadline_s=8.0, max_bytes=1_000_000)


class ElasticsearchConnector(EsqlTools, LogTools, SearchTools, Connector[ElasticsearchConfig]):
    """One cluster, read through searches with bounds."""

    type: ClassVar[str] = "elasticsearch"
    Config = ElasticsearchConfig
    driver_errors = DRIVER_ERRORS

    def __init__(self, *, name: str, config: ElasticsearchConfig, environment: str, clock: Clock) -> None:
        super().__init__(name=name, config=config, environment=environment, clock=clock)
        self._client: AsyncElasticsearch | None = None
        self._fields: dict[str, tuple[Any, Fields]] = {}
        self._esql: bool | None = None
        self._asking_fields = asyncio.Lock()

    @property
    def settings(self) -> ElasticsearchConfig:
        return self.config

    async def open(self) -> None:
        if self._client is None:
            self._client = make_client(self.config, name=self.name)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def session(self, ask: Ask) -> Session:
        await self.open()
        assert self._client is not None
        return Session(self._client, ask, name=self.name)

    async def fields_of(self, index: str, session: DslSession) -> Fields:
        """Which fields hold what, asked once in ten minutes for each index expression."""
        async with self._asking_fields:
            known = self._fields.get(index)
            now = self.clock.now()
            if known is not None and now - known[0] < _FIELDS_KEPT_FOR:
                return known[1]
            path = f"/{_quoted(index)}/_field_caps"
            names = ",".join(wanted_fields(self.config.fields))
            params = {"fields": names, "ignore_unavailable": "true", "allow_no_indices": "true"}
            answer = await session.get("GET", path, params=params)
            caps = answer.get("fields") if isinstance(answer, dict) else None
            if not isinstance(caps, dict):
                raise Malformed(f"{self.name} answered something that is not a list of fields.")
            fields = choose_fields(caps, self.config.fields)
            if caps:
                # An index that is not there yet is asked for again next time.
                self._fields[index] = (now, fields)
            return fields

    async def has_esql(self, session: DslSession) -> bool:
        """Whether the server speaks ES|QL (8.11 and later); asked once."""
        if self._esql is None:
            try:
                await session.get("POST", "/_query", body={"query": "ROW ready = 1"})
                self._esql = True
            except DRIVER_ERRORS as error:
                found = self.translate(error)
                if found.kind in ("unavailable", "timed_out", "throttled"):
                    raise found from error
                self._esql = False
        return self._esql

    async def probe(self) -> Health:
        session = await self.session(Ask(None, _PROBE, self.clock))
        about = await session.get("GET", "/")
        version = str(mapping(about, "version").get("number") or "") if isinstance(about, dict) else ""
        if not version:
            raise Misconfigured(f"{self.name}: this address does not answer as Elasticsearch. Check hosts.")
        state, writable = await asyncio.gather(self._cluster_state(session), self._writable(session))
        status = {"red": HealthStatus.DEGRADED}.get(state or "", HealthStatus.HEALTHY)
        words = f"Elasticsearch {version}, cluster {state}" if state else f"Elasticsearch {version}"
        if writable:
            words += "; the account could write, give it a read-only role"
        return Health(status=status, latency_ms=0.0, detail=words + ".", writable=writable, version=version)

    async def _cluster_state(self, session: DslSession) -> str | None:
        try:
            answer = await session.get("GET", "/_cluster/health")
        except DRIVER_ERRORS:
            return None  # a role without `monitor` may still read its indices
        state = answer.get("status") if isinstance(answer, dict) else None
        return state if isinstance(state, str) else None

    async def _writable(self, session: DslSession) -> bool | None:
        """Whether the account could change data; None when security is off or the server will not say."""
        indices = self.config.indices
        names = sorted({n for n in (indices.logs, indices.errors, indices.deployments, indices.metrics) if n})
        wishes: JsonObject = {
            "cluster": ["manage"],
            "index": [{"names": list(names), "privileges": ["write", "delete", "manage"]}],
        }
        try:
            answer = await session.get("POST", "/_security/user/_has_privileges", body=wishes)
        except DRIVER_ERRORS:
            return None
        if not isinstance(answer, dict) or "index" not in answer:
            return None
        granted = [*mapping(answer, "cluster").values()]
        for by_privilege in mapping(answer, "index").values():
            granted += [*mapping(by_privilege).values()]
        return any(value is True for value in granted)

    async def describe(self) -> SourceSchema:
        session = await self.session(Ask(None, Limits(), self.clock))
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
            answer = await session.get("GET", f"/_resolve/index/{_quoted(index)}")
        except DRIVER_ERRORS as error:
            return [SchemaEntry(name=index, kind=kind, description=str(self.translate(error)))]
        found = answer if isinstance(answer, dict) else {}
        names = [str(e.get("name")) for key in ("indices", "data_streams", "aliases") for e in listed(found.get(key))]
        if not names:
            return []
        fields = await self.fields_of(index, session)
        used = {name: fields.types.get(name, "") for sort in CANDIDATES if (name := getattr(fields, sort))}
        return [SchemaEntry(name=name, kind=kind, fields=used) for name in sorted(names)[:_MOST_INDICES]]

    def translate(self, error: Exception) -> ConnectorError:
        return translate(error, self.config, name=self.name)


def _quoted(index: str) -> str:
    from urllib.parse import quote

    return quote(index, safe=",*-.+_")


CONNECTOR = ElasticsearchConnector

__all__ = ["CONNECTOR", "Answer", "ElasticsearchConnector"]
