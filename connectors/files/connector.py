"""The files connector: SQL over CSV, Parquet and JSON, series from metrics, and log files folded into groups."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import duckdb
from pydantic import Field

from connectors._guarded import guarded
from connectors._log_groups import LogLine, group_lines
from connectors.base import Answer, Arguments, Ask, Connector, ErrorTypes, NoArguments, tool
from connectors.errors import ConnectorError, NotFound, Rejected, Unavailable
from connectors.files import engine, folder, series
from connectors.files.config import FilesConfig
from connectors.files.lines import Reader
from connectors.guards import GuardLimits
from connectors.model import (
    Clock,
    Column,
    EvidenceKind,
    Health,
    HealthStatus,
    Item,
    Limits,
    Logs,
    Objects,
    SchemaEntry,
    Series,
    SeriesSet,
    SourceRef,
    SourceSchema,
    TimeWindow,
)
from connectors.redaction import clean_text
from connectors.sql import TableBuilder, WordsArguments

_LOUD = frozenset({"warn", "error", "fatal"})


class SqlArguments(Arguments):
    sql: str = Field(min_length=1, description="One SELECT in DuckDB's dialect; tables are named in list_files.")


class LogArguments(Arguments):
    services: tuple[str, ...] = Field(default=(), description="Only these; empty: all.")
    level: str | None = Field(default=None, description="Only this level; empty: warnings and errors.")


class TextArguments(Arguments):
    text: str = Field(min_length=1, description="What the line must hold, as written.")
    services: tuple[str, ...] = ()
    limit: int = Field(default=100, gt=0, le=1_000)


class MetricArguments(WordsArguments):
    services: tuple[str, ...] = ()
    baseline_minutes: int = Field(default=60, ge=0, le=1_440)


class FilesConnector(Connector[FilesConfig]):
    """Reads the files of one folder."""

    type = "files"
    Config = FilesConfig
    driver_errors: ClassVar[ErrorTypes] = engine.DRIVER_ERRORS

    def __init__(self, *, name: str, config: FilesConfig, environment: str, clock: Clock) -> None:
        super().__init__(name=name, config=config, environment=environment, clock=clock)
        self._engine = engine.Engine(config)

    async def open(self) -> None:
        """Nothing to prepare."""

    async def close(self) -> None:
        self._engine.close()

    def translate(self, error: Exception) -> ConnectorError:
        reason = clean_text(str(error).split("\n", maxsplit=1)[0].replace(self.config.root, "…")).rstrip(".")
        if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
            return NotFound(f"{self.name} does not know that name: {reason}.")
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.InterruptException):
            return Rejected(f"{self.name} stopped the query at its limit: {reason}.")
        if isinstance(error, duckdb.IOException):
            return Unavailable(f"{self.name}: a file cannot be read: {reason}.")
        return Rejected(f"{self.name} refused the query: {reason}.")

    async def probe(self) -> Health:
        found = await self._scan()
        detail = f"{len(found.tables)} tables and {len(found.logs)} log files"
        empty = not found.tables and not found.logs
        status = HealthStatus.DEGRADED if empty else HealthStatus.HEALTHY
        return Health(status=status, latency_ms=0.0, detail=f"{detail}.", writable=False, version=duckdb.__version__)

    async def describe(self) -> SourceSchema:
        tables, cut = await self._tables()
        entries = tuple(
            SchemaEntry(name=t.file.table or "", kind="table", description=t.file.name, fields=dict(t.columns))
            for t in tables
        )
        return SourceSchema(entries=entries, services=self.config.services, truncated=cut)

    @tool("Run one guarded SELECT over the CSV, Parquet and JSON files.", returns=[EvidenceKind.ROWS])
    async def run_query(self, arguments: SqlArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.sql, dialect="duckdb", limits=GuardLimits(max_rows=ask.limits.max_rows + 1))
        found = await self._scan()
        table = await self._engine.run(found.tables, functools.partial(_query, found.tables, judged.text, ask.limits))
        source = SourceRef(query=judged.text, language="duckdb")
        return Answer(table.payload(), source, truncated=table.truncated, bytes=table.bytes)

    @tool("The files, with size, time of change and the name SQL knows them by.", returns=[EvidenceKind.OBJECTS])
    async def list_files(self, _arguments: NoArguments, ask: Ask) -> Answer:
        tables, cut = await self._tables()
        logs = (await self._scan()).logs
        items = [_item(t.file, columns=len(t.columns), problem=t.problem) for t in tables]
        items += [_item(file) for file in logs]
        source = self._source(f"files: {', '.join((*self.config.tables, *self.config.logs))}")
        return Answer(Objects(items=tuple(items)), source, truncated=cut)

    @tool("Tables and columns whose names hold the words.", returns=[EvidenceKind.ROWS])
    async def search_schema(self, arguments: WordsArguments, ask: Ask) -> Answer:
        words = arguments.small
        tables, cut = await self._tables()
        columns = [Column(name=name, type="text") for name in ("table", "column", "type", "file")]
        table = TableBuilder(columns, ask.limits)
        for t in tables:
            for name, kind in t.columns:
                if not words or any(word in f"{t.file.table} {name}".lower() for word in words):
                    table.add((t.file.table, name, kind, t.file.name))
        note = "; ".join(filter(None, (table.truncated, cut))) or None
        return Answer(table.payload(), self._source(f"columns; words: {words}"), truncated=note, bytes=table.bytes)

    @tool("Log lines of the window folded into groups, against the span before.", returns=[EvidenceKind.LOGS])
    async def get_log_groups(self, arguments: LogArguments, ask: Ask) -> Answer:
        span = ask.span
        reader = Reader(self.config.max_log_bytes)
        files = (await self._scan()).logs
        levels = frozenset({arguments.level.lower()}) if arguments.level else _LOUD
        read = functools.partial(_window_lines, reader, files, span, frozenset(arguments.services), levels)
        now, before = await asyncio.to_thread(read)
        groups = group_lines(now, before)
        text = f"log files, level in {sorted(levels)}, services {list(arguments.services) or 'all'}"
        source = self._source(text).model_copy(update={"window": span})
        payload = Logs(groups=tuple(groups), total=len(now))
        return Answer(payload, source, truncated=reader.truncated)

    @tool("Log lines that hold a text, with file and line number.", returns=[EvidenceKind.ROWS])
    async def search_logs(self, arguments: TextArguments, ask: Ask) -> Answer:
        reader = Reader(self.config.max_log_bytes)
        files = (await self._scan()).logs
        limits = ask.limits.model_copy(update={"max_rows": min(arguments.limit, ask.limits.max_rows)})
        work = functools.partial(_search, reader, files, arguments, ask.window, limits)
        table = await asyncio.to_thread(work)
        note = "; ".join(filter(None, (table.truncated, reader.truncated))) or None
        source = self._source(f"log files: {arguments.text}").model_copy(update={"window": ask.window})
        return Answer(table.payload(), source, truncated=note, bytes=table.bytes)

    @tool("Series of the tables that have a column of time, with a baseline before.", returns=[EvidenceKind.SERIES])
    async def get_metrics(self, arguments: MetricArguments, ask: Ask) -> Answer:
        span = ask.span
        wide = TimeWindow(start=span.start - timedelta(minutes=arguments.baseline_minutes), end=span.end)
        found = await self._scan()
        read = functools.partial(_series, found.tables, wide, ask.limits)
        all_series, texts, note = await self._engine.run(found.tables, read)
        words, services = arguments.small, set(arguments.services)
        kept = [s for s in all_series if not words or any(word in s.metric.lower() for word in words)]
        kept = [s for s in kept if not services or s.service in services]
        source = SourceRef(query=";\n".join(texts) or "no table has a time", language="duckdb", window=wide)
        return Answer(SeriesSet(series=tuple(kept)), source, truncated=note)

    async def _scan(self) -> folder.Folder:
        return await asyncio.to_thread(folder.scan, self.config, self.name)

    async def _tables(self) -> tuple[list[engine.Table], str | None]:
        found = await self._scan()
        tables = await self._engine.run(found.tables, lambda connection: list(engine.views(connection, found.tables)))
        return tables, found.truncated

    def _source(self, text: str) -> SourceRef:
        return SourceRef(query=text, language="files")


def _query(files: Sequence[folder.File], sql: str, limits: Limits, connection: Any) -> TableBuilder:
    list(engine.views(connection, files))
    return engine.select(connection, sql, limits)


def _item(file: folder.File, *, columns: int | None = None, problem: str | None = None) -> Item:
    told: dict[str, Any] = {
        "table": file.table,
        "bytes": file.bytes,
        "modified": file.modified.isoformat(),
        "columns": columns,
        "problem": problem,
    }
    return Item(api_kind="File" if file.table else "LogFile", name=file.name, fields=told)


def _window_lines(
    reader: Reader, files: Sequence[folder.File], span: TimeWindow, services: frozenset[str], levels: frozenset[str]
) -> tuple[list[LogLine], list[LogLine]]:
    """Lines of the window, and of the equal span before it."""
    now: list[LogLine] = []
    before: list[LogLine] = []
    earlier = span.before()
    for _, _, line in reader.lines(files):
        if line.at is None or line.level not in levels or (services and line.service not in services):
            continue
        if span.start <= line.at < span.end:
            now.append(line)
        elif earlier.start <= line.at < earlier.end:
            before.append(line)
    return now, before


def _search(
    reader: Reader, files: Sequence[folder.File], arguments: TextArguments, span: TimeWindow | None, limits: Limits
) -> TableBuilder:
    columns = [Column(name=name, type="text") for name in ("at", "service", "level", "message", "file", "line")]
    table = TableBuilder(columns, limits)
    services = set(arguments.services)
    for file, number, line in reader.lines(files):
        if arguments.text not in line.message or (services and line.service not in services):
            continue
        if span is not None and line.at is not None and not span.start <= line.at < span.end:
            continue
        if not table.add((line.at, line.service, line.level, line.message, file.name, number)):
            break
    return table


def _series(
    files: Sequence[folder.File], span: TimeWindow, limits: Limits, connection: Any
) -> tuple[list[Series], list[str], str | None]:
    found: list[Series] = []
    texts: list[str] = []
    note: str | None = None
    most = limits.max_points * 20
    for table in engine.views(connection, files):
        kind = series.shape(table.columns)
        if kind is None:
            continue
        sql = series.query(table.file.table or "", kind)
        rows = connection.execute(sql, [span.start, span.end]).fetchmany(most)
        note = f"first {most:,} rows of a table" if len(rows) == most else note
        texts.append(sql)
        found += series.build(rows, kind)
    return found, texts, note
