"""Slowness without a broken object: load on one application, delay around one application, delay or loss on a node."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bot.analysis.kubernetes.cluster import Cluster
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.moves import LATENCY, Move, slowdown
from bot.domain.evidence import FindingKind

_K = FindingKind
CPU_TIMES, CPU_CORES = 2.5, 0.05
SLOW_TIMES, SLOW_MS = 2.0, 20.0
RETRANSMITS_PER_S = 2.0
"""Above this, TCP segments are sent again all the time: loss. Delay alone gives a short spike of less."""
_THROTTLED = ("cpu_throttled_ratio", "cpu_throttled_s")


def cpu_load(cluster: Cluster) -> Iterator[Match]:
    """CPU use of one application rose many times without more requests, up to its limit."""
    for component, moves in cluster.moves.items():
        cpu = moves.get("cpu_usage")
        if not component.startswith("app/") or cpu is None or not _loaded(moves, cpu):
            continue
        throttled = next((moves[m] for m in _THROTTLED if m in moves), None)
        held = throttled is not None and throttled.after > max(0.1, 2 * throttled.before)
        slow = slowdown(moves)
        confidence = 0.72 + 0.12 * held + 0.1 * (slow is not None and slow.times >= SLOW_TIMES)
        name = component.partition("/")[2]
        yield Match(
            component, "pod_cpu_overload", confidence, _K.SATURATION_HIGH,
            f"CPU use of {name} rose from {cpu.before:.3g} to {cpu.after:.3g} cores without more requests"
            + (", and the kernel throttles it" if held else ""),
            "Requests rose as much as CPU use did.", (cpu.evidence,),
            {"object": name, "service": name, "before": round(cpu.before, 3), "after": round(cpu.after, 3)},
        )  # fmt: skip


def _loaded(moves: Mapping[str, Move], cpu: Move) -> bool:
    rate = moves.get("request_rate")
    busier = rate.times if rate and rate.before > 0 and math.isfinite(rate.after) else 1.0
    return cpu.after - cpu.before >= CPU_CORES and cpu.times >= CPU_TIMES * max(busier, 1.0)


def packets_lost(cluster: Cluster) -> Iterator[Match]:
    """A node sends segments again all the time: what it sends does not arrive."""
    found = {c: m["tcp_retransmits"] for c, m in cluster.moves.items() if "tcp_retransmits" in m}
    rose = {c: m for c, m in found.items() if c.startswith("node/") and m.after >= RETRANSMITS_PER_S and m.times >= 3}
    if not rose:
        return
    worst = max(rose, key=lambda c: (rose[c].after, c))
    move, name = rose[worst], worst.partition("/")[2]
    yield Match(
        worst, "node_network_packet_loss", 0.92, _K.METRIC_SHIFTED,
        f"TCP retransmissions of {name} rose from {move.before:.3g} to {move.after:.3g} per second",
        "Segments sent by other nodes are lost just as often.", (move.evidence,),
        {"object": name, "node": name, "before": round(move.before, 3), "after": round(move.after, 3)},
    )  # fmt: skip


def slow_without_reason(cluster: Cluster) -> Iterator[Match]:
    """Latency spreads along calls: who, if slowed on the network, would explain all of it and nothing else?"""
    if any(True for _ in packets_lost(cluster)) or any(True for _ in cpu_load(cluster)):
        return
    slow = slow_services(cluster)
    if not slow:
        return
    fits = sorted(_explanations(cluster, slow), key=lambda fit: (-fit[0], fit[1]))
    for place, (score, component) in enumerate(fits[:3]):
        lead = score - (fits[1][0] if place == 0 and len(fits) > 1 else fits[0][0])
        yield _delay(cluster, component, score, lead, slow)


def slow_services(cluster: Cluster) -> dict[str, Move]:
    """Services whose latency grew by much, each with the measure that grew most; a vanished latency counts."""
    found: dict[str, Move] = {}
    for component, moves in cluster.moves.items():
        name, move = component.partition("/")[2], slowdown(moves)
        gone = next(
            (moves[m] for m in LATENCY if m in moves and math.isnan(moves[m].after) and moves[m].before > 0), None
        )
        if component.startswith("app/") and (chosen := _much(move) or (gone if move is None else None)):
            found[name] = chosen
    return found


def _much(move: Move | None) -> Move | None:
    return move if move and move.times >= SLOW_TIMES and (move.after - move.before) * 1000 >= SLOW_MS else None


def _explanations(cluster: Cluster, slow: Mapping[str, Move]) -> Iterator[tuple[float, str]]:
    """F-score of what a fault somewhere would slow against what is slow; unmeasured services count for nothing."""
    homes = _homes(cluster)
    measured = {c.partition("/")[2] for c in cluster.moves if c.startswith("app/")} | set(slow)
    for app in sorted(measured):
        yield _fit(cluster, {app, *cluster.graph.upstream([app])}, slow), f"app/{app}"
        callees = set(cluster.graph.callees.get(app, ()))
        if len(callees & set(slow)) >= 3:
            yield _fit(cluster, {app, *cluster.graph.upstream([app]), *callees}, slow), f"app/{app}"
    for node, apps in homes.items():
        if len(apps & set(slow)) >= 2:
            yield _fit(cluster, {*apps, *cluster.graph.upstream(apps)}, slow) + 1e-6, f"node/{node}"


def _homes(cluster: Cluster) -> dict[str, set[str]]:
    homes: dict[str, set[str]] = {}
    for pod in cluster.pods:
        if pod.said("node"):
            homes.setdefault(pod.said("node"), set()).add(pod.app)
    return homes


def _fit(cluster: Cluster, expected: set[str], slow: Mapping[str, Move]) -> float:
    """Services that are called too little to tell (their traffic fell by half) neither speak for nor against."""
    told = {s for s in expected if s in slow or _tells(cluster, s)}
    right = len(told & set(slow))
    if not right:
        return 0.0
    precision, recall = right / len(told), right / len(slow)
    return 2 * precision * recall / (precision + recall)


def _tells(cluster: Cluster, service: str) -> bool:
    moves = cluster.moves.get(f"app/{service}", {})
    rate = moves.get("request_rate")
    fell = rate is not None and rate.after < 0.75 * rate.before
    seen = any(m in moves and moves[m].before > 0 for m in LATENCY)
    return not fell and (seen or rate is None)


def _delay(cluster: Cluster, component: str, score: float, lead: float, slow: Mapping[str, Move]) -> Match:
    kind, _, name = component.partition("/")
    worst = max(slow, key=lambda s: (slow[s].after - slow[s].before if math.isfinite(slow[s].after) else 0.0, s))
    move = slow[worst]
    shown = (
        f"{1000 * move.before:.3g} to {1000 * move.after:.3g} ms" if math.isfinite(move.after) else "some to nothing"
    )
    where = "applications on" if kind == "node" else "calls to and from"
    return Match(
        component, f"{'node' if kind == 'node' else 'pod'}_network_delay",
        max(0.15, min(0.9, 0.35 + 0.45 * score + 0.6 * lead)), _K.LATENCY_ROSE,
        f"{len(slow)} services became slow, {worst} most ({shown}); delay of {where} {name} explains it best, "
        "and no CPU load does",
        f"Calls that neither start nor end at {name} are as slow.",
        tuple(dict.fromkeys(m.evidence for m in slow.values())),
        {"object": name, "service" if kind == "app" else "node": name, "slow": len(slow), "fit": round(score, 3)},
    )  # fmt: skip


SIGNATURES = (cpu_load, packets_lost, slow_without_reason)
