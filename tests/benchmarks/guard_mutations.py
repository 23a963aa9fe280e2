"""The long mutation run: variants of attacks (none may pass) and of benign queries (nearly all must).

usage: python -m tests.benchmarks.guard_mutations --count 200000 --seed 1 [--benign 50000] [--corpus F] [--postgres DSN]
With --postgres (a libpq URI) the share of PostgreSQL attack variants the real server parses is measured too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from connectors.guards import Allowed, guard
from tests.guard.mutations import variant

CORPUS = Path(__file__).parents[1] / "guard" / "corpus.json"


def run(
    cases: Sequence[dict[str, str]], *, count: int, seed: int, nesting: bool
) -> tuple[list[tuple[str, str]], Counter[str], list[str]]:
    """Return the accepted variants, how many were refused per dialect, and PostgreSQL's texts."""
    rng = random.Random(seed)
    accepted: list[tuple[str, str]] = []
    refused: Counter[str] = Counter()
    postgres: list[str] = []
    for _ in range(count):
        case = rng.choice(cases)
        text = variant(case, rng, nesting=nesting)
        if isinstance(guard(text, dialect=case["dialect"]), Allowed):
            accepted.append((case["dialect"], text))
        else:
            refused[case["dialect"]] += 1
        if case["dialect"] == "postgres" and len(postgres) < 2_000:
            postgres.append(text)
    return accepted, refused, postgres


async def parsed_share(texts: Sequence[str], dsn: str) -> float:
    """Share of texts whose syntax the server accepts: the extended protocol parses them and runs nothing."""
    import asyncpg

    connection = await asyncpg.connect(dsn)
    parsed = 0
    try:
        for text in texts:
            try:
                await connection.prepare(text)
                parsed += 1
            except (asyncpg.PostgresSyntaxError, asyncpg.UndefinedParameterError):
                continue
            except asyncpg.PostgresError:
                parsed += 1
    finally:
        await connection.close()
    return parsed / max(1, len(texts))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--benign", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--postgres", default="")
    arguments = parser.parse_args()
    cases = json.loads(arguments.corpus.read_text())
    attacks = [case for case in cases if case["verdict"] == "refuse"]
    benign = [case for case in cases if case["verdict"] == "allow"]
    accepted, _, postgres = run(attacks, count=arguments.count, seed=arguments.seed, nesting=True)
    wanted = arguments.benign if arguments.benign is not None else arguments.count // 4
    passed, refused, _ = run(benign, count=wanted, seed=arguments.seed, nesting=False)
    result: dict[str, object] = {
        "seed": arguments.seed,
        "attack_variants": arguments.count,
        "accepted_attacks": len(accepted),
        "benign_variants": wanted,
        "benign_accepted_share": round(len(passed) / max(1, wanted), 5),
        "benign_refused": dict(refused),
        "examples": accepted[:20],
    }
    if arguments.postgres:
        result["postgres_parsed_share"] = round(asyncio.run(parsed_share(postgres, arguments.postgres)), 4)
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
