"""A small part of ES|QL, run over flat documents: FROM, WHERE, STATS BY, EVAL (division), SORT, LIMIT, KEEP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.support.elasticsearch_query import RefusedError, instant

Row = dict[str, Any]
_NAME = r"[`@\w.]+"
_COMPARE = re.compile(rf'^({_NAME})\s*(==|!=|>=|<=|>|<)\s*(\?|"(?:[^"\\]|\\.)*"|-?[\d.]+)$')
_IN = re.compile(rf"^({_NAME})\s+IN\s+\(([?, ]+)\)$", re.IGNORECASE)
_KNOWN = re.compile(rf"^({_NAME})\s+IS\s+NOT\s+NULL$", re.IGNORECASE)
_AGGREGATE = re.compile(rf"^({_NAME})\s*=\s*(COUNT|SUM|MAX|MIN|AVG)\s*\(\s*(\*|{_NAME})\s*\)$", re.IGNORECASE)
_DIVIDE = re.compile(rf"^({_NAME})\s*=\s*({_NAME})\s*/\s*({_NAME})$")


def run_pipeline(body: Any, indexed: Callable[[str], list[Row]]) -> Any:
    """The answer of `POST /_query`: columns with types, and values."""
    params = list(body.get("params", []))
    rows: list[Row] = []
    columns: list[str] = []
    for step in body["query"].split("|"):
        command, _, rest = step.strip().partition(" ")
        rest = rest.strip()
        match command.upper():
            case "ROW":
                name, _, value = rest.partition("=")
                rows = [{name.strip(): int(value)}]
            case "FROM":
                rows = indexed(re.split(r"\s+METADATA\s+", rest, flags=re.IGNORECASE)[0].strip().strip('"'))
            case "WHERE":
                for part in re.split(r"\s+AND\s+", rest, flags=re.IGNORECASE):
                    rows = _where(part.strip(), rows, params)
            case "STATS":
                rows, columns = _stats(rest, rows)
            case "EVAL":
                rows = [_eval(rest, row) for row in rows]
                columns = [*columns, rest.partition("=")[0].strip()] if columns else columns
            case "SORT":
                rows = _sort(rest, rows)
            case "LIMIT":
                rows = rows[: int(rest)]
            case "KEEP":
                columns = [_plain(name) for name in rest.split(",")]
            case _:
                raise _bad(f"mismatched input '{command}'")
    names = columns or sorted({name for row in rows for name in row})
    values = [[row.get(name) for name in names] for row in rows]
    return {"took": 1, "columns": [{"name": n, "type": _type(rows, n)} for n in names], "values": values}


def _bad(reason: str) -> RefusedError:
    return RefusedError(400, "parsing_exception", reason)


def _plain(name: str) -> str:
    return name.strip().strip("`")


def _where(part: str, rows: list[Row], params: list[Any]) -> list[Row]:
    if known := _KNOWN.match(part):
        return [row for row in rows if row.get(_plain(known[1])) is not None]
    if among := _IN.match(part):
        allowed = {str(params.pop(0)) for _ in range(among[2].count("?"))}
        return [row for row in rows if str(row.get(_plain(among[1]))) in allowed]
    found = _COMPARE.match(part)
    if not found:
        raise _bad(f"mismatched input '{part}'")
    field, operator, literal = _plain(found[1]), found[2], found[3]
    wanted: Any = params.pop(0) if literal == "?" else literal.strip('"')
    if field == "@timestamp":
        return [row for row in rows if _holds(operator, instant(row[field]), instant(wanted))]
    if not isinstance(wanted, str) or re.fullmatch(r"-?\d+(\.\d+)?", wanted):
        return [
            row for row in rows if row.get(field) is not None and _holds(operator, float(row[field]), float(wanted))
        ]
    return [row for row in rows if row.get(field) is not None and _holds(operator, str(row[field]), wanted)]


def _holds(operator: str, left: Any, right: Any) -> bool:
    results = {"==": left == right, "!=": left != right, ">": left > right, "<": left < right}
    results |= {">=": left >= right, "<=": left <= right}
    return bool(results[operator])


def _stats(rest: str, rows: list[Row]) -> tuple[list[Row], list[str]]:
    parts = re.split(r"\s+BY\s+", rest, maxsplit=1, flags=re.IGNORECASE)
    aggregates, by = parts[0], parts[1] if len(parts) > 1 else ""
    keys = [_plain(key) for key in by.split(",") if key.strip()]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    parsed = [_AGGREGATE.match(part.strip()) for part in aggregates.split(",")]
    names = [_plain(found[1]) for found in parsed if found]
    if len(names) != len(parsed):
        raise _bad(f"mismatched input '{aggregates}'")
    made: list[Row] = []
    for key, members in groups.items():
        row = {_plain(f[1]): _aggregate(f[2].upper(), _plain(f[3]), members) for f in parsed if f}
        made.append(row | dict(zip(keys, key, strict=True)))
    return made, [*names, *keys]


def _aggregate(kind: str, field: str, rows: list[Row]) -> Any:
    if field == "*":
        return len(rows)
    values = [row[field] for row in rows if row.get(field) is not None]
    if kind == "COUNT":
        return len(values)
    if not values:
        return None
    return {"SUM": sum, "MAX": max, "MIN": min, "AVG": lambda v: sum(v) / len(v)}[kind](values)


def _eval(rest: str, row: Row) -> Row:
    found = _DIVIDE.match(rest)
    if not found:
        raise _bad(f"mismatched input '{rest}'")
    over, under = row.get(_plain(found[2])), row.get(_plain(found[3]))
    return {**row, _plain(found[1]): over / under if over is not None and under else None}


def _sort(rest: str, rows: list[Row]) -> list[Row]:
    for part in reversed(rest.split(",")):
        name, _, order = part.strip().partition(" ")
        rows = _sorted_by(rows, _plain(name), descending="desc" in order.lower())
    return rows


def _sorted_by(rows: list[Row], name: str, *, descending: bool) -> list[Row]:
    return sorted(rows, key=lambda row: (row.get(name) is None, row.get(name)), reverse=descending)


def _type(rows: list[Row], name: str) -> str:
    value = next((row[name] for row in rows if row.get(name) is not None), None)
    kinds = {int: "long", float: "double", bool: "boolean"}
    return kinds.get(type(value), "date" if name == "@timestamp" else "keyword")
