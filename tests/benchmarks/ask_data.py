"""Reads a set of questions: schemas and rows or series by source, in the shapes that docs/ask.md describes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.reasoning.ask.ddl import tables_of
from bot.reasoning.ask.model import Holding, Kind, Metric, Table
from tests.benchmarks.ask_engines import Engine, PromqlEngine, SqlEngine

_METRIC_SOURCES = ("prometheus", "promql", "metrics")
_FEW_VALUES = 200


@dataclass
class Set:
    """`sources` maps a source's name to what it holds and where its queries run."""

    now: datetime
    questions: list[dict[str, Any]]
    sources: dict[str, tuple[Holding, Engine]] = field(default_factory=dict)

    def source(self, name: str | None) -> tuple[Holding, Engine]:
        """By full name, by the part before or after the slash, else the only one."""
        if name in self.sources:
            return self.sources[str(name)]
        for known in self.sources:
            if name and name in (*known.split("/"), self.sources[known][0].language, self.sources[known][0].dialect):
                return self.sources[known]
        if name:
            kind = "promql" if str(name).split("/")[0] in _METRIC_SOURCES else "sql"
            fitting = [known for known, (holding, _) in self.sources.items() if holding.language == kind]
            if len(fitting) == 1:
                return self.sources[fitting[0]]
        if len(self.sources) == 1:
            return next(iter(self.sources.values()))
        raise KeyError(f"no source {name!r} in this set; known: {', '.join(self.sources)}")


def load(path: Path) -> Set:
    """The set of a file; ValueError names what is wrong with it."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    schema, data = raw["schema"], raw.get("data") or {}
    by_source = _by_source(schema, [q.get("source") for q in raw["questions"]])
    single = len(by_source) == 1
    made: dict[str, tuple[Holding, Engine]] = {}
    latest: list[datetime] = []
    for name, described in by_source.items():
        rows = data.get(name) if isinstance(data, dict) and name in data else data if single else _part(data, name)
        if _is_metrics(name, described):
            holding, engine, newest = _metrics(described, rows)
        else:
            holding, engine, newest = _tables(name, described, rows or {}, raw.get("dialect"))
        made[name] = (holding, engine)
        latest += [newest] if newest else []
    now = _time(raw["now"]) if raw.get("now") else max(latest, default=datetime.now(UTC))
    return Set(now=now, questions=list(raw["questions"]), sources=made)


def _part(data: Any, name: str) -> Any:
    kinds = name.split("/")
    return next((data[k] for k in kinds if isinstance(data, dict) and k in data), {})


def _by_source(schema: Any, asked: Iterable[str | None]) -> dict[str, Any]:
    """One description a source; a bare description belongs to the only source asked."""
    names = list(dict.fromkeys(name for name in asked if name))
    if isinstance(schema, dict) and not {"ddl", "tables", "metrics", "dialect", "sql"} & set(schema):
        return dict(schema)
    return {names[0] if len(names) == 1 else "main": schema}


def _is_metrics(name: str, described: Any) -> bool:
    if isinstance(described, dict):
        return "metrics" in described or (
            not {"ddl", "tables", "sql"} & set(described) and name.split("/", maxsplit=1)[0] in _METRIC_SOURCES
        )
    return isinstance(described, list) and bool(described) and isinstance(described[0], dict) and "type" in described[0]


def _tables(name: str, described: Any, rows: Any, dialect: str | None) -> tuple[Holding, Engine, datetime | None]:
    about: Mapping[str, Any] = described if isinstance(described, dict) else {"ddl": described}
    spoken = about.get("dialect") or dialect or _dialect_of(name)
    ddl = about.get("ddl") or about.get("sql") or ""
    tables = tables_of(";\n".join(ddl) if isinstance(ddl, list) else ddl, spoken) if ddl else _listed(about["tables"])
    engine = SqlEngine(tables, dialect=spoken)
    engine.load(rows.get("tables", rows) if isinstance(rows, dict) else rows)
    known = tuple(_with_values(table, engine) for table in tables)
    return Holding("sql", engine.dialect_for(spoken), tables=known), engine, engine.newest()


def _dialect_of(name: str) -> str:
    kind = name.split("/", maxsplit=1)[0].lower()
    return {"postgresql": "postgres", "mariadb": "mysql"}.get(kind, kind) if kind in _DIALECTS else "duckdb"


_DIALECTS = ("postgresql", "postgres", "mysql", "mariadb", "sqlite", "duckdb", "clickhouse", "bigquery", "mssql")


def _listed(tables: Any) -> tuple[Table, ...]:
    """Tables given as {name: {column: type}} or {name: ["column type …"]}."""
    parts = []
    for name, columns in tables.items() if isinstance(tables, dict) else ((t["name"], t["columns"]) for t in tables):
        listed = [f"{c} {kind}" for c, kind in columns.items()] if isinstance(columns, dict) else columns
        parts.append(f"CREATE TABLE {name} ({', '.join(c if isinstance(c, str) else _spelt(c) for c in listed)})")
    return tables_of(";\n".join(parts), "postgres")


def _spelt(column: Mapping[str, Any]) -> str:
    refers = column.get("references")
    key = " PRIMARY KEY" if column.get("primary_key") else ""
    return f"{column['name']} {column.get('type', 'text')}{key}{f' REFERENCES {refers}' if refers else ''}"


def _with_values(table: Table, engine: SqlEngine) -> Table:
    columns = []
    for column in table.columns:
        values = engine.values(table, column, most=_FEW_VALUES) if column.kind is Kind.TEXT else ()
        columns.append(replace(column, values=values))
    return replace(table, columns=tuple(columns))


def _metrics(described: Any, rows: Any) -> tuple[Holding, Engine, datetime | None]:
    listed = described.get("metrics", described) if isinstance(described, dict) else described
    series = rows.get("series", rows.get("metrics", [])) if isinstance(rows, dict) else rows or []
    engine = PromqlEngine([_series(entry) for entry in series])
    labels = engine.labels()
    metrics = []
    entries = listed.items() if isinstance(listed, dict) else ((entry["name"], entry) for entry in listed)
    for name, about in entries:
        seen = {k: v for family in (name, f"{name}_bucket", f"{name}_count") for k, v in labels.get(family, {}).items()}
        given = about.get("labels") or {}
        stated = {k: tuple(map(str, v)) for k, v in given.items()} if isinstance(given, dict) else {}
        metrics.append(
            Metric(name, about.get("type", ""), about.get("help", ""), {**seen, **stated}, about.get("unit", ""))
        )
    return Holding("promql", "promql", metrics=tuple(metrics)), engine, engine.newest()


def _series(entry: Mapping[str, Any]) -> tuple[dict[str, str], list[tuple[float, float]]]:
    labels = {k: str(v) for k, v in (entry.get("labels") or {}).items()}
    name = entry.get("metric") or entry.get("name")
    if isinstance(name, dict):
        labels |= {k: str(v) for k, v in name.items()}
    elif name:
        labels["__name__"] = str(name)
    values = entry.get("points") or entry.get("values") or entry.get("samples") or []
    if values and not isinstance(values[0], (list, tuple)):
        start, step = _time(entry["start"]), float(entry.get("step_s") or entry.get("step") or 60)
        values = [(start + timedelta(seconds=step * i), v) for i, v in enumerate(values)]
    return labels, [(_time(at).timestamp(), float(v)) for at, v in values if v is not None]


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    parsed = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
