"""Ranks faulty components of recorded incidents through `correlate`, the function that runs in production.

    python -m tests.benchmarks.rca --set nezha|petshop|petshop_normal|synthetic --data DIR [--seed N] --out F

Adapters only turn recordings into the evidence types of the connectors; no label is opened here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.analysis import correlate
from bot.domain.question import CaseFile, Ranking
from bot.domain.states import Verdict


@dataclass(frozen=True)
class Recording:
    """One case as evidence; `names` maps component names back to those of the data when they were disguised."""

    case: str
    file: CaseFile
    now: datetime
    names: dict[str, str]


def cases(kind: str, data: Path, seed: int) -> Iterator[Recording]:
    """Every case of a set, in a fixed order."""
    if kind == "nezha":
        from tests.benchmarks import rca_nezha

        return rca_nezha.recordings(data)
    if kind in {"petshop", "petshop_normal"}:
        from tests.benchmarks import rca_petshop

        return rca_petshop.recordings(data, seed) if kind == "petshop" else rca_petshop.normal_slices(data, seed)
    from tests.benchmarks import rca_synthetic

    return rca_synthetic.recordings(seed)


def answer(recording: Recording, ranking: Ranking) -> dict[str, object]:
    """One line of the result: components best first, and whether the verdict stands behind the first."""
    names = list(dict.fromkeys(_ordered(ranking)))
    best = next((h for h in ranking.hypotheses if h.cause != "no_fault_found"), None)
    return {
        "case": recording.case,
        "ranking": [recording.names.get(name, name) for name in names],
        "confidence": best.confidence if best else 0.0,
        "abstained": ranking.verdict is not Verdict.SUPPORTED,
        "verdict": ranking.verdict.value,
        "cause": best.cause if best else None,
    }


def _ordered(ranking: Ranking) -> Iterator[str]:
    for hypothesis in ranking.hypotheses:
        if hypothesis.cause != "no_fault_found":
            yield hypothesis.component.partition("/")[2]
    for finding in ranking.findings:
        if finding.component.startswith(("app/", "database/")):
            yield finding.component.partition("/")[2]


def run(recordings: Iterable[Recording]) -> Iterator[tuple[dict[str, object], float]]:
    for recording in recordings:
        begun = time.perf_counter()
        ranking = correlate(recording.file, now=recording.now)
        yield answer(recording, ranking), time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--set", dest="kind", required=True, choices=["nezha", "petshop", "petshop_normal", "synthetic"]
    )
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.kind == "synthetic":
        from tests.benchmarks import rca_synthetic

        rca_synthetic.write(given.out, given.seed)
        return
    took = []
    with given.out.open("w") as out:
        for line, seconds in run(cases(given.kind, given.data, given.seed)):
            took.append(seconds)
            out.write(json.dumps(line) + "\n")
    if took:
        print(f"{len(took)} cases; correlate: median {statistics.median(took):.3f} s, slowest {max(took):.3f} s")


if __name__ == "__main__":
    main()
