"""`python -m tests.chaos [--long] [--seed N] [--only NAME …] [--out FILE]`: every trial, its verdict, its seed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import speed_line
from tests.chaos import kills, outages, takeovers
from tests.chaos.oracles import Verdict

Trial = Callable[[int], Coroutine[Any, Any, Verdict]]


def trials(*, long: bool) -> dict[str, Trial]:
    """Name to trial; each takes a seed."""
    blows, cycles = (200, 100) if long else (20, 10)
    away_s, hours = (300.0, 2.0) if long else (60.0, 0.3)
    return {
        "kill SQLite": lambda seed: kills.random_kills("sqlite", count=blows, seed=seed),
        "kill PostgreSQL": lambda seed: kills.random_kills("postgresql", count=blows, seed=seed),
        "points SQLite": lambda seed: kills.named_points("sqlite", seed=seed),
        "points PostgreSQL": lambda seed: kills.named_points("postgresql", seed=seed),
        "takeover": lambda seed: takeovers.after_kill(cycles=cycles, seed=seed),
        "freeze": lambda seed: takeovers.after_freeze(cycles=cycles, seed=seed),
        "PostgreSQL restarted": lambda seed: outages.database_restarts(seconds=away_s, seed=seed),
        "disk full": lambda seed: outages.disk_full(seed=seed),
        "Slack gone SQLite": lambda seed: outages.slack_gone("sqlite", seed=seed, hours=hours),
        "Slack gone PostgreSQL": lambda seed: outages.slack_gone("postgresql", seed=seed, hours=hours),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="200 kills a store, 100 freezes, 5 minutes of restarts")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--only", nargs="*", help="the beginning of the names of trials")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line(), f"\nseed {given.seed}", flush=True)
    verdicts: dict[str, Verdict] = {}
    for name, trial in trials(long=given.long).items():
        if not given.only or any(name.startswith(wanted) for wanted in given.only):
            verdicts[name] = asyncio.run(trial(given.seed))
            print(f"{name:<22} {verdicts[name].told()}", flush=True)
    if given.out:
        found = {name: asdict(verdict) for name, verdict in verdicts.items()}
        given.out.write_text(json.dumps({"seed": given.seed, "trials": found}, indent=2))
    return 0 if all(verdict.holds for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
