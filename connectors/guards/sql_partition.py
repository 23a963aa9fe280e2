"""BigQuery bills by bytes scanned: a base table is read with a filter on its partition or time column."""

from __future__ import annotations

import re

from sqlglot import exp

from connectors.guards.model import RefusalError
from connectors.guards.sql_census import Census

_TIME_NAME = re.compile(
    r"(^|_)(ts|time|timestamp|date|day|dt|datetime|hour|month|week|year|at|on|partition\w*|ingest\w*|suffix|created|updated|"
    r"occurred|event_?time|started|ended|start|end|received|published|modified|when)($|_)|time$|date$|timestamp$",
    re.IGNORECASE,
)
_TIME_NODES = (
    exp.CurrentDate,
    exp.CurrentTimestamp,
    exp.CurrentDatetime,
    exp.Date,
    exp.Timestamp,
    exp.TimestampSub,
    exp.DateSub,
)
_DATE_TEXT = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


def check_partition_filter(census: Census) -> None:
    """Refuse a SELECT over base tables none of whose conditions speak of time or partition."""
    ctes = {cte.alias.lower() for cte in census.of(exp.CTE)}
    for select in census.of(exp.Select):
        if _scans(select, ctes) and not _is_filtered(select):
            raise RefusalError(
                "The table would be scanned whole. Filter on its partition or time column, "
                "for example DATE(ts) = CURRENT_DATE()."
            )


def _scans(select: exp.Select, ctes: set[str]) -> bool:
    source = select.args.get("from_")
    return source is not None and isinstance(source.this, exp.Table) and _is_base(source.this, ctes)


def _is_base(table: exp.Table, ctes: set[str]) -> bool:
    if not isinstance(table.this, exp.Identifier):
        return False
    if not table.db and table.name.lower() in ctes:
        return False
    parts = re.split(r"[.`]+", table.sql(dialect="bigquery").lower())
    return "information_schema" not in parts and table.name.lower() != "__tables__"


def _is_filtered(select: exp.Select) -> bool:
    where = select.args.get("where")
    conditions = [where.this] if where is not None else []
    conditions += [join.args["on"] for join in select.args.get("joins") or () if join.args.get("on") is not None]
    for condition in conditions:
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            if _bounds_time(part):
                return True
    return False


def _bounds_time(part: exp.Expr) -> bool:
    if isinstance(part, exp.Paren):
        return any(
            _bounds_time(inner)
            for inner in ([part.this] if not isinstance(part.this, exp.And) else part.this.flatten())
        )
    if isinstance(part, exp.Or):
        return all(_bounds_time(inner) for inner in part.flatten())
    if not isinstance(part, _COMPARISONS):
        return False
    columns = list(part.find_all(exp.Column))
    if not columns:
        return False
    timed = any(_TIME_NAME.search(column.name) for column in columns)
    dated = any(isinstance(node, _TIME_NODES) for node in part.walk())
    return (
        timed
        or dated
        or any(_DATE_TEXT.search(str(text.this)) for text in part.find_all(exp.Literal) if text.is_string)
    )
