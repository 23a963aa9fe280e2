"""The ClickHouse connector: guarded SQL, and what its system tables tell an on-call engineer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from connectors._guarded import guarded
from connectors._linked import LinkedConnector
from connectors.base import Answer, Arguments, Ask, ErrorTypes, NoArguments, tool
from connectors.clickhouse import items, queries
from connectors.clickhouse.config import ClickhouseConfig
from connectors.clickhouse.link import ClickhouseLink, Rows, table
from connectors.guards import GuardLimits
from connectors.model import (
    EvidenceKind,
    Health,
    HealthStatus,
    Item,
    Limits,
    Objects,
    SchemaEntry,
    SourceRef,
    SourceSchema,
)
from connectors.sql import ActivityArguments, WordsArguments

LANGUAGE = "clickhouse"
_OWN = Limits(max_rows=20_000)


class SqlArguments(Arguments):
    sql: str = Field(min_length=1, description="One SELECT in ClickHouse's dialect.")


class ClickhouseConnector(LinkedConnector[ClickhouseConfig, ClickhouseLink]):
    """Reads one ClickHouse server over HTTP."""

    type = "clickhouse"
    Config = ClickhouseConfig
    driver_errors: ClassVar[ErrorTypes] = ()

    def make_link(self) -> ClickhouseLink:
        return ClickhouseLink(self.config, name=self.name)

    async def probe(self) -> Health:
        (found,) = (await self.link.query(queries.VERSION, Limits())).records()
        grants = [str(row[0]) for row in (await self.link.query(queries.GRANTS, Limits())).rows]
        reasons = items.write_reasons(grants)
        notes = [f"This account could write: {'; '.join(reasons)}"] if reasons else []
        version = f"ClickHouse {found['version']}"
        return Health(
            status=HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY,
            latency_ms=0.0,
            detail=". ".join([version, *notes]) + ".",
            writable=bool(reasons),
            version=version,
        )

    async def describe(self) -> SourceSchema:
        found = await self.link.query(queries.SCHEMA, _OWN, {"words": "[]"})
        tables: dict[str, dict[str, str]] = {}
        for record in found.records()[: _OWN.max_rows]:
            tables.setdefault(f"{record['schema']}.{record['table']}", {})[record["column"]] = record["type"]
        entries = tuple(SchemaEntry(name=name, kind="table", fields=columns) for name, columns in tables.items())
        cut = "first 20,000 columns" if len(found.rows) > _OWN.max_rows else None
        return SourceSchema(entries=entries, services=self.config.services, truncated=cut)

    @tool("Run one guarded SELECT.", returns=[EvidenceKind.ROWS])
    async def run_query(self, arguments: SqlArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.sql, dialect="clickhouse", limits=GuardLimits(max_rows=ask.limits.max_rows + 1))
        return self._rows(await self.link.query(judged.text, ask.limits), judged.text, ask)

    @tool("Queries that run now, longest first, with rows read and memory.", returns=[EvidenceKind.OBJECTS])
    async def list_activity(self, arguments: ActivityArguments, ask: Ask) -> Answer:
        found = await self._ask(queries.ACTIVITY, ask, {"min_seconds": repr(arguments.min_seconds)})
        return self._objects(items.activity(found.records(), self.config.database), queries.ACTIVITY, ask=ask)

    @tool("Connections by protocol against the limit, and queries that run.", returns=[EvidenceKind.OBJECTS])
    async def get_connections(self, _arguments: NoArguments, ask: Ask) -> Answer:
        counts = await self._ask(queries.CONNECTIONS, ask)
        limits = await self._ask(queries.CONNECTION_LIMITS, ask)
        users = await self._ask(queries.BY_USER, ask)
        item = items.connections(counts.records(), limits.records(), users.records(), self.config.database)
        return self._objects((item,), queries.CONNECTIONS, ask=ask)._replace(api_calls=3)

    @tool("Statements by time spent in the window, against the span before.", returns=[EvidenceKind.OBJECTS])
    async def list_slow_statements(self, _arguments: NoArguments, ask: Ask) -> Answer:
        (known,) = (await self._ask(queries.HAS_QUERY_LOG, ask)).rows
        if not int(known[0]):
            note = "system.query_log is off, so past statements are unknown"
            return self._objects((), queries.HAS_QUERY_LOG, note=note, ask=ask)
        span = ask.span
        values = {"start": _moment(span.start), "end": _moment(span.end), "before": _moment(span.before().start)}
        found = await self._ask(queries.STATEMENTS, ask, values)
        answer = self._objects(items.statements(found.records(), self.config.database), queries.STATEMENTS, ask=ask)
        source = self._source(queries.STATEMENTS, values).model_copy(update={"window": span})
        return answer._replace(source=source, api_calls=2)

    @tool("Replicated tables: delay, queue, read-only replicas, last error.", returns=[EvidenceKind.OBJECTS])
    async def get_replication(self, _arguments: NoArguments, ask: Ask) -> Answer:
        found = await self._ask(queries.REPLICAS, ask)
        return self._objects(items.replicas(found.records()), queries.REPLICAS, ask=ask)

    @tool("Tables with too many parts or stuck mutations, and how full the disks are.", returns=[EvidenceKind.OBJECTS])
    async def get_table_health(self, _arguments: NoArguments, ask: Ask) -> Answer:
        tables = await self._ask(queries.TABLES, ask)
        disks = await self._ask(queries.DISKS, ask)
        found = [*items.tables(tables.records()), *items.disks(disks.records())]
        found.sort(key=lambda item: not item.fields["problems"])
        return self._objects(found, f"{queries.TABLES}\n{queries.DISKS}", ask=ask)._replace(api_calls=2)

    @tool("Errors the server counted whose last occurrence is in the window.", returns=[EvidenceKind.OBJECTS])
    async def list_errors(self, _arguments: NoArguments, ask: Ask) -> Answer:
        values = {"start": _moment(ask.span.start), "end": _moment(ask.span.end)}
        found = await self._ask(queries.ERRORS, ask, values)
        answer = self._objects(items.errors(found.records()), queries.ERRORS, ask=ask)
        return answer._replace(source=self._source(queries.ERRORS, values).model_copy(update={"window": ask.span}))

    @tool("Tables and columns whose names hold the words, with keys.", returns=[EvidenceKind.ROWS])
    async def search_schema(self, arguments: WordsArguments, ask: Ask) -> Answer:
        words = arguments.small
        values = {"words": "[" + ",".join(f"'{word}'" for word in words) + "]"}
        found = await self._ask(queries.SCHEMA, ask, values)
        return self._rows(found, queries.SCHEMA, ask)._replace(source=self._source(queries.SCHEMA, values))

    async def _ask(self, sql: str, ask: Ask, parameters: Mapping[str, str] | None = None) -> Rows:
        return await self.link.query(sql, ask.limits, parameters)

    def _source(self, sql: str, parameters: Mapping[str, str] | None = None) -> SourceRef:
        told = "".join(f"\n-- {key} = {value}" for key, value in (parameters or {}).items())
        return SourceRef(query=sql.strip() + told, language=LANGUAGE, url=f"{self.config.url}/play")

    def _rows(self, found: Rows, sql: str, ask: Ask) -> Answer:
        built = table(found, ask.limits)
        return Answer(
            built.payload(),
            self._source(sql),
            truncated=built.truncated,
            scanned_bytes=found.scanned_bytes,
            bytes=found.bytes,
        )

    def _objects(self, found: Sequence[Item], sql: str, *, ask: Ask, note: str | None = None) -> Answer:
        most = ask.limits.max_rows
        cut = f"first {most:,} objects" if len(found) > most else None
        truncated = "; ".join(text for text in (cut, note) if text) or None
        return Answer(Objects(items=tuple(found[:most])), self._source(sql), truncated=truncated)


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
