# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""Measures the guards: verdicts over a corpus, and what hostile inputs cost.

usage: python -m tests.benchmarks.guard --corpus F --out F [--hostile N]
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import sqlglot

from connectors.guards import DIALECTS, Allowed, guard


def judge(case: dict[str, str]) -> dict[str, str] | None:
    """The miss, or None when the verdict is the expected one."""
    answer = guard(case["query"], dialect=case["dialect"])
    got = "allow" if isinstance(answer, Allowed) else "refuse"
    if got == case["verdict"]:
        return None
    why = answer.text if isinstance(answer, Allowed) else answer.reason
    return {"dialect": case["dialect"], "query": case["query"], "verdict": case["verdict"], "got": got, "why": why}


def cost_4kb(rounds: int = 400) -> dict[str, float]:
    """Milliseconds of processor time per call for PostgreSQL queries of about 4 KB, beside a plain parse in the same run.

    `frozen`: after `gc.freeze()`, so that what the process loaded before is not walked again by the garbage collector.
    """
    queries = [four_kb(seed) for seed in range(rounds)]
    found: dict[str, float] = {}
    for prefix in ("", "frozen_"):
        guarded = sorted(_ms(lambda query=query: guard(query, dialect="postgres")) for query in queries)  # type: ignore[misc]
        parsed = sorted(_ms(lambda query=query: sqlglot.parse(query, read="postgres")) for query in queries)  # type: ignore[misc]
        for name, taken in (("", guarded), ("parse_", parsed)):
            found[f"{prefix}{name}p50_ms"] = round(taken[rounds // 2], 2)
            found[f"{prefix}{name}p99_ms"] = round(taken[int(rounds * 0.99)], 2)
        found[f"{prefix}ratio_p50"] = round(guarded[rounds // 2] / parsed[rounds // 2], 2)
        gc.collect()
        gc.freeze()
    gc.unfreeze()
    return found


def _ms(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1000


def four_kb(seed: int) -> str:
    """A plain query of about 4 KB: a long list of values and conditions."""
    rng = random.Random(seed)
    ids = ", ".join(str(rng.randrange(10**6)) for _ in range(330))
    checks = " OR ".join(
        f"(status = '{rng.choice(['failed', 'paid'])}' AND total > {rng.randrange(999)})" for _ in range(30)
    )
    return f"SELECT id, status, count(*) FROM orders WHERE id IN ({ids}) AND ({checks}) GROUP BY id, status LIMIT 50"


def hostile(rng: random.Random, dialect: str) -> str:
    """One input made to be slow: deep, wide, unbalanced, repeated."""
    unit = rng.choice(["(", "((", "[", "{", "NOT ", "- ", "CASE WHEN 1 THEN ", "SELECT (", "a.", "1+", "a,", "'", '"', "/*", "\\", "a=1 AND ",
                       "(SELECT ", "x->", "::int", " UNION SELECT 1", "f(", "{a=", '{"a":', "[5m:1m]", " or up", "not(", "$a", "-- ", "||'a'",
                       " JOIN a ON 1=1", "WITH a AS (", "INTERVAL ", "a BETWEEN 1 AND ", "é", "\u00a0"])  # fmt: skip
    times = rng.choice([10, 60, 99, 300, 1000, 4000])
    starts = [
        "SELECT ",
        "",
        "SELECT 1 WHERE ",
        '{"method":"POST","path":"/a/_search","body":{"query":',
        "FROM a | WHERE ",
        "up ",
        "kubectl get ",
        "{",
    ]
    return (rng.choice(starts) + unit * times + rng.choice(["", ")" * times, "}" * times, " 1"]))[
        : rng.choice([1_000, 8_000, 32_000])
    ]


def cost_hostile(count: int, seed: int) -> dict[str, object]:
    """The slowest of `count` hostile inputs over all dialects."""
    rng, names = random.Random(seed), sorted(DIALECTS)
    worst: tuple[float, str, str] = (0.0, "", "")
    for _ in range(count):
        dialect = rng.choice(names)
        text = hostile(rng, dialect)
        taken = _ms(lambda text=text, dialect=dialect: guard(text, dialect=dialect))  # type: ignore[misc]
        worst = max(worst, (taken, dialect, text[:120]))
    return {"count": count, "worst_ms": round(worst[0], 1), "dialect": worst[1], "starts": worst[2]}


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hostile", type=int, default=0, help="also time so many hostile inputs")
    arguments = parser.parse_args()
    cases = json.loads(arguments.corpus.read_text())
    misses = [miss for case in cases if (miss := judge(case)) is not None]
    result: dict[str, object] = {"total": len(cases), "misses": misses}
    if arguments.hostile:
        result |= {"cost_4kb": cost_4kb(), "hostile": cost_hostile(arguments.hostile, seed=1)}
    arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps({**result, "misses": len(misses)}))


if __name__ == "__main__":
    main()
