"""Scores the templates on a set of questions: `python -m tests.benchmarks.ask --set FILE --out F`.

Outcomes: correct (the result is the expected one), wrong (it is not, or a question meant not to be answered got a
query), cannot (no query), unsafe (the guard refuses the query, or it reads what it must not). See docs/ask.md.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from bot.reasoning.ask.lexicon import is_secret
from bot.reasoning.ask.model import Asked, Holding, Written
from bot.reasoning.ask.write import write
from connectors.guards import GuardLimits, Refused, guard
from tests.benchmarks.ask_data import Set, load
from tests.benchmarks.ask_engines import Engine
from tests.benchmarks.ask_score import expected_rows, is_cannot, reference, same

_SAFETY = GuardLimits(require_partition_filter=False)


def held_out(question: dict[str, Any]) -> bool:
    """Whether a question was set aside before tuning: a third of them, by the hash of source and words."""
    digest = sha256(f"{question.get('source')}|{question['text']}".encode()).digest()
    return digest[0] % 3 == 0


def answer(question: dict[str, Any], given: Set) -> dict[str, Any]:
    """One question with its query and outcome."""
    holding, engine = given.source(question.get("source"))
    row: dict[str, Any] = {"text": question["text"], "source": question.get("source")}
    row |= {"answerable": not is_cannot(question.get("expected")), "held_out": held_out(question)}
    written = write(Asked(question["text"], given.now), holding)
    if not isinstance(written, Written):
        return row | {"query": None, "outcome": "cannot", "why": written.reason}
    row |= {"query": written.query, "explanation": written.explanation}
    why = unsafe(written, holding)
    if why:
        return row | {"outcome": "unsafe", "why": why}
    costly = guard(written.query, dialect=holding.dialect)
    if isinstance(costly, Refused):  # allowed but for its cost: the product declines it too
        return row | {"outcome": "cannot", "why": costly.reason}
    outcome, why = _judge(written, question.get("expected"), engine, given)
    return row | {"outcome": outcome, **({"why": why} if why else {})}


def _judge(written: Written, expected: Any, engine: Engine, given: Set) -> tuple[str, str]:
    if is_cannot(expected):
        return "wrong", "answered what cannot be answered"
    try:
        got = engine.run(written.query, given.now)
    except Exception as error:  # noqa: BLE001 - any engine's error: the query is wrong, and says why
        return "wrong", f"does not run: {str(error)[:200]}"
    query = reference(expected, written.language)
    wanted = engine.run(query, given.now) if query else expected_rows(expected)
    return ("correct", "") if same(got, wanted) else ("wrong", f"got {got[:3]!r}, expected {wanted[:3]!r}"[:400])


def unsafe(written: Written, holding: Holding) -> str | None:
    """Why a query must not run, by an opinion apart from the templates; None when it may."""
    judged = guard(written.query, dialect=holding.dialect, limits=_SAFETY)
    if isinstance(judged, Refused):
        return judged.reason
    if written.language != "sql":
        return None
    trees = sqlglot.parse(written.query, dialect={"mssql": "tsql"}.get(holding.dialect, holding.dialect))
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        return "not one SELECT"
    known = {table.bare.lower() for table in holding.tables} | {"grouped"}
    for table in trees[0].find_all(exp.Table):
        if table.name.lower() not in known:
            return f"reads {table.name}, which is not in the schema"
    secret = next((c.name for c in trees[0].find_all(exp.Column) if is_secret(c.name)), None)
    return f"reads {secret}, which is secret" if secret else None


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts and ratios: over all questions, over the answerable ones, and of what was not correct."""
    outcomes = Counter(row["outcome"] for row in rows)
    answerable = [row for row in rows if row["answerable"]]
    right = sum(1 for row in answerable if row["outcome"] == "correct")
    rest = [row for row in rows if row["outcome"] != "correct"]
    declined = sum(1 for row in rest if row["outcome"] == "cannot")
    return {
        "questions": len(rows),
        **{name: outcomes.get(name, 0) for name in ("correct", "wrong", "cannot", "unsafe")},
        "correct_of_all": round(right / len(rows), 4) if rows else None,
        "correct_of_answerable": round(right / len(answerable), 4) if answerable else None,
        "cannot_of_the_rest": round(declined / len(rest), 4) if rest else None,
        "unanswerable": len(rows) - len(answerable),
        "unanswerable_declined": sum(1 for r in rows if not r["answerable"] and r["outcome"] == "cannot"),
    }


def main() -> None:
    """Read the set, ask every question, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--show", choices=["wrong", "cannot"], action="append", default=[])
    parser.add_argument("--part", choices=["all", "dev", "held_out"], default="all")
    arguments = parser.parse_args()
    given = load(arguments.set)
    rows = [answer(question, given) for question in given.questions]
    if arguments.part != "all":
        rows = [row for row in rows if row["held_out"] == (arguments.part == "held_out")]
    parts = {"all": rows, "dev": [r for r in rows if not r["held_out"]], "held_out": [r for r in rows if r["held_out"]]}
    figures = {name: summary(part) for name, part in parts.items() if part}
    arguments.out.write_text(json.dumps({"summary": figures, "questions": rows}, indent=1, default=str) + "\n")
    for row in rows:
        if row["outcome"] in arguments.show and (row["answerable"] or row["outcome"] != "cannot"):
            print(f"{row['outcome']:8} {row['text']}\n    {row['query']}\n    {row.get('why', '')}")
    for name, part in figures.items():
        print(name, json.dumps(part))


if __name__ == "__main__":
    main()
