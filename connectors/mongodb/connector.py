"""The MongoDB connector: guarded reads, and the questions an on-call engineer asks of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bson import json_util
from pydantic import Field
from pymongo.errors import OperationFailure

from connectors._guarded import guarded
from connectors._linked import LinkedConnector
from connectors.base import Answer, Arguments, Ask, ErrorTypes, NoArguments, tool
from connectors.errors import ConnectorError, Rejected
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
from connectors.mongodb import items
from connectors.mongodb.config import MongodbConfig
from connectors.mongodb.errors import DRIVER_ERRORS, named_error
from connectors.mongodb.link import MongoLink
from connectors.sql import ActivityArguments, TableBuilder, WordsArguments

LANGUAGE = "mongodb"
_SAMPLED, _MOST_COLLECTIONS, _PROFILED = 20, 200, 5_000
_NO_SUCH_COMMAND = frozenset({59, 76, 115, 238})


class CommandArguments(Arguments):
    command: str = Field(
        min_length=1, description='One reading command as JSON, such as {"find": "orders", "filter": {}}.'
    )


class MongodbConnector(LinkedConnector[MongodbConfig, MongoLink]):
    """Reads one database of a MongoDB deployment."""

    type = "mongodb"
    Config = MongodbConfig
    driver_errors: ClassVar[ErrorTypes] = DRIVER_ERRORS

    def make_link(self) -> MongoLink:
        return MongoLink(self.config)

    def translate(self, error: Exception) -> ConnectorError:
        return named_error(error, self.config, self.name)

    async def probe(self) -> Health:
        built = await self._one({"buildInfo": 1})
        await self.link.documents({"listCollections": 1, "nameOnly": True}, Limits(), 1)
        status = await self._one({"connectionStatus": 1, "showPrivileges": True})
        reasons = items.write_reasons(status)
        notes = [f"This account could write: {'; '.join(reasons[:5])}"] if reasons else []
        version = f"MongoDB {built.get('version')}"
        return Health(
            status=HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY,
            latency_ms=0.0,
            detail=". ".join([version, *notes]) + ".",
            writable=None if reasons is None else bool(reasons),
            version=version,
        )

    async def describe(self) -> SourceSchema:
        fields = await self._fields(Limits())
        entries = tuple(SchemaEntry(name=name, kind="collection", fields=found) for name, found in fields.items())
        cut = f"first {_MOST_COLLECTIONS} collections" if len(entries) >= _MOST_COLLECTIONS else None
        return SourceSchema(entries=entries, services=self.config.services, truncated=cut)

    @tool("Run one guarded reading command: find, aggregate, count, distinct.", returns=[EvidenceKind.ROWS])
    async def run_query(self, arguments: CommandArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.command, dialect="mongodb", limits=GuardLimits(max_rows=ask.limits.max_rows + 1))
        try:
            command = json_util.loads(judged.text)
        except (ValueError, TypeError, KeyError) as error:
            raise Rejected("A value in extended JSON ($date, $oid, …) cannot be read. Correct it.") from error
        name = next(iter(command))
        documents = await self.link.documents(command, ask.limits, ask.limits.max_rows + 1)
        table = items.table(items.unwrapped(name, documents), ask.limits)
        return Answer(table.payload(), self._source(judged.text), truncated=table.truncated, bytes=table.bytes)

    @tool("Operations that run now, longest first, with their plans.", returns=[EvidenceKind.OBJECTS])
    async def list_activity(self, arguments: ActivityArguments, ask: Ask) -> Answer:
        running = await self._operations(ask.limits)
        found = items.activity(running, self.config.database, arguments.min_seconds)
        return self._objects(found, {"currentOp": 1, "$all": False}, ask=ask)

    @tool("Connections in use against the limit, and operations that wait for locks.", returns=[EvidenceKind.OBJECTS])
    async def get_connections(self, _arguments: NoArguments, ask: Ask) -> Answer:
        status = await self._one({"serverStatus": 1}, ask.limits)
        running = await self._operations(ask.limits)
        item = items.connections(status, running, self.config.database)
        return self._objects((item,), {"serverStatus": 1}, ask=ask)._replace(api_calls=2)

    @tool("Profiled operations by time in the window, against the span before.", returns=[EvidenceKind.OBJECTS])
    async def list_slow_statements(self, _arguments: NoArguments, ask: Ask) -> Answer:
        span = ask.span
        command = {
            "find": "system.profile",
            "filter": {"ts": {"$gte": span.before().start, "$lt": span.end}},
            "sort": {"ts": -1},
            "limit": _PROFILED,
        }
        records = await self.link.documents(command, ask.limits, _PROFILED)
        note = f"the newest {_PROFILED:,} profiled operations" if len(records) >= _PROFILED else None
        found = items.statements(records, span, self.config.database)
        answer = self._objects(found, command, note=note, ask=ask)
        return answer._replace(source=answer.source.model_copy(update={"window": span}))

    @tool("Members of the replica set: state, lag behind the primary, last error.", returns=[EvidenceKind.OBJECTS])
    async def get_replication(self, _arguments: NoArguments, ask: Ask) -> Answer:
        command = {"replSetGetStatus": 1}
        try:
            status = await self._one(command, ask.limits)
        except OperationFailure as error:
            if error.code not in _NO_SUCH_COMMAND:
                raise
            return self._objects((), command, note="this deployment is no replica set", ask=ask)
        return self._objects(items.replicas(status), command, ask=ask)

    @tool("Collections and fields whose names hold the words, from sampled documents.", returns=[EvidenceKind.ROWS])
    async def search_schema(self, arguments: WordsArguments, ask: Ask) -> Answer:
        words = arguments.small
        table = TableBuilder([Column(name=name, type="text") for name in ("collection", "field", "type")], ask.limits)
        for collection, fields in (await self._fields(ask.limits)).items():
            for field, kind in fields.items():
                if not words or any(word in f"{collection} {field}".lower() for word in words):
                    table.add((collection, field, kind))
        source = self._source(f'{{"listCollections": 1}} and {_SAMPLED} documents of each; words: {words}')
        return Answer(table.payload(), source, truncated=table.truncated, bytes=table.bytes)

    async def _one(self, command: Mapping[str, Any], limits: Limits | None = None) -> dict[str, Any]:
        (found,) = await self.link.documents(command, limits or Limits(), 1)
        return found

    async def _operations(self, limits: Limits) -> list[dict[str, Any]]:
        found = await self._one({"currentOp": 1, "$all": False}, limits)
        return list(found.get("inprog") or ())

    async def _fields(self, limits: Limits) -> dict[str, dict[str, str]]:
        """Top-level and second-level fields with the types seen, of each collection."""
        listed = await self.link.documents({"listCollections": 1}, limits, _MOST_COLLECTIONS)
        names = sorted(str(c["name"]) for c in listed if not str(c["name"]).startswith("system."))
        found: dict[str, dict[str, str]] = {}
        for name in names:
            documents = await self.link.documents({"find": name, "limit": _SAMPLED}, limits, _SAMPLED)
            found[name] = _seen_fields(documents)
        return found

    def _source(self, text: str) -> SourceRef:
        return SourceRef(query=text, language=LANGUAGE)

    def _objects(
        self, found: Sequence[Item], command: Mapping[str, Any], *, ask: Ask, note: str | None = None
    ) -> Answer:
        most = ask.limits.max_rows
        cut = f"first {most:,} objects" if len(found) > most else None
        truncated = "; ".join(text for text in (cut, note) if text) or None
        return Answer(Objects(items=tuple(found[:most])), self._source(json_util.dumps(command)), truncated=truncated)


def _seen_fields(documents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for document in documents:
        for key, value in document.items():
            seen.setdefault(key, type(value).__name__)
            if isinstance(value, Mapping):
                for inner, nested in value.items():
                    seen.setdefault(f"{key}.{inner}", type(nested).__name__)
    return dict(list(seen.items())[:500])
