"""Refuses cross joins of large relations: two or more that no condition ties together."""

from __future__ import annotations

from sqlglot import exp

from connectors.guards.model import RefusalError
from connectors.guards.sql_census import Census

_ONE_ROW = frozenset({"pg_stat_bgwriter", "pg_stat_archiver", "pg_stat_wal", "pg_stat_checkpointer", "one", "dual"})
MAX_LIGHT = 1_000


def check_joins(census: Census, *, dialect: str) -> None:
    """Refuse a SELECT in which large relations are not tied by a condition."""
    heavy_ctes = {cte.alias.lower(): _is_heavy_query(cte.this, {}) for cte in census.of(exp.CTE)}
    for select in census.of(exp.Select):
        if _loose(select, heavy_ctes, pins=dialect != "bigquery") >= 2:
            raise RefusalError(
                "Large tables are cross-joined without a condition. Add ON or WHERE conditions that tie them."
            )


def _loose(select: exp.Select, ctes: dict[str, bool], *, pins: bool) -> int:
    source = select.args.get("from_")
    joins = select.args.get("joins") or []
    if source is None or (not joins and not source.this.args.get("joins")):
        return 0
    joins = [*joins, *(source.this.args.get("joins") or [])]
    items = [source.this, *(join.this for join in joins)]
    heavy = [_is_heavy(item, ctes) for item in items]
    if sum(heavy) < 2:
        return 0
    groups = list(range(len(items)))
    names = {item.alias_or_name.lower(): index for index, item in enumerate(items)}
    for index, join in enumerate(joins, start=1):
        natural = str(join.args.get("method") or "").upper() in {"NATURAL", "ASOF"}
        if join.args.get("using") or natural or _is_correlated(items[index]):
            _tie(groups, 0, index)
    pinned = _apply_conditions(select, joins, groups, names)
    pinned = pinned if pins else []
    loose = {_root(groups, i) for i, is_heavy in enumerate(heavy) if is_heavy}
    return len(loose - {_root(groups, i) for i in pinned if i >= 0}) - sum(1 for i in pinned if i < 0)


def _is_correlated(item: exp.Expr) -> bool:
    return isinstance(item, exp.Lateral | exp.Unnest)


def _root(groups: list[int], index: int) -> int:
    while groups[index] != index:
        index = groups[index]
    return index


def _tie(groups: list[int], left: int, right: int) -> None:
    groups[_root(groups, right)] = _root(groups, left)


def _apply_conditions(select: exp.Select, joins: list[exp.Join], groups: list[int], names: dict[str, int]) -> list[int]:
    """Tie relations that a condition compares; return those a constant pins down (-1: one unnamed)."""
    pinned: list[int] = []
    where = select.args.get("where")
    conditions: list[tuple[int | None, exp.Expr | None]] = [(None, where.this if where is not None else None)]
    conditions += [(index, join.args.get("on")) for index, join in enumerate(joins, start=1)]
    for index, condition in conditions:
        if condition is None:
            continue
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            _apply(part, index, groups, names, pinned)
    return pinned


def _apply(part: exp.Expr, index: int | None, groups: list[int], names: dict[str, int], pinned: list[int]) -> None:
    columns = list(part.find_all(exp.Column))
    found = sorted({names[column.table.lower()] for column in columns if column.table.lower() in names})
    for other in found[1:]:
        _tie(groups, found[0], other)
    if len(found) < 2 and sum(not column.table for column in columns) >= (1 if found else 2):
        free = {_root(groups, i) for i in range(len(groups))} - {_root(groups, i) for i in found}
        target = index if index is not None else max(free, default=None)
        if target is not None:
            other = (
                found[0]
                if found and found[0] != target
                else next((i for i in range(len(groups)) if _root(groups, i) != _root(groups, target)), target)
            )
            _tie(groups, other, target)
    if isinstance(part, exp.EQ) and len(columns) == 1:
        pinned.append(found[0] if found else -1)


def _is_heavy(item: exp.Expr, ctes: dict[str, bool]) -> bool:
    if isinstance(item, exp.Subquery):
        return _is_heavy_query(item.this, ctes)
    if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
        return False
    name = item.name.lower()
    if not item.db and name in ctes:
        return ctes[name]
    return name not in _ONE_ROW


def _is_heavy_query(query: exp.Expr, ctes: dict[str, bool]) -> bool:
    if isinstance(query, exp.SetOperation):
        return _is_heavy_query(query.this, ctes) or _is_heavy_query(query.expression, ctes)
    if not isinstance(query, exp.Select):
        return isinstance(query, exp.Subquery) and _is_heavy_query(query.this, ctes)
    limit = query.args.get("limit")
    count = getattr(limit, "expression", None) or (limit.args.get("count") if limit is not None else None)
    if isinstance(count, exp.Literal) and not count.is_string and float(count.this) <= MAX_LIGHT:
        return False
    if query.args.get("group") or query.args.get("distinct"):
        return False
    if any(projection.find(exp.AggFunc) is not None for projection in query.expressions):
        return False
    source = query.args.get("from_")
    return source is not None and _is_heavy(source.this, ctes)
