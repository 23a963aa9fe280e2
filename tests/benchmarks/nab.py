"""Scores every row of the Numenta Anomaly Benchmark's files, in order, one point of every file at a time.

`python -m tests.benchmarks.nab --data DIR --out DIR`. Reads `<category>/<file>.csv` (timestamp, value), writes the same
with an `anomaly_score` and prints the one threshold at which a score is an onset. Labels are never opened.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from bot.analysis.anomaly.detector import Detector, Tuning
from bot.analysis.anomaly.scale import Floats

THRESHOLD = 0.5


def read(path: Path) -> tuple[list[str], Floats]:
    """The timestamps and values of one file, [rows]; an unreadable value is NaN."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["timestamp"] for row in rows], np.array([_number(row["value"]) for row in rows])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def scores(files: list[Floats], tuning: Tuning | None = None) -> list[Floats]:
    """Scores in [0, 1] per file. Files run side by side in one detector and do not see each other."""
    detector = Detector(len(files), tuning)
    longest = max(len(values) for values in files)
    table = np.full((longest, len(files)), np.nan)
    for column, values in enumerate(files):
        table[: len(values), column] = values
    found = np.zeros_like(table)
    for row, values in enumerate(table):
        verdicts = detector.update(values)
        share = np.minimum(verdicts.unusual / (2 * detector.tuning.threshold), 1.0)
        found[row] = np.where(verdicts.onset, np.maximum(share, THRESHOLD), np.minimum(share, 1.0) * 0.499)
    return [found[: len(values), column] for column, values in enumerate(files)]


def write(path: Path, stamps: list[str], values: Floats, found: Floats) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "value", "anomaly_score"])
        writer.writerows(zip(stamps, values.tolist(), (f"{score:.6f}" for score in found), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    paths = sorted(arguments.data.glob("*/*.csv"))
    contents = [read(path) for path in paths]
    began = time.perf_counter()
    found = scores([values for _, values in contents])
    points = sum(len(values) for _, values in contents)
    for path, (stamps, values), one in zip(paths, contents, found, strict=True):
        write(arguments.out / path.relative_to(arguments.data), stamps, values, one)
    print(f"threshold: {THRESHOLD}")
    print(f"points: {points}, {points / (time.perf_counter() - began):,.0f} points/s")


if __name__ == "__main__":
    main()
