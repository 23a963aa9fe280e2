"""Measures log folding: grouping accuracy per labelled set, and lines per second over a million lines.

usage: python -m tests.benchmarks.logs --data DIR --out F
DIR holds X_2k.labels.csv with columns content and event_id. The million lines repeat the sets with their
digits changed in every round, so that no line is the same twice in a row of rounds.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections import defaultdict
from pathlib import Path

from connectors.log_templates import TemplateMiner

SPEED_LINES = 1_000_000


def read(path: Path) -> tuple[list[str], list[str]]:
    """Contents and true ids of one set."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["content"] for row in rows], [row["event_id"] for row in rows]


def grouping_accuracy(found: list[int], truth: list[str]) -> float:
    """Share of lines whose group is exactly the true group (Zhu et al., ICSE-SEIP 2019)."""
    ours: dict[int, set[int]] = defaultdict(set)
    theirs: dict[str, set[int]] = defaultdict(set)
    for index, (mine, true) in enumerate(zip(found, truth, strict=True)):
        ours[mine].add(index)
        theirs[true].add(index)
    right = sum(len(group) for group in ours.values() if theirs[truth[next(iter(group))]] == group)
    return right / len(truth)


def fold_set(contents: list[str]) -> list[int]:
    """Template ids after the whole set has been seen."""
    miner = TemplateMiner()
    ids = [miner.add(line) for line in contents]
    return [miner.canonical(template_id) for template_id in ids]


def many_lines(contents: list[str], *, count: int, seed: int = 1) -> list[str]:
    """At least `count` lines: the sets again and again, each round with its digits exchanged."""
    rng = random.Random(seed)
    lines: list[str] = []
    while len(lines) < count:
        digits = "".join(rng.sample("0123456789", 10))
        table = str.maketrans("0123456789", digits)
        lines.extend(line.translate(table) for line in contents)
    return lines


def speed(lines: list[str]) -> float:
    """Lines per second of one thread, by processor time."""
    miner = TemplateMiner()
    start = time.process_time()
    for line in lines:
        miner.add(line)
    return len(lines) / (time.process_time() - start)


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sets, contents = {}, []
    for path in sorted(arguments.data.glob("*.labels.csv")):
        lines, truth = read(path)
        sets[path.name.split("_2k")[0].removesuffix(".labels.csv")] = round(
            grouping_accuracy(fold_set(lines), truth), 4
        )
        contents.extend(lines)
    result = {
        "mean_grouping_accuracy": round(sum(sets.values()) / len(sets), 4),
        "lines_per_s": round(speed(many_lines(contents, count=SPEED_LINES))),
        "lines_per_s_first_sight": round(speed(contents)),
        "sets": sets,
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
