"""Whether a query that a model wrote may be asked: by the guard's rules, and only of what the source holds."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

from bot.reasoning.ask.lexicon import is_secret
from bot.reasoning.ask.model import Holding
from connectors.guards import Refused, guard

_SQLGLOT = {"mssql": "tsql"}
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", re.IGNORECASE)
_WORDS = frozenset("and or unless bool offset by without on ignoring group_left group_right atan2 inf nan".split())
_FROM = re.compile(r"^\s*FROM\s+([^|]+?)\s*(?:METADATA\b[^|]*)?(?:\||$)", re.IGNORECASE)


def why_not(query: str, holding: Holding) -> str | None:
    """The reason why a query must not run, in a sentence; None when it may."""
    if not query.strip():
        return "There is no query."
    judged = guard(query, dialect=holding.dialect)
    if isinstance(judged, Refused):
        return judged.reason
    check = {"sql": _sql, "promql": _promql}.get(holding.language, _esql)
    return check(query, holding)


def _sql(query: str, holding: Holding) -> str | None:
    trees = sqlglot.parse(query, dialect=_SQLGLOT.get(holding.dialect, holding.dialect))
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        return "It is not one SELECT."
    tree = trees[0]
    made = {one.alias.lower() for one in tree.find_all(exp.CTE, exp.Subquery, exp.TableAlias) if one.alias}
    tables = {table.bare.lower(): table for table in holding.tables}
    read = {table.name.lower() for table in tree.find_all(exp.Table)} - made
    unknown = sorted(read - set(tables))
    if unknown or not read:
        return f"There is no table {unknown[0]}." if unknown else "It reads no table."
    columns = {c.name.lower() for name in read for c in tables[name].columns}
    named = {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
    for column in tree.find_all(exp.Column):
        if is_secret(column.name):
            return f"{column.name} is kept secret."
        if isinstance(column.this, exp.Star):
            continue
        if column.name.lower() not in columns | named | made:
            return f"There is no column {column.name}."
    hides = any(is_secret(name) for name in columns)
    if hides and any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)):
        return "A table holds columns that are kept secret. Name the columns instead of *."
    return None


def _promql(query: str, holding: Holding) -> str | None:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", _LABEL_LISTS.sub(" ", _STRINGS.sub(" ", query)))
    if "__name__" in query:
        return "Name the metric itself."
    found = [m.group(1) for m in re.finditer(r"(?<![\w.])([A-Za-z_:][\w:]*)(?!\w)(?!\s*\()", bare)]
    named = [name for name in found if name.lower() not in _WORDS]
    known = {metric.name for metric in holding.metrics}
    known |= {f"{metric.name}{part}" for metric in holding.metrics for part in ("_bucket", "_sum", "_count")}
    unknown = next((name for name in named if name not in known), None)
    if unknown or not named:
        return f"There is no metric {unknown}." if unknown else "It reads no metric."
    return None


def _esql(query: str, holding: Holding) -> str | None:
    match = _FROM.match(query)
    wanted = {name.strip().strip('"') for name in match.group(1).split(",")} if match else set()
    known = {index.name for index in holding.indices}
    if not wanted or wanted - known:
        return f"It must read one of: {', '.join(sorted(known)[:10])}."
    return None
