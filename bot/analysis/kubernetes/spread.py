"""Where a disturbed network would have to be to explain who became slow and who did not. Pure.

A fault around one application touches each of its calls; a fault on a node touches calls that cross its border.
Callers of a touched call wait and become slow, and so do those that wait for them; the called side shows it where its
own answers are held up. A place is scored by the F-measure of whom it should slow against who is slow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bot.analysis.kubernetes.cluster import Cluster
from bot.analysis.kubernetes.moves import LATENCY, Move, slowdown

SLOW_TIMES, SLOW_S = 2.0, 0.015
FAILING = 0.05
FELL = 0.75
_LOOSE, _UNSEEN = 0.9, 0.97
"""An explanation that leaves open which of its callees are slow is worth less; so is a place nobody measures."""
_TAIL = ("latency_p90", "latency_p95", "latency_p99")


class Fit(NamedTuple):
    component: str
    score: float


def hurt(moves: Mapping[str, Move]) -> Move | None:
    """The latency that grew by much, the share of successes that fell, or a latency that vanished."""
    slow, good = slowdown(moves), moves.get("success_ratio")
    if slow and slow.times >= SLOW_TIMES and slow.after - slow.before >= SLOW_S:
        return slow
    gone = [m for name, m in moves.items() if name in LATENCY and math.isnan(m.after) and m.before > 0]
    if gone and slow is None:
        return gone[0]
    if good and good.before > 0 and good.before - good.after >= FAILING:
        return Move(0.0, math.nan, good.evidence)
    return None


def hurt_services(cluster: Cluster) -> dict[str, Move]:
    apps = {c.partition("/")[2]: m for c, m in cluster.moves.items() if c.startswith("app/")}
    return {name: found for name, moves in apps.items() if (found := hurt(moves))}


def tail_only(cluster: Cluster) -> bool:
    """Whether slow answers became slower while the usual ones did not: packets are lost now and then."""
    tails, middles = [], []
    for moves in cluster.moves.values():
        tails += [moves[m].times for m in _TAIL if m in moves and math.isfinite(moves[m].after)]
        middles += [moves["latency_p50"].times] if "latency_p50" in moves else []
    return bool(tails and middles) and max(tails) >= 5 and max(middles) < 3


def homes_of(cluster: Cluster) -> dict[str, set[str]]:
    """Node → applications that run there, of those whose pods are known in full."""
    homes: dict[str, set[str]] = {}
    for pod in cluster.pods:
        if pod.said("node"):
            homes.setdefault(pod.said("node"), set()).add(pod.app)
    return homes


def explanations(cluster: Cluster, slow: Mapping[str, Move]) -> list[Fit]:
    """Places by how well they explain it, best first; of equals an application before a node."""
    best: dict[str, float] = {}
    for component, expected, possible in _places(cluster, slow):
        score = _fit(cluster, expected, possible, slow) * (_LOOSE if possible and component[:4] == "app/" else 1)
        score *= 1 if f"app/{component[4:]}" in cluster.moves or component[:4] != "app/" else _UNSEEN
        best[component] = max(score, best.get(component, 0.0))
    return [Fit(c, s) for c, s in sorted(best.items(), key=lambda pair: (-round(pair[1], 6), pair[0])) if s > 0]


def _places(cluster: Cluster, slow: Mapping[str, Move]) -> Iterator[tuple[str, set[str], set[str]]]:
    """(component, who should be slow, who may be)."""
    graph = cluster.graph
    near = {n for s in slow for n in (s, *graph.callees.get(s, ()), *graph.callers.get(s, ()))}
    for app in sorted(near):
        waiting = {app, *graph.upstream([app])}
        yield f"app/{app}", waiting, set()
        if callees := set(graph.callees.get(app, ())):
            yield f"app/{app}", waiting | callees, set()
            yield f"app/{app}", waiting, callees
    edges = [(caller, callee) for caller, callees in graph.callees.items() for callee in callees]
    for node, apps in homes_of(cluster).items():
        crossing = [(a, b) for a, b in edges if (a in apps) != (b in apps)]
        held = {b for _, b in crossing if b in apps}
        waiting = set(graph.upstream([a for a, _ in crossing]))
        if len(apps & set(slow)) >= 2:
            yield f"node/{node}", held | waiting, {b for _, b in crossing}


def _fit(cluster: Cluster, expected: set[str], possible: set[str], slow: Mapping[str, Move]) -> float:
    weights = {s: _weight(m) for s, m in slow.items()}
    usual = sum(weights.values()) / len(weights)
    right = sum(weights[s] for s in expected & set(slow))
    if not right:
        return 0.0
    calm = sum(1 for s in expected - set(slow) if _calm(cluster, s))
    precision = right / (right + usual * calm)
    recall = sum(weights[s] for s in (expected | possible) & set(slow)) / sum(weights.values())
    return 2 * precision * recall / (precision + recall)


def _weight(move: Move) -> float:
    """Many times slower counts for more than twice as slow."""
    return min(12.0, math.log2(move.times)) if math.isfinite(move.after) and move.times > 2 else 1.0


def _calm(cluster: Cluster, service: str) -> bool:
    """Whether a service was really measured and stayed as it was; one that is hardly called any more tells nothing.

    Without any series, a monitor that alerts about others would have alerted about it too.
    """
    moves = cluster.moves.get(f"app/{service}", {})
    if any(m in moves and moves[m].before > 0 and math.isfinite(moves[m].after) for m in LATENCY):
        return True
    rate = moves.get("request_rate")
    return not cluster.measured and (rate is None or rate.after >= FELL * rate.before)
