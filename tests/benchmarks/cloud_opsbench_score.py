"""Score of answers by category and cause, with bootstrap intervals, Brier score and a view of confidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_RESAMPLES = 2_000


def rank(answers: Sequence[Mapping[str, Any]], label: Mapping[str, str]) -> int:
    """Place of the right answer, 0 when it is not among the first three."""
    wanted = label["fault_object"].lower(), label["root_cause"].lower()
    places = [
        n
        for n, a in enumerate(answers[:3], start=1)
        if (str(a["fault_object"]).lower(), str(a["root_cause"]).lower()) == wanted
    ]
    return min(places, default=0)


def interval(hits: Sequence[bool]) -> tuple[float, float, float]:
    """Share of hits with its 95 % bootstrap interval over cases."""
    values = np.asarray(hits, dtype=float)
    dice = np.random.default_rng(7)
    means = values[dice.integers(0, values.size, (_RESAMPLES, values.size))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(values.mean()), float(low), float(high)


def over_causes(ranks: Mapping[str, int], labels: Mapping[str, Mapping[str, str]]) -> tuple[float, float, float]:
    """A@1 with a bootstrap over causes rather than cases: how it may go where other causes are common."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for case, place in ranks.items():
        groups[labels[case]["root_cause"]].append(place == 1)
    means = np.asarray([np.mean(hits) for hits in groups.values()])
    dice = np.random.default_rng(7)
    spread = means[dice.integers(0, means.size, (_RESAMPLES, means.size))].mean(axis=1)
    low, high = np.percentile(spread, (2.5, 97.5))
    return float(means.mean()), float(low), float(high)


def report(told: Mapping[str, Sequence[Mapping[str, Any]]], labels: Mapping[str, Mapping[str, str]]) -> None:
    ranks = {case: rank(told.get(case, ()), label) for case, label in labels.items()}
    _line("all", list(ranks), ranks)
    mean, low, high = over_causes(ranks, labels)
    print(f"  mean over causes            A@1 {mean:.3f} [{low:.3f}, {high:.3f}] (bootstrap over causes)")
    for category in sorted({label["fault_taxonomy"] for label in labels.values()}):
        _line(category, [c for c, label in labels.items() if label["fault_taxonomy"] == category], ranks)
    for cause in sorted({label["root_cause"] for label in labels.values()}):
        mine = [c for c, label in labels.items() if label["root_cause"] == cause]
        if any(ranks[c] != 1 for c in mine):
            _line(f"  {cause}", mine, ranks)
    sure = {case: float(told[case][0]["confidence"]) if told.get(case) else 0.0 for case in labels}
    brier = np.mean([(sure[c] - (ranks[c] == 1)) ** 2 for c in labels])
    print(f"  Brier {brier:.3f}")
    for case, place in ranks.items():
        if place != 1:
            first = told[case][0] if told.get(case) else {"fault_object": "-", "root_cause": "-"}
            wanted = labels[case]
            got = f"{first['fault_object']} {first['root_cause']}"
            print(f"  {case} place {place}: {wanted['fault_object']} {wanted['root_cause']}; answered {got}")


def _line(name: str, mine: Sequence[str], ranks: Mapping[str, int]) -> None:
    one, three = interval([ranks[c] == 1 for c in mine]), interval([ranks[c] > 0 for c in mine])
    print(
        f"  {name:38} n={len(mine):3}  A@1 {one[0]:.3f} [{one[1]:.2f}, {one[2]:.2f}]"
        f"  A@3 {three[0]:.3f} [{three[1]:.2f}, {three[2]:.2f}]"
    )
