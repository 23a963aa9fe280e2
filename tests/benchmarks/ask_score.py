"""Compares what a query gave with what was expected: order does not matter, numbers have a tolerance."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

import itertools
import math
import re
from typing import Any

from tests.benchmarks.ask_engines import Row, plain

_CANNOT = {"cannot", "refused", "unsafe", "unanswerable", "none"}
_MOST_COLUMNS = 40


def is_cannot(expected: Any) -> bool:
    """Whether a question is meant not to be answered."""
    if isinstance(expected, dict):
        said = str(expected.get("outcome") or expected.get("verdict") or "").lower()
        return bool(expected.get("cannot")) or said in _CANNOT
    return expected is None or (isinstance(expected, str) and expected.strip().lower() in _CANNOT)


def reference(expected: Any, language: str) -> str | None:
    """The reference query, when the expectation is one."""
    if isinstance(expected, dict):
        found = next((expected[k] for k in ("query", "sql", "promql", "reference") if k in expected), None)
        return str(found) if found is not None else None
    if isinstance(expected, str) and (language == "promql" or re.match(r"\s*(?:select|with)\b", expected, re.I)):
        return expected
    return None


def expected_rows(expected: Any) -> list[Row]:
    """Rows from the shapes people write: a scalar, a list of scalars, of lists, of objects, or {rows|value|result}."""
    if isinstance(expected, dict):
        for key in ("rows", "value", "scalar", "result", "results", "series", "values"):
            if key in expected:
                return expected_rows(expected[key])
        if all(isinstance(v, (int, float)) for v in expected.values()):
            return [(key, value) for key, value in expected.items()]
        return [_row(expected)]
    if isinstance(expected, list):
        return [_row(entry) for entry in expected]
    return [(expected,)]


def _row(entry: Any) -> Row:
    if isinstance(entry, dict):
        cells: list[Any] = []
        for key, value in entry.items():
            if isinstance(value, dict):
                cells += [v for k, v in value.items() if k != "__name__"]
            elif key == "value" and isinstance(value, list):
                cells.append(float(value[-1]))
            elif key != "__name__":
                cells.append(value)
        return tuple(cells)
    if isinstance(entry, (list, tuple)):
        return tuple(c for cell in entry for c in (cell.values() if isinstance(cell, dict) else [cell]))
    return (entry,)


def flat(rows: list[Row]) -> list[Row]:
    """Label sets become columns, one for each label that any row has."""
    if not any(isinstance(cell, dict) for row in rows for cell in row):
        return [tuple(plain(cell) for cell in row) for row in rows]
    names = sorted({name for row in rows for cell in row if isinstance(cell, dict) for name in cell})
    return [(*(row[0].get(name) for name in names), *row[1:]) for row in rows]


def same(got: list[Row], wanted: list[Row]) -> bool:
    """Equal as bags of rows, when each expected column is found among ours; we may show more columns, never more rows."""
    got, wanted = flat(got), [tuple(plain(c) for c in row) for row in flat(_telling(wanted))]
    if len(got) != len(wanted):
        return False
    if not wanted:
        return True
    width = len(wanted[0])
    if any(len(row) != width for row in wanted) or width > len(got[0]) or len(got[0]) > _MOST_COLUMNS:
        return False
    choices = [
        [i for i in range(len(got[0])) if _bag([r[i] for r in got]) == _bag([r[j] for r in wanted])]
        for j in range(width)
    ]
    for chosen in itertools.islice(itertools.product(*choices), 2_000):
        if len(set(chosen)) == width and _rows(got, chosen) == _rows(wanted, tuple(range(width))):
            return True
    return False


def _telling(rows: list[Row]) -> list[Row]:
    """Label sets without the labels that are the same on every row: they tell nothing apart."""
    sets = [row[0] for row in rows if row and isinstance(row[0], dict)]
    if len(sets) != len(rows) or not rows:
        return rows
    constant = {k for k, v in sets[0].items() if all(labels.get(k) == v for labels in sets)}
    return [({k: v for k, v in row[0].items() if k not in constant}, *row[1:]) for row in rows]


def _bag(cells: list[Any]) -> list[str]:
    return sorted(_canonical(cell) for cell in cells)


def _rows(rows: list[Row], columns: tuple[int, ...]) -> list[tuple[str, ...]]:
    return sorted(tuple(_canonical(row[i]) for i in columns) for row in rows)


def _canonical(cell: Any) -> str:
    """Numbers to five significant digits, times without a zero clock, months as their first day."""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, (int, float)) and not (isinstance(cell, float) and math.isnan(cell)):
        return f"{cell:.5g}" if cell else "0"
    if cell is None:
        return "null"
    text = str(cell).strip()
    if re.fullmatch(r"-?\d+(?:\.\d+)?", text):
        return f"{float(text):.5g}"
    text = re.sub(r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?).*$", r"\1 \2", text)
    text = re.sub(r"^(\d{4}-\d{2}-\d{2}) 00:00(?::00)?$", r"\1", text)
    text = re.sub(r"^(\d{4}-\d{2}-\d{2} \d{2}:\d{2})$", r"\1:00", text)
    text = f"{text}-01" if re.fullmatch(r"\d{4}-\d{2}", text) else text.lower()
    return re.sub(r"^(\d{4})-01-01$", r"\1", text)
