"""Where the queries of a set run: DuckDB or SQLite in memory, or the demo's PromQL evaluator over given series."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
import sqlglot
from sqlglot import exp

from bot.demo.world.promql import Evaluator, RawSeries, Scalar, Vector
from bot.demo.world.promql.evaluate import matches
from bot.demo.world.promql.values import LOOKBACK_S
from bot.reasoning.ask.model import Column, Kind, Table
from bot.reasoning.ask.sql_values import from_table, identifier

Row = tuple[Any, ...]
_SQLGLOT = {"mssql": "tsql"}


class Engine(Protocol):
    """Runs one query at one instant."""

    def run(self, query: str, now: datetime) -> list[Row]: ...


class SqlEngine:
    """`dialect` is what queries are written in; they run in SQLite when it is that, else translated in DuckDB."""

    def __init__(self, tables: Sequence[Table], *, dialect: str) -> None:
        self._dialect = _SQLGLOT.get(dialect, dialect)
        self._home = "sqlite" if dialect == "sqlite" else "duckdb"
        self._tables = {t.name: t for t in tables} | {t.bare: t for t in tables}
        self._connection: Any = _sqlite() if self._home == "sqlite" else _duckdb()
        self._newest: datetime | None = None
        for schema in {t.name.rpartition(".")[0] for t in tables} - {""}:
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table in tables:
            self._connection.execute(_create(table, self._home))

    def dialect_for(self, wanted: str) -> str:
        """The dialect that the templates write: the set's own."""
        return wanted

    def load(self, data: Any) -> None:
        """Rows by table, as lists or objects; or INSERT statements as text."""
        if isinstance(data, str) or (isinstance(data, list) and data and isinstance(data[0], str)):
            text = data if isinstance(data, str) else ";\n".join(data)
            for statement in sqlglot.transpile(text, read=self._dialect, write=self._home):
                self._connection.execute(statement)
            return
        for name, rows in (data or {}).items():
            if rows:
                self._insert(self._tables[name], rows)

    def _insert(self, table: Table, rows: Any) -> None:
        if isinstance(rows, dict) and "rows" in rows:
            names, listed = list(rows.get("columns") or [c.name for c in table.columns]), rows["rows"]
        else:
            names = list(rows[0]) if isinstance(rows[0], dict) else [c.name for c in table.columns]
            listed = [[row.get(n) for n in names] if isinstance(row, dict) else row for row in rows]
        into = exp.Schema(this=from_table(table.name), expressions=[identifier(n) for n in names])
        marks = exp.Values(expressions=[exp.Tuple(expressions=[exp.Placeholder() for _ in names])])
        statement = exp.Insert(this=into, expression=marks).sql(dialect=self._home)
        self._connection.executemany(statement, [tuple(row) for row in listed])

    def values(self, table: Table, column: Column, *, most: int) -> tuple[str, ...]:
        """The values of a column when there are few, none otherwise."""
        here = exp.column(identifier(column.name))
        query = exp.select(here).distinct().from_(from_table(table.name)).where(here.copy().is_(exp.Null()).not_())
        found = self._connection.execute(query.limit(most + 1).sql(dialect=self._home)).fetchall()
        return tuple(sorted(str(row[0]) for row in found)) if len(found) <= most else ()

    def newest(self) -> datetime | None:
        """The latest time in any column, for sets that name no `now`."""
        found = []
        for table in {t.name: t for t in self._tables.values()}.values():
            for column in table.columns:
                if column.kind in (Kind.TIME, Kind.DATE):
                    query = exp.select(exp.Max(this=exp.column(identifier(column.name)))).from_(from_table(table.name))
                    value = self._connection.execute(query.sql(dialect=self._home)).fetchone()[0]
                    found += [_moment(value)] if value else []
        return max(found, default=None)

    def run(self, query: str, now: datetime) -> list[Row]:
        """Rows; the query is in the set's dialect."""
        trees = sqlglot.parse(query, dialect=self._dialect)
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            raise ValueError("not one query")
        tree = trees[0].transform(_frozen, now)
        return [tuple(row) for row in self._connection.execute(tree.sql(dialect=self._home)).fetchall()]


def _frozen(node: exp.Expr, now: datetime) -> exp.Expr:
    """A reference query that says "now" means the set's now."""
    if isinstance(node, (exp.CurrentTimestamp, exp.CurrentDatetime)):
        return exp.cast(exp.Literal.string(f"{now:%Y-%m-%d %H:%M:%S}"), "TIMESTAMP")
    if isinstance(node, exp.CurrentDate):
        return exp.cast(exp.Literal.string(f"{now:%Y-%m-%d}"), "DATE")
    return node


def _create(table: Table, home: str) -> str:
    definitions = []
    for column in table.columns:
        kind = exp.DataType.build(_plain_type(column), dialect="postgres")
        definitions.append(exp.ColumnDef(this=identifier(column.name), kind=kind))
    schema = exp.Schema(this=from_table(table.name), expressions=definitions)
    return exp.Create(this=schema, kind="TABLE").sql(dialect=home)


def _plain_type(column: Column) -> str:
    if column.kind is Kind.NUMBER:
        low = column.type.lower()
        return (
            "double precision"
            if any(w in low for w in ("numeric", "decimal", "real", "double", "float", "money"))
            else "bigint"
        )
    return {Kind.BOOL: "boolean", Kind.TIME: "timestamp", Kind.DATE: "date"}.get(column.kind, "text")


def _duckdb() -> Any:
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _sqlite() -> Any:
    return sqlite3.connect(":memory:")


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    parsed = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class PromqlEngine:
    """Series in memory; a sample answers for five minutes, as in Prometheus."""

    def __init__(self, series: Sequence[tuple[dict[str, str], list[tuple[float, float]]]]) -> None:
        self._series = []
        for labels, points in series:
            times = np.array([at for at, _ in sorted(points)], dtype=float)
            values = np.array([v for _, v in sorted(points)], dtype=float)
            self._series.append(RawSeries(labels, times, values, times + LOOKBACK_S))
        self._evaluator = Evaluator(self._select)

    def _select(self, matchers: Sequence[tuple[str, str, str]]) -> list[RawSeries]:
        return [s for s in self._series if matches(s.labels, matchers)]

    def labels(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Label values by metric."""
        found: dict[str, dict[str, set[str]]] = {}
        for series in self._series:
            family = found.setdefault(series.labels.get("__name__", ""), {})
            for name, value in series.labels.items():
                if name != "__name__":
                    family.setdefault(name, set()).add(value)
        return {metric: {k: tuple(sorted(v)) for k, v in labels.items()} for metric, labels in found.items()}

    def newest(self) -> datetime | None:
        """The latest sample's time."""
        latest = max((float(s.times[-1]) for s in self._series if len(s.times)), default=None)
        return datetime.fromtimestamp(latest, UTC) if latest is not None else None

    def run(self, query: str, now: datetime) -> list[Row]:
        """One row a sample: a dict of labels, then the value; samples that are not numbers are left out."""
        value = self._evaluator.evaluate(query, np.array([now.timestamp()]))
        if isinstance(value, Scalar):
            return [({}, float(value.values[0]))]
        if not isinstance(value, Vector):
            raise ValueError("not an instant vector")
        kept = [s for s in value.samples if s.there[0] and not np.isnan(s.values[0])]
        return [({k: v for k, v in s.labels.items() if k != "__name__"}, float(s.values[0])) for s in kept]


def plain(value: Any) -> Any:
    """A cell as comparable data."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return moment.date().isoformat() if moment.time() == time() else moment.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else value
