"""The PostgreSQL connector: guarded SQL, and the questions an on-call engineer asks of a database."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from pydantic import Field

from connectors import _database_items as shared
from connectors._guarded import guarded
from connectors._linked import LinkedConnector
from connectors.base import Answer, Arguments, Ask, ErrorTypes, NoArguments, tool
from connectors.errors import ConnectorError
from connectors.model import (
    Column,
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
from connectors.postgresql import items, queries
from connectors.postgresql.config import PostgresqlConfig
from connectors.postgresql.errors import DRIVER_ERRORS, named_error
from connectors.postgresql.link import PostgresLink
from connectors.postgresql.tools_write import WriteTools
from connectors.sql import ActivityArguments, TableBuilder, WordsArguments

LANGUAGE = "postgresql"
_FRESH_S, _STALE_S = 30.0, 3_600.0
_HIDDEN = "<insufficient privilege>"


class SqlArguments(Arguments):
    sql: str = Field(min_length=1, description="One SELECT in PostgreSQL's dialect.")


class PostgresqlConnector(WriteTools, LinkedConnector[PostgresqlConfig, PostgresLink]):
    """Reads one PostgreSQL database, version 12 or later."""

    type = "postgresql"
    Config = PostgresqlConfig
    driver_errors: ClassVar[ErrorTypes] = DRIVER_ERRORS

    def make_link(self) -> PostgresLink:
        return PostgresLink(self.config, name=self.name)

    def prepare(self) -> None:
        self._sample: shared.Sample | None = None

    def translate(self, error: Exception) -> ConnectorError:
        return named_error(error, self.config, self.name)

    async def probe(self) -> Health:
        rights = (await self.link.fetch(queries.RIGHTS, ask=self._own_ask()))[0]
        reasons = _write_reasons(rights)
        notes = [f"This account could write: {'; '.join(reasons)}"] if reasons else []
        if not rights["monitor"] and not rights["superuser"]:
            notes.append("Sessions of other roles are hidden; grant pg_monitor")
        version = rights["version"].split(" on ")[0]
        role = " (standby)" if rights["standby"] else ""
        return Health(
            status=HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY,
            latency_ms=0.0,
            detail=". ".join([f"{version}{role}", *notes]) + ".",
            writable=bool(reasons),
            version=version,
        )

    async def describe(self) -> SourceSchema:
        ask = Ask(None, Limits(max_rows=20_000), self.clock)
        records = await self.link.fetch(queries.SCHEMA, [], ask=ask)
        tables: dict[str, dict[str, str]] = {}
        about: dict[str, str] = {}
        for record in records[: ask.limits.max_rows]:
            name = f"{record['schema']}.{record['table']}"
            refers = f" -> {record['refers_to']}" if record["refers_to"] else ""
            tables.setdefault(name, {})[record["column"]] = record["type"] + refers
            if record["comment"]:
                about.setdefault(name, record["comment"][:500])
        entries = tuple(
            SchemaEntry(name=name, kind="table", description=about.get(name), fields=columns)
            for name, columns in tables.items()
        )
        cut = "first 20,000 columns" if len(records) > ask.limits.max_rows else None
        return SourceSchema(entries=entries, services=self.config.services, truncated=cut)

    @tool("Run one guarded SELECT.", returns=[EvidenceKind.ROWS])
    async def run_query(self, arguments: SqlArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.sql, dialect="postgres")
        table = await self.link.table(judged.text, ask)
        return Answer(table.payload(), self._source(judged.text), truncated=table.truncated, bytes=table.bytes)

    @tool("What runs now, longest first, with idle transactions.", returns=[EvidenceKind.OBJECTS])
    async def list_activity(self, arguments: ActivityArguments, ask: Ask) -> Answer:
        records = await self.link.fetch(queries.ACTIVITY, arguments.min_seconds, ask=ask)
        found = items.activity(records, self.config.database)
        return self._objects(found, queries.ACTIVITY, note=_hidden_note(records), ask=ask)

    @tool("Who waits for a lock, who holds it, and who is at the root of the chain.", returns=[EvidenceKind.OBJECTS])
    async def list_locks(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            sql = queries.locks(connection.get_server_version().major)
            records = await self.link.fetch_in(connection, sql, ask=ask)
        return self._objects(shared.locks(records, self.config.database), sql, ask=ask)

    @tool("Connections in use against the limit, by state, application and user.", returns=[EvidenceKind.OBJECTS])
    async def get_connections(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            groups = await connection.fetch(queries.CONNECTIONS)
            limits = await connection.fetchrow(queries.CONNECTION_LIMITS)
        item = items.connections(groups, limits, self.config.database)
        hidden = any(group["state"] == "hidden" for group in groups)
        note = "the states of other roles' sessions are hidden; grant pg_monitor" if hidden else None
        return self._objects((item,), queries.CONNECTIONS, note=note, ask=ask)

    @tool("Statements by time spent now, against their mean before.", returns=[EvidenceKind.OBJECTS])
    async def list_slow_statements(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            schema = await connection.fetchval(queries.STATEMENTS_HOME)
            major = connection.get_server_version().major
        if schema is None:
            missing = "pg_stat_statements is not installed in this database, so past statements are unknown"
            return self._objects((), queries.STATEMENTS_HOME, note=missing, ask=ask)
        sql = queries.statements(major, schema)
        before = await self._split(sql, ask)
        records = await self.link.fetch(sql, ask=ask)
        gap_s = self.clock.now().timestamp() - before.at_s
        note = f"'now' is the last {gap_s:.0f} s; the baseline is everything before" if records else None
        found = shared.statements(records[: ask.limits.max_rows], before, self.config.database)
        answer = self._objects(found, sql, ask=ask)
        return answer._replace(source=self._source(f"{sql.strip()}\n-- {note}" if note else sql), api_calls=2)

    async def _split(self, sql: str, ask: Ask) -> shared.Sample:
        """Where 'now' begins: an earlier call's sample when it is fresh enough, else one taken just now."""
        now_s = self.clock.now().timestamp()
        kept = self._sample
        if kept is None or not _FRESH_S <= now_s - kept.at_s <= _STALE_S:
            kept = shared.sample(await self.link.fetch(sql, ask=ask), now_s)
            await asyncio.sleep(min(self.config.sample_gap_s, ask.limits.deadline_s / 4))
        self._sample = kept
        return kept

    @tool(
        "Replication lag of replicas, or of this standby, and slots that hold back WAL.",
        returns=[EvidenceKind.OBJECTS],
    )
    async def get_replication(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            standby = await connection.fetchval("select pg_is_in_recovery()")
            replicas = await connection.fetch(queries.STANDBY if standby else queries.REPLICAS)
            slots = await connection.fetch(queries.SLOTS.replace("wal_status", _wal_status(connection)))
        found = [
            Item(api_kind="Replica", name=record.get("name") or self.config.database, fields=shared.fields(record))
            for record in replicas
        ]
        found += [Item(api_kind="ReplicationSlot", name=r["name"], fields=shared.fields(r)) for r in slots]
        return self._objects(tuple(found), queries.STANDBY if standby else queries.REPLICAS, ask=ask)

    @tool("Tables and indexes: dead rows, stale statistics, unused or broken indexes.", returns=[EvidenceKind.OBJECTS])
    async def get_table_health(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            tables = await self.link.fetch_in(connection, queries.TABLES, ask=ask)
            indexes = await self.link.fetch_in(connection, queries.INDEXES, ask=ask)
        found = [*items.tables(tables), *items.indexes(indexes)]
        found.sort(key=lambda item: not item.fields["problems"])
        return self._objects(tuple(found), f"{queries.TABLES}\n{queries.INDEXES}", ask=ask)

    @tool("Tables and columns whose names hold the words, with keys and references.", returns=[EvidenceKind.ROWS])
    async def search_schema(self, arguments: WordsArguments, ask: Ask) -> Answer:
        words = arguments.small
        records = await self.link.fetch(queries.SCHEMA, words, ask=ask)
        names = ("schema", "table", "column", "type", "nullable", "primary_key", "refers_to", "comment")
        table = TableBuilder([Column(name=name, type="text") for name in names], ask.limits)
        for record in records:
            table.add(record.values())
        source = self._source(f"{queries.SCHEMA.strip()}\n-- $1 = {words}")
        return Answer(table.payload(), source, truncated=table.truncated, bytes=table.bytes)

    # shared by the tools

    def _own_ask(self) -> Ask:
        return Ask(None, Limits(), self.clock)

    def _source(self, sql: str) -> SourceRef:
        return SourceRef(query=sql.strip(), language=LANGUAGE)

    def _objects(self, found: tuple[Item, ...], sql: str, *, ask: Ask, note: str | None = None) -> Answer:
        most = ask.limits.max_rows
        cut = f"first {most:,} objects" if len(found) > most else None
        truncated = "; ".join(text for text in (cut, note) if text) or None
        return Answer(Objects(items=found[:most]), self._source(sql), truncated=truncated)


def _write_reasons(rights: Any) -> list[str]:
    reasons = []
    if rights["superuser"]:
        reasons.append("it is a superuser")
    if rights["admin"]:
        reasons.append("it may create databases or roles, or replicate")
    if rights["creates"]:
        reasons.append("it may create objects in a schema or the database")
    if rights["writable_table"]:
        reasons.append(f"it may change rows of {rights['writable_table']}")
    return reasons


def _hidden_note(records: list[Any]) -> str | None:
    hidden = any(record["query"] == _HIDDEN for record in records)
    return "queries of other roles are hidden; grant pg_monitor" if hidden else None


def _wal_status(connection: Any) -> str:
    return "wal_status" if connection.get_server_version().major >= 13 else "null::text as wal_status"
