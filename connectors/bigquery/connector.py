"""The BigQuery connector: what a query would cost first, then the query, under a cap no argument raises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import Field

from connectors._guarded import guarded
from connectors._linked import LinkedConnector
from connectors.base import Answer, Arguments, Ask, ErrorTypes, NoArguments, tool
from connectors.bigquery.cells import row
from connectors.bigquery.config import BigqueryConfig
from connectors.bigquery.link import BigqueryLink, Estimate
from connectors.errors import Rejected
from connectors.guards import GuardLimits
from connectors.model import (
    Column,
    EvidenceKind,
    Health,
    HealthStatus,
    Item,
    JsonObject,
    Limits,
    Objects,
    SchemaEntry,
    SourceRef,
    SourceSchema,
)
from connectors.redaction import redact_text
from connectors.sql import TableBuilder, WordsArguments

LANGUAGE = "bigquery"
_MOST_TABLES = 200


class SqlArguments(Arguments):
    sql: str = Field(min_length=1, description="One SELECT in GoogleSQL.")


class BigqueryConnector(LinkedConnector[BigqueryConfig, BigqueryLink]):
    """Reads one project of BigQuery."""

    type = "bigquery"
    Config = BigqueryConfig
    driver_errors: ClassVar[ErrorTypes] = ()

    def make_link(self) -> BigqueryLink:
        return BigqueryLink(self.config, name=self.name)

    async def probe(self) -> Health:
        """A dry run costs nothing and proves that jobs may be made. What the account may write is not told."""
        await self.link.estimate("SELECT 1", Limits())
        cap = self.config.maximum_bytes_billed / 2**30
        return Health(
            status=HealthStatus.HEALTHY,
            latency_ms=0.0,
            detail=f"Project {self.config.project_id}; at most {cap:,.1f} GiB for one query.",
            writable=None,
        )

    async def describe(self) -> SourceSchema:
        tables, cut = await self._tables(Limits())
        entries = tuple(SchemaEntry(name=name, kind="table", fields=fields) for name, fields in tables.items())
        return SourceSchema(entries=entries, services=self.config.services, truncated=cut)

    @tool("Run one guarded SELECT, after a dry run, under the byte cap.", returns=[EvidenceKind.ROWS])
    async def run_query(self, arguments: SqlArguments, ask: Ask) -> Answer:
        sql = self._judged(arguments.sql, ask.limits)
        told = await self.link.estimate(sql, ask.limits)
        self._check_cost(told, ask.limits)
        page = await self.link.run(sql, ask.limits)
        table = TableBuilder([Column(name=str(f["name"]), type=str(f["type"])) for f in page.fields], ask.limits)
        for values in page.rows:
            table.add(row(values, page.fields))
        return Answer(
            table.payload(),
            self._source(sql),
            truncated=table.truncated,
            scanned_bytes=page.scanned_bytes,
            cost_usd=self.link.price(page.scanned_bytes),
            api_calls=3,
            bytes=page.bytes,
        )

    @tool("What a SELECT would read and cost, without running it.", returns=[EvidenceKind.OBJECTS])
    async def estimate_query(self, arguments: SqlArguments, ask: Ask) -> Answer:
        sql = self._judged(arguments.sql, ask.limits)
        told = await self.link.estimate(sql, ask.limits)
        cap = self.link.cap_bytes(ask.limits)
        fields: JsonObject = {
            "bytes": told.bytes,
            "cost_usd": round(told.usd, 6),
            "cap_bytes": cap,
            "would_run": told.bytes <= cap,
        }
        item = Item(api_kind="Estimate", name=self.config.project_id, fields=fields)
        return Answer(Objects(items=(item,)), self._source(sql))

    @tool("Jobs that run now or ended lately, longest first, with bytes and errors.", returns=[EvidenceKind.OBJECTS])
    async def list_activity(self, _arguments: NoArguments, ask: Ask) -> Answer:
        params = {"allUsers": "true", "projection": "full", "maxResults": str(min(1_000, ask.limits.max_rows + 1))}
        if ask.window is not None:
            params["minCreationTime"] = str(int(ask.window.start.timestamp() * 1000))
            params["maxCreationTime"] = str(int(ask.window.end.timestamp() * 1000))
        found = await self.link.call("GET", "/jobs", ask.limits, params=params)
        items = [_job(job, self.clock.now()) for job in found.get("jobs") or ()]
        items.sort(key=lambda item: -float(str(item.fields["duration_s"] or 0)))
        return Answer(Objects(items=tuple(items)), self._source(f"jobs.list {params}"))

    @tool("Tables and columns whose names hold the words.", returns=[EvidenceKind.ROWS])
    async def search_schema(self, arguments: WordsArguments, ask: Ask) -> Answer:
        words = arguments.small
        tables, cut = await self._tables(ask.limits)
        table = TableBuilder([Column(name=name, type="text") for name in ("table", "column", "type")], ask.limits)
        for name, fields in tables.items():
            for column, kind in fields.items():
                if not words or any(word in f"{name} {column}".lower() for word in words):
                    table.add((name, column, kind))
        note = "; ".join(filter(None, (table.truncated, cut))) or None
        return Answer(table.payload(), self._source(f"tables.list, tables.get; words: {words}"), truncated=note)

    def _judged(self, sql: str, limits: Limits) -> str:
        own = GuardLimits(max_rows=limits.max_rows + 1, require_partition_filter=self.config.require_partition_filter)
        judged = guarded(sql, dialect="bigquery", limits=own)
        return judged.text

    def _check_cost(self, told: Estimate, limits: Limits) -> None:
        cap = self.link.cap_bytes(limits)
        if told.bytes > cap:
            raise Rejected(
                f"The query would read {told.bytes / 2**30:,.2f} GiB (${told.usd:,.2f}); "
                f"the cap is {cap / 2**30:,.2f} GiB. Filter on the partition or read fewer columns."
            )

    async def _tables(self, limits: Limits) -> tuple[dict[str, dict[str, str]], str | None]:
        if self.config.dataset:
            datasets = [self.config.dataset]
        else:
            found = await self.link.call("GET", "/datasets", limits, params={"maxResults": "50"})
            datasets = [str(d["datasetReference"]["datasetId"]) for d in found.get("datasets") or ()]
        tables: dict[str, dict[str, str]] = {}
        for dataset in datasets:
            listed = await self.link.call("GET", f"/datasets/{dataset}/tables", limits, params={"maxResults": "200"})
            for entry in listed.get("tables") or ():
                if len(tables) >= _MOST_TABLES:
                    return tables, f"first {_MOST_TABLES} tables"
                name = str(entry["tableReference"]["tableId"])
                told = await self.link.call("GET", f"/datasets/{dataset}/tables/{name}", limits)
                fields = (told.get("schema") or {}).get("fields") or ()
                tables[f"{dataset}.{name}"] = {str(f["name"]): str(f["type"]) for f in fields}
        return tables, None

    def _source(self, text: str) -> SourceRef:
        url = f"https://console.cloud.google.com/bigquery?project={self.config.project_id}"
        return SourceRef(query=text, language=LANGUAGE, url=url)


def _job(job: Mapping[str, Any], now: datetime) -> Item:
    statistics = job.get("statistics") or {}
    status = job.get("status") or {}
    start, end = (_millis(statistics.get(key)) for key in ("startTime", "endTime"))
    query = ((job.get("configuration") or {}).get("query") or {}).get("query") or ""
    error = (status.get("errorResult") or {}).get("message")
    told: JsonObject = {
        "pid": str((job.get("jobReference") or {}).get("jobId")),
        "user": str(job.get("user_email") or ""),
        "state": str(status.get("state") or "").lower(),
        "duration_s": ((end or now) - start).total_seconds() if start else None,
        "query": redact_text(str(query)[:4_000]),
        "bytes": int(statistics.get("totalBytesProcessed") or 0),
        "error": redact_text(str(error)[:500]) if error else None,
    }
    return Item(api_kind="Activity", name=str(told["pid"]), uid=str(told["pid"]), fields=told)


def _millis(value: Any) -> datetime | None:
    return datetime.fromtimestamp(int(value) / 1000, UTC) if value else None
