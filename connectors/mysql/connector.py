"""The MySQL and MariaDB connector: guarded SQL, and the questions an on-call engineer asks of a database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from connectors import _database_items as shared
from connectors._guarded import guarded
from connectors._linked import LinkedConnector
from connectors.base import Answer, Arguments, Ask, ErrorTypes, NoArguments, tool
from connectors.errors import ConnectorError
from connectors.guards import GuardLimits
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
from connectors.mysql import items, queries
from connectors.mysql.config import MysqlConfig
from connectors.mysql.errors import DRIVER_ERRORS, named_error
from connectors.mysql.link import MysqlLink, fetch_in, fetch_permitted, version
from connectors.sql import ActivityArguments, TableBuilder, WordsArguments

LANGUAGE = "mysql"
_FRESH_S, _STALE_S = 30.0, 3_600.0


class SqlArguments(Arguments):
    sql: str = Field(min_length=1, description="One SELECT in MySQL's dialect.")


class MysqlConnector(LinkedConnector[MysqlConfig, MysqlLink]):
    """Reads one database of MySQL 8.0 or MariaDB 10.4 and later."""

    type = "mysql"
    Config = MysqlConfig
    driver_errors: ClassVar[ErrorTypes] = DRIVER_ERRORS

    def make_link(self) -> MysqlLink:
        return MysqlLink(self.config, name=self.name)

    def prepare(self) -> None:
        self._sample: shared.Sample | None = None

    def translate(self, error: Exception) -> ConnectorError:
        return named_error(error, self.config, self.name)

    async def probe(self) -> Health:
        async with self.link.reading(Limits()) as connection:
            found = version(connection)
            grants = [str(next(iter(row.values()))) for row in await fetch_in(connection, "show grants")]
            (state,) = await fetch_in(connection, "select @@global.read_only as locked")
        reasons = items.write_reasons(grants)
        notes = [f"This account could write: {'; '.join(reasons)}"] if reasons else []
        if not any("PROCESS" in grant or "ALL PRIVILEGES ON *.*" in grant for grant in grants):
            notes.append("Sessions of other users are hidden; grant PROCESS")
        role = " (read-only server)" if int(state["locked"] or 0) else ""
        return Health(
            status=HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY,
            latency_ms=0.0,
            detail=". ".join([f"{found.text}{role}", *notes]) + ".",
            writable=bool(reasons),
            version=found.text,
        )

    async def describe(self) -> SourceSchema:
        ask = Ask(None, Limits(max_rows=20_000), self.clock)
        records = await self.link.fetch(queries.schema(0), ask=ask)
        tables: dict[str, dict[str, str]] = {}
        about: dict[str, str] = {}
        for record in records[: ask.limits.max_rows]:
            refers = f" -> {record['refers_to']}" if record["refers_to"] else ""
            tables.setdefault(record["table"], {})[record["column"]] = record["type"] + refers
            if record["comment"]:
                about.setdefault(record["table"], str(record["comment"])[:500])
        entries = tuple(
            SchemaEntry(name=name, kind="table", description=about.get(name), fields=columns)
            for name, columns in tables.items()
        )
        cut = "first 20,000 columns" if len(records) > ask.limits.max_rows else None
        return SourceSchema(entries=entries, services=self.config.services, truncated=cut)

    @tool("Run one guarded SELECT.", returns=[EvidenceKind.ROWS])
    async def run_query(self, arguments: SqlArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.sql, dialect="mysql", limits=GuardLimits(max_rows=ask.limits.max_rows + 1))
        table = await self.link.answer(judged.text, ask)
        return Answer(table.payload(), self._source(judged.text), truncated=table.truncated, bytes=table.bytes)

    @tool("What runs now, longest first, with idle transactions.", returns=[EvidenceKind.OBJECTS])
    async def list_activity(self, arguments: ActivityArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            sql = queries.activity(mariadb=version(connection).mariadb)
            records = await fetch_in(connection, sql, arguments.min_seconds)
        return self._objects(items.activity(records, self.config.database), sql, ask=ask)

    @tool("Who waits for a lock, who holds it, and who is at the root of the chain.", returns=[EvidenceKind.OBJECTS])
    async def list_locks(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            sql = queries.locks(mariadb=version(connection).mariadb)
            records = await fetch_in(connection, sql)
            instrumented = await fetch_permitted(connection, queries.METADATA_INSTRUMENTED)
            seen = bool(instrumented and instrumented[0]["enabled"])
            if seen:
                records += await fetch_permitted(connection, queries.metadata_locks()) or []
        found = shared.locks(items.lock_records(records), self.config.database)
        if seen:
            return self._objects(found, f"{sql}\n{queries.metadata_locks()}", ask=ask)
        note = "-- waits for metadata locks (DDL) are not counted on this server"
        return self._objects(found, f"{sql.strip()}\n{note}", ask=ask)

    @tool("Connections in use against the limit, by state, application and user.", returns=[EvidenceKind.OBJECTS])
    async def get_connections(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            mariadb = version(connection).mariadb
            groups = await fetch_in(connection, queries.connections(mariadb=mariadb))
            (limits,) = await fetch_in(connection, queries.connection_limits(mariadb=mariadb))
        item = items.connections(groups, limits, self.config.database)
        return self._objects((item,), queries.connections(mariadb=mariadb), ask=ask)

    @tool("Statements by time spent now, against their mean before.", returns=[EvidenceKind.OBJECTS])
    async def list_slow_statements(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            state = await fetch_permitted(connection, queries.STATEMENTS_ON)
        if state is None or not state[0]["enabled"] or not state[0]["consumed"]:
            missing = "the performance schema is off or hidden, so past statements are unknown"
            return self._objects((), queries.STATEMENTS_ON, note=missing, ask=ask)
        before = await self._split(ask)
        records = await self._statements(ask)
        gap_s = self.clock.now().timestamp() - before.at_s
        sql = f"{queries.STATEMENTS.strip()}\n-- 'now' is the last {gap_s:.0f} s; the baseline is everything before"
        found = shared.statements(records[: ask.limits.max_rows], before, self.config.database)
        return self._objects(found, sql, ask=ask)._replace(api_calls=2)

    async def _split(self, ask: Ask) -> shared.Sample:
        """Where 'now' begins: an earlier call's sample when it is fresh enough, else one taken just now."""
        now_s = self.clock.now().timestamp()
        kept = self._sample
        if kept is None or not _FRESH_S <= now_s - kept.at_s <= _STALE_S:
            kept = shared.sample(await self._statements(ask), now_s)
            await asyncio.sleep(min(self.config.sample_gap_s, ask.limits.deadline_s / 4))
        self._sample = kept
        return kept

    async def _statements(self, ask: Ask) -> list[dict[str, Any]]:
        records = await self.link.fetch(queries.STATEMENTS, self.config.database, ask=ask)
        return items.statement_records(records)

    @tool("Replication lag of this replica, and the replicas that read from here.", returns=[EvidenceKind.OBJECTS])
    async def get_replication(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            sql = "show all slaves status" if version(connection).mariadb else "show replica status"
            channels = await fetch_permitted(connection, sql)
            readers = await fetch_in(connection, queries.REPLICAS)
        found = [items.replica_status(record, self.config.database) for record in channels or ()]
        found += [
            Item(api_kind="Replica", name=str(record["name"]), fields={**shared.fields(record), "role": "reader"})
            for record in readers
        ]
        note = "this account may not see the state of replication" if channels is None else None
        return self._objects(tuple(found), f"{sql};\n{queries.REPLICAS.strip()}", note=note, ask=ask)

    @tool(
        "Tables and indexes: missing keys, free space, used up ids, needless indexes.", returns=[EvidenceKind.OBJECTS]
    )
    async def get_table_health(self, _arguments: NoArguments, ask: Ask) -> Answer:
        async with self.link.reading(ask.limits) as connection:
            tables = await fetch_in(connection, queries.TABLES.replace("%%", "%"))
            indexes = await fetch_in(connection, queries.INDEXES)
            (state,) = await fetch_in(connection, "select @@performance_schema as enabled")
            reads = await fetch_permitted(connection, queries.INDEX_READS) if state["enabled"] else None
        found = [*items.tables(tables), *items.indexes(indexes, reads)]
        found.sort(key=lambda item: not item.fields["problems"])
        return self._objects(tuple(found), f"{queries.TABLES}\n{queries.INDEXES}", ask=ask)

    @tool("Tables and columns whose names hold the words, with keys and references.", returns=[EvidenceKind.ROWS])
    async def search_schema(self, arguments: WordsArguments, ask: Ask) -> Answer:
        words = arguments.small
        records = await self.link.fetch(queries.schema(len(words)), *words, ask=ask)
        names = ("schema", "table", "column", "type", "nullable", "primary_key", "refers_to", "comment")
        table = TableBuilder([Column(name=name, type="text") for name in names], ask.limits)
        for record in records:
            table.add(_schema_cells(record, names))
        source = self._source(f"{queries.schema(len(words)).strip()}\n-- words: {words}")
        return Answer(table.payload(), source, truncated=table.truncated, bytes=table.bytes)

    def _source(self, sql: str) -> SourceRef:
        return SourceRef(query=sql.strip(), language=LANGUAGE)

    def _objects(self, found: Sequence[Item], sql: str, *, ask: Ask, note: str | None = None) -> Answer:
        most = ask.limits.max_rows
        cut = f"first {most:,} objects" if len(found) > most else None
        truncated = "; ".join(text for text in (cut, note) if text) or None
        return Answer(Objects(items=tuple(found[:most])), self._source(sql), truncated=truncated)


def _schema_cells(record: dict[str, Any], names: Sequence[str]) -> list[Any]:
    return [bool(record[name]) if name in {"nullable", "primary_key"} else record[name] for name in names]
