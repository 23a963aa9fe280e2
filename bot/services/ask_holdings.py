"""What a source holds, read through the one gate and kept for ten minutes: the ground of every generated query."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.reasoning.ask.model import Column, Holding, Index, Metric, Table
from bot.reasoning.ask.promql_families import relevant
from connectors.model import Clock, Rows, SourceSchema

_KEPT_FOR = timedelta(minutes=10)
_MOST_FAMILIES = 8
# The tool that runs a generated query, its argument, the language of the templates and the guard's dialect.
TOOLS = {
    "postgresql": ("run_query", "sql", "sql", "postgres"),
    "mysql": ("run_query", "sql", "sql", "mysql"),
    "clickhouse": ("run_query", "sql", "sql", "clickhouse"),
    "bigquery": ("run_query", "sql", "sql", "bigquery"),
    "prometheus": ("query_instant", "promql", "promql", "promql"),
    "elasticsearch": ("run_esql", "query", "search", "esql"),
    "opensearch": ("run_query", "request", "search", "elasticsearch"),
}
_STATISTICS = (
    "SELECT schemaname, tablename, attname, CAST(most_common_vals AS TEXT) AS common FROM pg_stats "
    "WHERE n_distinct > 0 AND n_distinct <= 50 AND schemaname NOT IN ('pg_catalog', 'information_schema') LIMIT 900"
)
Run = Callable[[str, str, dict[str, object]], Awaitable[Rows | None]]
Describe = Callable[[str], Awaitable[SourceSchema | None]]


@dataclass
class Holdings:
    """`run(source, tool, arguments)` gives rows, or None when the source did not answer with any."""

    run: Run
    describe: Describe
    clock: Clock
    _kept: dict[str, tuple[datetime, Holding]] = field(default_factory=dict)
    _labels: dict[tuple[str, str], tuple[datetime, dict[str, tuple[str, ...]]]] = field(default_factory=dict)

    async def of(self, name: str, kind: str, question: str) -> Holding:
        """The holding, empty when the source did not say what it holds."""
        language, dialect = TOOLS[kind][2:]
        known = self._kept.get(name)
        if known is None or self.clock.now() - known[0] > _KEPT_FOR:
            holding = await self._read(name, language, dialect)
            if holding.tables or holding.metrics or holding.indices:
                self._kept[name] = (self.clock.now(), holding)
        else:
            holding = known[1]
        return await self._with_labels(name, holding, question) if language == "promql" else holding

    async def _read(self, name: str, language: str, dialect: str) -> Holding:
        if language == "sql":
            rows = await self.run(name, "search_schema", {"words": []})
            values = await self._common(name) if dialect == "postgres" and rows else {}
            return Holding("sql", dialect, tables=tables_from(rows, values) if rows else ())
        schema = await self.describe(name)
        if schema is None:
            return Holding(language, dialect)
        if language == "promql":
            metrics = tuple(
                Metric(e.name, "" if e.kind == "metric" else e.kind, e.description or "") for e in schema.entries
            )
            return Holding("promql", dialect, metrics=metrics, services=schema.services)
        logs = sorted((e for e in schema.entries if e.fields), key=lambda e: e.kind != "logs")
        indices = tuple(Index(e.name, e.fields) for e in logs)
        return Holding("search", dialect, indices=indices, services=schema.services)

    async def _common(self, name: str) -> dict[tuple[str, str, str], tuple[str, ...]]:
        """The few values of columns as the planner's statistics have them: nothing is scanned for it."""
        rows = await self.run(name, "run_query", {"sql": _STATISTICS})
        return {(str(r[0]), str(r[1]), str(r[2])): array_text(str(r[3] or "")) for r in rows.rows} if rows else {}

    async def _with_labels(self, name: str, holding: Holding, question: str) -> Holding:
        """Label values of the few families that the question can mean, from one instant look at each."""
        wanted = relevant(question, holding.metrics)[:_MOST_FAMILIES]
        labels = {metric.name: await self._labels_of(name, metric.name) for metric in wanted}
        metrics = tuple(replace(m, labels=labels.get(m.name, m.labels)) for m in holding.metrics)
        return replace(holding, metrics=metrics)

    async def _labels_of(self, source: str, metric: str) -> dict[str, tuple[str, ...]]:
        known = self._labels.get((source, metric))
        if known is not None and self.clock.now() - known[0] < _KEPT_FOR:
            return known[1]
        rows = await self.run(source, "query_instant", {"promql": metric})
        found: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows.rows if rows else ():
            for column, value in zip(rows.columns if rows else (), row, strict=True):
                if column.type == "label" and column.name != "__name__" and value:
                    found[column.name].add(str(value))
        labels = {label: tuple(sorted(values)) for label, values in found.items()}
        if rows is not None:
            self._labels[(source, metric)] = (self.clock.now(), labels)
        return labels


def tables_from(rows: Rows, values: dict[tuple[str, str, str], tuple[str, ...]]) -> tuple[Table, ...]:
    """Tables from the answer of `search_schema`; names are qualified only where two schemas share a bare one."""
    at = {column.name: i for i, column in enumerate(rows.columns)}
    grouped: dict[tuple[str, str], list[Column]] = {}
    for row in rows.rows:
        cell = {name: row[i] for name, i in at.items()}
        schema, table = str(cell.get("schema") or ""), str(cell["table"])
        refers = str(cell.get("refers_to") or "")
        other, _, key = refers.rpartition(".")
        column = Column(
            name=str(cell["column"]),
            type=str(cell["type"]),
            references=(other, key) if other else None,
            primary=cell.get("primary_key") in (True, 1, "PRI", "true"),
            values=values.get((schema, table, str(cell["column"])), ()) or enum_values(str(cell["type"])),
            comment=str(cell.get("comment") or ""),
        )
        grouped.setdefault((schema, table), []).append(column)
    twice = {t for _, t in grouped if sum(t == other for _, other in grouped) > 1}
    found = []
    for (schema, table), columns in grouped.items():
        if schema in ("information_schema", "pg_catalog", "past"):
            continue
        found.append(Table(f"{schema}.{table}" if table in twice and schema else table, tuple(columns)))
    return tuple(found)


def enum_values(declared: str) -> tuple[str, ...]:
    """MySQL spells the values of an enum in its type."""
    if not declared.lower().startswith("enum("):
        return ()
    return tuple(re.findall(r"'((?:[^']|'')*)'", declared))


def array_text(text: str) -> tuple[str, ...]:
    """PostgreSQL's `{a,"b c"}` as values."""
    inside = text.strip().removeprefix("{").removesuffix("}")
    return tuple(a.replace('\\"', '"') if a else b for a, b in re.findall(r'"((?:[^"\\]|\\.)*)"|([^,]+)', inside))
