"""A recursive CTE must say where it stops."""

from __future__ import annotations

from sqlglot import exp

from connectors.guards.model import RefusalError
from connectors.guards.sql_census import Census

MAX_STEPS = 1_000_000


def check_recursion(census: Census) -> None:
    """Refuse recursion whose recursive arm has no upper bound, or that multiplies its rows."""
    for cte in census.of(exp.CTE):
        name = cte.alias.lower()
        if not isinstance(cte.this, exp.SetOperation):
            continue
        for arm in _arms(cte.this):
            if any(table.name.lower() == name for table in arm.find_all(exp.Table)):
                _check_arm(arm, name)


def _arms(node: exp.Expr) -> list[exp.Select]:
    if isinstance(node, exp.SetOperation):
        return [*_arms(node.this), *_arms(node.expression)]
    if isinstance(node, exp.Subquery | exp.Paren):
        return _arms(node.this)
    return [node] if isinstance(node, exp.Select) else []


def _check_arm(arm: exp.Select, name: str) -> None:
    tables = list(arm.find_all(exp.Table))
    if sum(table.name.lower() == name for table in tables) > 1:
        raise RefusalError(f"The recursive query '{name[:30]}' reads itself twice. Read it once.")
    joins = arm.args.get("joins") or []
    for join in joins:
        linked = join.args.get("on") or join.args.get("using") or arm.args.get("where")
        if not linked or (isinstance(join.this, exp.Values | exp.Unnest)):
            raise RefusalError(f"The recursive query '{name[:30]}' multiplies its rows. Join with a condition.")
    if any(table.name.lower() != name and isinstance(table.this, exp.Identifier) for table in tables) and joins:
        return
    where = arm.args.get("where")
    if where is None or not any(_is_bound(node, arm) for node in where.find_all(exp.Predicate)):
        raise RefusalError(f"The recursive query '{name[:30]}' has no upper bound. Add one, such as WHERE n < 100.")


def _is_bound(node: exp.Expr, arm: exp.Select) -> bool:
    if node.find_ancestor(exp.Or, exp.Not) is not None:
        return False
    if isinstance(node, exp.Between | exp.In | exp.EQ):
        return node.this.find(exp.Column) is not None and _small(node)
    if isinstance(node, exp.LT | exp.LTE):
        column, bound = node.this, node.expression
    elif isinstance(node, exp.GT | exp.GTE):
        column, bound = node.expression, node.this
    else:
        return False
    if column.find(exp.Column) is not None and not isinstance(column, exp.Literal):
        return _small(bound)
    falls = any(projection.find(exp.Sub) is not None for projection in arm.expressions)
    return falls and bound.find(exp.Column) is not None


def _small(node: exp.Expr) -> bool:
    return all(float(literal.this) <= MAX_STEPS for literal in node.find_all(exp.Literal) if not literal.is_string)
