"""A small NRQL: SELECT, FROM, WHERE, FACET, TIMESERIES, LIMIT, ORDER BY, SINCE, UNTIL over lists of events."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Event = Mapping[str, Any]
Test = Callable[[Event], bool]
_TOKEN = re.compile(r"\s*('(?:\\.|[^'\\])*'|`[^`]*`|[\w.]+|!=|<=|>=|[=<>(),*])", re.DOTALL)
_CLAUSES = ("SELECT", "FROM", "WHERE", "FACET", "TIMESERIES", "LIMIT", "ORDER", "SINCE", "UNTIL")


class NrqlError(Exception):
    """What New Relic says of a query it cannot read."""


class Column(NamedTuple):
    alias: str
    function: str
    attribute: str
    ranks: tuple[int, ...] = ()
    test: Test | None = None


def run(query: str, events: Mapping[str, Sequence[Event]]) -> list[dict[str, Any]]:
    """The results as NerdGraph gives them."""
    clauses = _clauses(_tokens(query))
    if "SELECT" not in clauses or "FROM" not in clauses:
        raise NrqlError("NRQL Syntax Error: Error at line 1 position 1, unexpected token")
    start, end = int(clauses["SINCE"][0]), int(clauses["UNTIL"][0])
    test = _where(clauses.get("WHERE", []))
    kinds = [token for token in clauses["FROM"] if token != ","]
    found = [e for kind in kinds for e in events.get(kind, ()) if start <= e["timestamp"] < end and test(e)]
    columns, limit = _columns(clauses["SELECT"]), int(clauses.get("LIMIT", ["10"])[0])
    if limit > 5_000:
        raise NrqlError("NRQL Syntax Error: LIMIT must be at most 5000")
    if columns[0].function == "":
        oldest = clauses.get("ORDER", [])[-1:] == ["ASC"]
        found.sort(key=lambda event: event["timestamp"], reverse=not oldest)
        return [_picked(columns, event) for event in found[:limit]]
    return _grouped(clauses, columns, found, (start, end, limit))


def _grouped(
    clauses: Mapping[str, list[str]], columns: list[Column], found: list[Event], span: tuple[int, int, int]
) -> list[dict[str, Any]]:
    start, end, limit = span
    facet = _plain(clauses["FACET"][0]) if "FACET" in clauses else None
    groups: dict[Any, list[Event]] = {}
    for event in found:
        if facet is None or event.get(facet) is not None:
            groups.setdefault(event[facet] if facet else None, []).append(event)
    if facet is None:
        groups.setdefault(None, [])
    ordered = sorted(groups.items(), key=lambda pair: -len(pair[1]))[:limit]
    results = []
    for key, group in ordered:
        head = {} if facet is None else {"facet": key, facet: key}
        if "TIMESERIES" not in clauses:
            results.append({**head, **_computed(columns, group)})
            continue
        step = int(clauses["TIMESERIES"][0]) * 1000
        if (end - start) / step > 366:
            raise NrqlError("TIMESERIES: too many buckets, at most 366")
        slots: dict[int, list[Event]] = {}
        for event in group:
            slots.setdefault((event["timestamp"] - start) // step, []).append(event)
        for at in range(start, end, step):
            inside = slots.get((at - start) // step, [])
            times = {"beginTimeSeconds": at / 1000, "endTimeSeconds": (at + step) / 1000}
            results.append({**head, **times, **_computed(columns, inside)})
    return results


def _tokens(query: str) -> list[str]:
    found, at = [], 0
    while query[at:].strip():
        match = _TOKEN.match(query, at)
        if match is None:
            raise NrqlError(f"NRQL Syntax Error: Error at line 1 position {at}, unexpected '{query[at]}'")
        found.append(match[1])
        at = match.end()
    return found


def _clauses(tokens: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    current, depth = "", 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth == 0 and token.upper() in _CLAUSES:
            current = token.upper()
            found[current] = []
        elif current and token.upper() != "BY":
            found[current].append(token)
    return found


def _columns(tokens: list[str]) -> list[Column]:
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [_column(part) for part in parts]


def _column(part: list[str]) -> Column:
    alias = _plain(part[-1]) if len(part) > 2 and part[-2].upper() == "AS" else ""
    body = part[:-2] if alias else part
    if len(body) == 1:
        return Column(alias or _plain(body[0]), "", _plain(body[0]))
    function, inner = body[0].lower(), body[2:-1]
    if function == "filter":
        where = [token.upper() for token in inner].index("WHERE")
        return Column(alias or "filter", "count", "*", test=_where(inner[where + 1 :]))
    ranks = tuple(int(token) for token in inner[1:] if token != ",")
    return Column(alias or f"{function}.{_plain(inner[0])}", function, _plain(inner[0]), ranks)


def _picked(columns: list[Column], event: Event) -> dict[str, Any]:
    if columns[0].attribute == "*":
        return dict(event)
    wanted = ["timestamp", *(column.attribute for column in columns)]
    return {name: event.get(name) for name in wanted}


def _computed(columns: list[Column], group: list[Event]) -> dict[str, Any]:
    return {column.alias: _value(column, group) for column in columns}


def _value(column: Column, group: list[Event]) -> Any:
    if column.test is not None:
        return sum(1 for event in group if column.test(event))
    held = [e for e in group if column.attribute == "*" or e.get(column.attribute) is not None]
    if column.function == "count":
        return len(held)
    if column.function == "latest":
        return max(held, key=lambda event: event["timestamp"])[column.attribute] if held else None
    values = sorted(float(event[column.attribute]) for event in held)
    if column.function == "percentile":
        return {str(r): values[min(len(values) - 1, len(values) * r // 100)] if values else 0 for r in column.ranks}
    if not values:
        return None
    return {"average": sum(values) / len(values), "max": values[-1], "min": values[0], "sum": sum(values)}[
        column.function
    ]


def _where(tokens: list[str]) -> Test:
    if not tokens:
        return lambda event: True
    test, rest = _either(tokens)
    if rest:
        raise NrqlError(f"NRQL Syntax Error: unexpected '{rest[0]}'")
    return test


def _either(tokens: list[str]) -> tuple[Test, list[str]]:
    tests, rest = _chain(tokens, "OR", lambda part: _chain(part, "AND", _condition, all), any)
    return tests, rest


def _chain(
    tokens: list[str], word: str, inner: Callable[[list[str]], tuple[Test, list[str]]], how: Callable[..., bool]
) -> tuple[Test, list[str]]:
    first, rest = inner(tokens)
    tests = [first]
    while rest and rest[0].upper() == word:
        one, rest = inner(rest[1:])
        tests.append(one)
    return (lambda event: how(test(event) for test in tests)), rest


def _condition(tokens: list[str]) -> tuple[Test, list[str]]:
    if tokens[0] == "(":
        test, rest = _either(tokens[1:])
        return test, rest[1:]
    lower = tokens[0].lower() == "lower"
    attribute = _plain(tokens[2] if lower else tokens[0])
    rest = tokens[4:] if lower else tokens[1:]

    def held(event: Event) -> str | None:
        value = event.get(attribute)
        return None if value is None else str(value).lower() if lower else str(value)

    operator = rest[0].upper()
    if operator == "IS":
        return (lambda event: event.get(attribute) is True), rest[2:]
    if operator == "IN":
        close = rest.index(")")
        wanted = {_plain(token) for token in rest[2:close] if token != ","}
        return (lambda event: held(event) in wanted), rest[close + 1 :]
    if operator == "LIKE":
        pattern = ".*".join(re.escape(part) for part in _plain(rest[1]).split("%"))
        return (lambda event: re.fullmatch(pattern, held(event) or "", re.DOTALL) is not None), rest[2:]
    if operator == "=":
        return (lambda event: held(event) == _plain(rest[1])), rest[2:]
    raise NrqlError(f"NRQL Syntax Error: unexpected '{rest[0]}'")


def _plain(token: str) -> str:
    if token.startswith("'"):
        return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)
    return token[1:-1] if token.startswith("`") else token
