"""PromQL: parsed by promql-parser; every selector names something, no query multiplies without bound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from connectors.guards.model import Allowed, GuardLimits, RefusalError

_DEFAULT_STEP_S = 60.0
_MAX_K = 1_000


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the regenerated query; raise RefusalError otherwise."""
    import promql_parser

    _check_depth(text, limits.max_depth)
    try:
        tree = promql_parser.parse(text)
        written = _write(promql_parser, tree)
    except (ValueError, OverflowError) as error:
        raise RefusalError("The query is not PromQL. Check its spelling; durations look like 5m.") from error
    for node, subqueries in _nodes(tree):
        _check(promql_parser, node, subqueries, limits)
    return Allowed(written)


def _check_depth(text: str, most: int) -> None:
    depth = worst = signs = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        worst = max(worst, depth)
        signs = signs + 1 if char in "-+" else 0 if not char.isspace() else signs
        if worst > most or signs > 20:
            raise RefusalError(f"The query is nested deeper than {most}. Simplify it.")
    if any(ord(char) < 32 and char not in "\t\r\n" for char in text):
        raise RefusalError("The query holds control characters. Remove them.")
    if len(re.findall(r"\b(?:and|or|unless)\b|[-+*/%^<>=!]+", text, re.IGNORECASE)) > 300:
        raise RefusalError("The query chains too many operators. Simplify it.")


def _write(library: Any, tree: Any) -> str:
    written = str(tree)
    if library.parse(written).prettify() != tree.prettify():
        written = str(tree.prettify())
    return written


def _nodes(tree: Any) -> Iterator[tuple[Any, int]]:
    stack = [(tree, 0)]
    while stack:
        node, subqueries = stack.pop()
        yield node, subqueries
        inner = subqueries + (type(node).__name__ == "SubqueryExpr")
        for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
            child = getattr(node, name, None)
            if child is not None:
                stack.append((child, inner))
        stack.extend((child, inner) for child in getattr(node, "args", None) or ())


def _check(library: Any, node: Any, subqueries: int, limits: GuardLimits) -> None:
    kind = type(node).__name__
    if kind == "VectorSelector":
        _check_selector(library, node)
    elif kind == "MatrixSelector":
        _check_range(node.range.total_seconds(), limits)
    elif kind == "SubqueryExpr":
        _check_subquery(node, subqueries, limits)
    elif kind == "BinaryExpr":
        _check_join(library, node)
    elif kind == "AggregateExpr":
        _check_k(node)


def _check_selector(library: Any, node: Any) -> None:
    if node.matchers.or_matchers:
        raise RefusalError(
            "A selector joins its matchers with 'or', which servers read differently. Use two selectors."
        )
    if node.name:
        return
    if any(_narrows(library, matcher) for matcher in node.matchers.matchers):
        return
    raise RefusalError("A selector would read every series. Name a metric or match a label's value.")


def _narrows(library: Any, matcher: Any) -> bool:
    if matcher.op == library.MatchOp.Equal:
        return bool(matcher.value)
    if matcher.op != library.MatchOp.Re:
        return False
    branches = re.split(r"\|", re.sub(r"^\^?\(?(?:\?:)?|\)?\$?$", "", matcher.value))
    return all(re.search(r"[A-Za-z0-9]{2}", re.sub(r"\\.|\[[^\]]*\]|\{[^}]*\}", "", branch)) for branch in branches)


def _check_range(seconds: float, limits: GuardLimits) -> None:
    if seconds > limits.max_range_s:
        raise RefusalError(f"The range is longer than {limits.max_range_s // 86_400} days. Use a shorter one.")


def _check_subquery(node: Any, subqueries: int, limits: GuardLimits) -> None:
    if subqueries:
        raise RefusalError("A subquery inside a subquery multiplies its points. Use one subquery or a recording rule.")
    span_s = node.range.total_seconds()
    step_s = node.step.total_seconds() if node.step is not None else _DEFAULT_STEP_S
    _check_range(span_s, limits)
    if step_s <= 0 or span_s / step_s > limits.max_points:
        raise RefusalError(
            f"The subquery asks for more than {limits.max_points} points. Use a shorter range or a longer step."
        )


def _check_join(library: Any, node: Any) -> None:
    modifier = node.modifier
    cards = library.VectorMatchCardinality
    if modifier is None or modifier.card not in (cards.ManyToOne, cards.OneToMany):
        return
    matching = modifier.matching
    if matching is not None and (matching.labels or matching.type != library.LabelModifierType.Include):
        return
    one = node.rhs if modifier.card == cards.ManyToOne else node.lhs
    while type(one).__name__ in {"ParenExpr", "UnaryExpr"}:
        one = one.expr
    if not (type(one).__name__ == "AggregateExpr" and one.modifier is None):
        raise RefusalError("The join matches on no label, so every series meets every other. Name labels in on(…).")


def _check_k(node: Any) -> None:
    param = node.param
    if type(param).__name__ == "NumberLiteral" and float(str(param)) > _MAX_K:
        raise RefusalError(f"The count asked for is over {_MAX_K}. Use a smaller one.")
