"""How much of the score rests on names, on single sources, and on where thresholds lie.

    python -m tests.benchmarks.cloud_opsbench_stress --data FILE.jsonl.xz --labels LABELS.json

Renamed: every application, node and namespace gets a made-up name. Without: one source is taken away. Thresholds: each
is halved and doubled, and then chosen from that grid on all causes but one and tried on the one left out.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bot.analysis import correlate
from bot.analysis.kubernetes import performance, probes, spread
from tests.benchmarks.cloud_opsbench import answers, app_names, cases
from tests.benchmarks.cloud_opsbench_evidence import recorded_case
from tests.benchmarks.cloud_opsbench_score import interval, rank

Case = dict[str, Any]
Labels = Mapping[str, Mapping[str, str]]
_THRESHOLDS: tuple[tuple[ModuleType, str], ...] = (
    (performance, "CPU_TIMES"),
    (performance, "CPU_CORES"),
    (performance, "RETRANSMITS_PER_S"),
    (probes, "STRICT_S"),
    (spread, "SLOW_TIMES"),
    (spread, "SLOW_S"),
    (spread, "FAILING"),
)
_FACTORS = (0.5, 1.0, 2.0)


def ranks_of(found: Sequence[Case], labels: Labels) -> dict[str, int]:
    """Place of the right answer by case."""
    out = {}
    for case in found:
        file, now = recorded_case(case)
        out[case["id"]] = rank(answers(correlate(file, now=now), app_names(case)), labels[case["id"]])
    return out


def renamed(case: Case, label: Mapping[str, str]) -> tuple[Case, dict[str, str]]:
    """The same case and label with made-up names, the same one wherever a name stands."""
    dice = random.Random(case["id"])
    apps = [o["metadata"]["name"] for p in ("deployments", "statefulsets") for o in case["kubernetes"].get(p, ())]
    nodes = [o["metadata"]["name"] for o in case["kubernetes"].get("nodes", ())]
    new = {n: _word(dice) for n in sorted({*apps, *nodes, case["question"]["namespace"]} - {""}, key=len, reverse=True)}
    # `master` is also a role, and names of the API are no names of ours.
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(n)}(?!\w)" for n in new))

    def change(text: str) -> str:
        return pattern.sub(lambda m: new[m[0]], text)

    told = json.loads(change(json.dumps({k: v for k, v in case.items() if k != "id"})))
    for before, after in zip(case["kubernetes"].get("nodes", ()), told["kubernetes"].get("nodes", ()), strict=True):
        role = before["metadata"]["labels"].get("kubernetes.io/role")
        after["metadata"]["labels"]["kubernetes.io/role"] = role
    return told | {"id": case["id"]}, {k: change(v) if k == "fault_object" else v for k, v in label.items()}


def _word(dice: random.Random) -> str:
    return "".join(dice.choice("bdfgklmnprstvz") + dice.choice("aeiou") for _ in range(5))


def without(name: str) -> Callable[[Case], Case]:
    """Takes one source away from a case."""

    def take(case: Case) -> Case:
        if name == "events":
            return case | {"kubernetes": case["kubernetes"] | {"events": []}}
        return case | {name: None if name == "metrics" else {}}

    return take


@contextmanager
def threshold(module: ModuleType, name: str, factor: float) -> Iterator[None]:
    """A threshold scaled for a while."""
    kept = getattr(module, name)
    setattr(module, name, kept * factor)
    try:
        yield
    finally:
        setattr(module, name, kept)


def show(name: str, ranks: Mapping[str, int]) -> None:
    one, three = interval([r == 1 for r in ranks.values()]), interval([r > 0 for r in ranks.values()])
    print(
        f"  {name:34} n={len(ranks):3}  A@1 {one[0]:.3f} [{one[1]:.2f}, {one[2]:.2f}]  A@3 {three[0]:.3f}", flush=True
    )


def left_out(grid: Mapping[str, Mapping[str, int]], labels: Labels, default: str) -> tuple[int, int]:
    """Right answers on causes left out, with the setting that is best on the others (the default among equals)."""
    right = total = 0
    for cause in sorted({labels[c]["root_cause"] for c in grid[default]}):
        others = {
            s: sum(r == 1 for c, r in ranks.items() if labels[c]["root_cause"] != cause) for s, ranks in grid.items()
        }
        chosen = max(grid, key=lambda s: (others[s], s == default))
        mine = [r for c, r in grid[chosen].items() if labels[c]["root_cause"] == cause]
        right, total = right + sum(r == 1 for r in mine), total + len(mine)
    return right, total


def thresholds(found: Sequence[Case], labels: Labels) -> None:
    """Only cases with measures, alerts or restarts can notice a threshold."""
    near = [c for c in found if c["alerts"] or c["metrics"] or "liveness" in labels[c["id"]]["root_cause"]]
    usual = ranks_of(near, labels)
    grid = {"default": usual}
    for module, name in _THRESHOLDS:
        for factor in _FACTORS:
            if factor != 1.0:
                with threshold(module, name, factor):
                    grid[f"{name} x{factor:g}"] = ranks_of(near, labels)
                show(f"{name} x{factor:g}", grid[f"{name} x{factor:g}"])
    right, total = left_out(grid, labels, "default")
    print(f"  thresholds chosen without the cause they are tried on: {right} of {total} right")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    given = parser.parse_args()
    labels: Labels = json.loads(given.labels.read_text())
    found = list(cases(given.data))
    pairs = [renamed(case, labels[case["id"]]) for case in found]
    show("renamed", ranks_of([c for c, _ in pairs], {c["id"]: label for c, label in pairs}))
    for name in ("node_services", "connectivity", "logs", "events", "alerts", "metrics", "manifests"):
        ranks = ranks_of([without(name)(case) for case in found], labels)
        show(f"without {name}", ranks)
        missed = Counter(labels[c]["root_cause"] for c, r in ranks.items() if r != 1)
        if missed:
            print("    missed: " + ", ".join(f"{cause} {n}" for cause, n in missed.most_common()))
    thresholds(found, labels)


if __name__ == "__main__":
    main()
