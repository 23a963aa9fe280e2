"""Names the faulty object and its cause of recorded clusters through `correlate`, the function that runs in production.

    python -m tests.benchmarks.cloud_opsbench --data FILE.jsonl.xz --out F [--labels LABELS.json]

Adapters only turn recordings into evidence. Labels are opened by the optional score alone, after all is answered.
"""

from __future__ import annotations

import argparse
import json
import lzma
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.analysis import correlate
from bot.domain.question import Ranking
from tests.benchmarks.cloud_opsbench_causes import CAUSES
from tests.benchmarks.cloud_opsbench_evidence import recorded_case

MOST_ANSWERS = 3
Answer = dict[str, str | float]


def cases(path: Path) -> Iterator[dict[str, Any]]:
    """Recorded cases of a file, one at a time."""
    with lzma.open(path, "rt") as lines:
        yield from map(json.loads, lines)


def answers(ranking: Ranking, apps: Mapping[str, str]) -> list[Answer]:
    """The best three hypotheses whose cause is among those the set asks for.

    `apps` maps a service label to the name under which the recording knows the application.
    """
    found: list[Answer] = []
    for hypothesis in ranking.hypotheses:
        kind, _, name = hypothesis.component.partition("/")
        if hypothesis.cause in CAUSES:
            shown = f"{kind}/{apps.get(name, name) if kind == 'app' else name}"
            found.append({"fault_object": shown, "root_cause": hypothesis.cause, "confidence": hypothesis.confidence})
    return found[:MOST_ANSWERS]


def app_names(case: Mapping[str, Any]) -> dict[str, str]:
    """Service label → workload name, where the label is not itself the name of a workload."""
    workloads = [o for plural in ("deployments", "statefulsets") for o in case["kubernetes"].get(plural, ())]
    known = {w["metadata"]["name"] for w in workloads}
    names: dict[str, str] = {}
    for workload in workloads:
        labels = workload["spec"].get("template", {}).get("metadata", {}).get("labels") or {}
        for key in ("app.kubernetes.io/name", "app", "k8s-app", "name"):
            if labels.get(key) and labels[key] not in known:
                names.setdefault(labels[key], workload["metadata"]["name"])
    return names


def run(path: Path) -> tuple[dict[str, list[Answer]], list[float]]:
    """Answers by case, and the seconds each case took from its record to its answer."""
    told: dict[str, list[Answer]] = {}
    took: list[float] = []
    for case in cases(path):
        begun = time.perf_counter()
        file, now = recorded_case(case)
        told[case["id"]] = answers(correlate(file, now=now), app_names(case))
        took.append(time.perf_counter() - begun)
    return told, took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    given = parser.parse_args()
    told, took = run(given.data)
    given.out.write_text(json.dumps(told, indent=1))
    print(f"{len(took)} cases; seconds a case: median {statistics.median(took):.3f}, slowest {max(took):.3f}")
    if given.labels:
        from tests.benchmarks.cloud_opsbench_score import report

        report(told, json.loads(given.labels.read_text()))


if __name__ == "__main__":
    main()
