"""Scores ranked components with bootstrap intervals, and says how far their confidence can be trusted.

    python -m tests.benchmarks.rca_score LABELS.json PREDICTIONS.jsonl [LABELS PREDICTIONS …]

The only file here that opens labels. `root_cause_services`, where a label has it, lists every right answer.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RESAMPLES = 2_000


@dataclass(frozen=True)
class Scored:
    case: str
    fault: str
    rank: int
    confidence: float

    @property
    def right(self) -> bool:
        return self.rank == 1


def read(labels: Path, predictions: Path) -> list[Scored]:
    """One row per labelled case that has a fault; a case without a prediction is a miss."""
    told = {line["case"]: line for text in predictions.read_text().splitlines() if (line := json.loads(text))}
    out = []
    for case, label in json.loads(labels.read_text()).items():
        right = set(label.get("root_cause_services") or [label["root_cause_service"]]) - {""}
        if right:
            line = told.get(case, {"ranking": [], "confidence": 0.0})
            ranks = [n for n, name in enumerate(line["ranking"], start=1) if name in right]
            out.append(Scored(case, label["fault"], min(ranks, default=10**9), float(line["confidence"])))
    return out


def interval(hits: list[bool]) -> tuple[float, float, float]:
    """Share of hits with its 95 % bootstrap interval."""
    values = np.asarray(hits, dtype=float)
    dice = np.random.default_rng(7)
    means = values[dice.integers(0, values.size, (RESAMPLES, values.size))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(values.mean()), float(low), float(high)


def brier(rows: list[Scored]) -> float:
    return float(np.mean([(row.confidence - row.right) ** 2 for row in rows]))


def at_coverage(rows: list[Scored], share: float) -> tuple[float, float]:
    """Error over all cases, and among the given share of them with the highest confidence."""
    ranked = sorted(rows, key=lambda row: -row.confidence)
    kept = ranked[: max(1, round(share * len(ranked)))]
    return 1 - float(np.mean([r.right for r in rows])), 1 - float(np.mean([r.right for r in kept]))


def report(rows: list[Scored]) -> None:
    groups = {"all": rows} | {f: [r for r in rows if r.fault == f] for f in sorted({r.fault for r in rows})}
    for name, part in groups.items():
        first, third = interval([r.right for r in part]), interval([r.rank <= 3 for r in part])
        print(
            f"  {name:26} n={len(part):3}  first {first[0]:.3f} [{first[1]:.2f}, {first[2]:.2f}]"
            f"  in three {third[0]:.3f} [{third[1]:.2f}, {third[2]:.2f}]"
        )


def reliability(rows: list[Scored]) -> None:
    every, kept = at_coverage(rows, 0.8)
    print(f"  Brier {brier(rows):.3f}; errors {every:.3f} over all, {kept:.3f} at 80 % coverage")
    for low in np.arange(0.0, 1.0, 0.2):
        part = [r for r in rows if low <= r.confidence < low + 0.2 or (low > 0.7 and r.confidence == 1.0)]
        if part:
            stated, found = np.mean([r.confidence for r in part]), np.mean([r.right for r in part])
            print(f"    stated {low:.1f}–{low + 0.2:.1f}: n={len(part):3}, mean {stated:.2f}, right {found:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    files: list[Path] = parser.parse_args().files
    together: list[Scored] = []
    for labels, predictions in zip(files[::2], files[1::2], strict=True):
        rows = read(labels, predictions)
        together.extend(rows)
        print(predictions.name)
        systems = sorted({row.case.split("_", 1)[0] for row in rows})
        for system in systems if 1 < len(systems) <= 4 else [""]:
            print(f" {system}" if system else " every case")
            report([r for r in rows if r.case.startswith(system)])
    print("confidence, over everything given")
    reliability(together)


if __name__ == "__main__":
    main()
