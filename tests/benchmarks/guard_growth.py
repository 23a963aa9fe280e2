"""Looks for functions whose text multiplies when the SQL guard writes a statement back, nested one in another.

usage: python -m tests.benchmarks.guard_growth [--dialect NAME]
Every function a dialect may call is nested twelve deep, in every argument of calls with one to three of them, and so
are the operators below. What the guard hands back must stay short, or be refused.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from connectors.guards import Allowed, guard
from connectors.guards.sql_proof import functions

DIALECTS = ("postgres", "mysql", "mssql", "sqlite", "clickhouse", "bigquery", "duckdb")
DEPTH = 12
CALLS = ("{f}({x})", "{f}({x}, 1)", "{f}(a, {x})", "{f}({x}, 'day', 2)", "{f}('day', {x}, 2)", "{f}(2, 'a', {x})")
OPERATORS = (
    "({x})->'a'", "{x}->'a'", "{x}->>'a'", "({x})[1]", "cast({x} as int)", "cast({x} as timestamp)", "({x})::date",
    "try_cast({x} as date)", "({x}) is distinct from 1", "({x}) / 2", "({x}) div 2", "({x}) ilike 'a'", "if({x}, 1, 2)",
    "({x}) + interval '1' day", "case when {x} then 1 end", "({x}) at time zone 'utc'", "({x}) ^ 2", "({x}) <=> 1",
    "extract(year from {x})", "(select {x})", "({x}) ~* 'a'", "safe_cast({x} as int64)", "convert(int, {x})",
)  # fmt: skip


def nested(form: str, function: str = "") -> str:
    """A SELECT with the form inside itself."""
    text = "x"
    for _ in range(DEPTH):
        text = form.replace("{f}", function).replace("{x}", text)
    return f"SELECT {text} FROM t LIMIT 1"


def texts(dialect: str) -> Iterator[str]:
    """Every function in every place, and every operator."""
    yield from (nested(form, name) for name in sorted(functions(dialect)) for form in CALLS)
    yield from (nested(form) for form in OPERATORS)


def grown(text: str, dialect: str) -> bool:
    """Whether what the guard hands back is much longer than what it was given."""
    answer = guard(text, dialect=dialect)
    return isinstance(answer, Allowed) and len(answer.text) > 12 * len(text) + 2_000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=DIALECTS, default=None)
    arguments = parser.parse_args()
    found: dict[str, dict[str, object]] = {}
    for dialect in (arguments.dialect,) if arguments.dialect else DIALECTS:
        given = list(texts(dialect))
        found[dialect] = {"texts": len(given), "grown": [text[:80] for text in given if grown(text, dialect)]}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
