"""Measures log folding: grouping accuracy per labelled set, and lines per second over a million lines.

usage: python -m tests.benchmarks.logs --data DIR --out F [--drain3]
DIR holds X_2k.labels.csv with columns content and event_id. The million lines repeat the sets with their
digits changed in every round, so that no line is the same twice in a row of rounds. `--drain3` runs the same lines
through the package drain3 (not one of ours: pip install --target DIR drain3, PYTHONPATH=DIR) in the same process, turn
by turn in pieces, so that both meet the same machine.
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


def beside_drain3(lines: list[str]) -> dict[str, float]:
    """Lines per second of both, each over all lines, in turns of 50,000."""
    from drain3 import TemplateMiner as Drain3Miner  # type: ignore[import-not-found]

    ours, theirs = TemplateMiner(), Drain3Miner()
    spent = {"ours": 0.0, "drain3": 0.0}
    for start in range(0, len(lines), 50_000):
        part = lines[start : start + 50_000]
        for name, add in (("ours", ours.add), ("drain3", theirs.add_log_message)):
            began = time.process_time()
            for line in part:
                add(line)
            spent[name] += time.process_time() - began
    rates = {f"{name}_lines_per_s": round(len(lines) / seconds) for name, seconds in spent.items()}
    return rates | {"ratio": round(spent["drain3"] / spent["ours"], 2), "lines": len(lines)}


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--drain3", action="store_true", help="compare with the package drain3 in the same run")
    arguments = parser.parse_args()
    sets, contents = {}, []
    for path in sorted(arguments.data.glob("*.labels.csv")):
        lines, truth = read(path)
        sets[path.name.split("_2k")[0].removesuffix(".labels.csv")] = round(
            grouping_accuracy(fold_set(lines), truth), 4
        )
        contents.extend(lines)
    result: dict[str, object] = {
        "mean_grouping_accuracy": round(sum(sets.values()) / len(sets), 4),
        "lines_per_s": round(speed(many_lines(contents, count=SPEED_LINES))),
        "lines_per_s_first_sight": round(speed(contents)),
        "sets": sets,
    }
    if arguments.drain3:
        result["drain3"] = beside_drain3(many_lines(contents, count=SPEED_LINES))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
