"""Slowness without a broken object: CPU load on one application, packets lost by a node, delay (see `spread`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bot.analysis.kubernetes.cluster import Cluster
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.moves import Move
from bot.analysis.kubernetes.spread import explanations, homes_of, hurt, hurt_services, tail_only
from bot.domain.evidence import FindingKind

_K = FindingKind
CPU_TIMES, HELD_TIMES, CPU_CORES = 2.5, 1.5, 0.05
RETRANSMITS_PER_S = 2.0
"""Above this for most of the time, TCP segments get lost; a delay alone makes a spike that dies away."""
_THROTTLED = ("cpu_throttled_ratio", "cpu_throttled_s")


def cpu_load(cluster: Cluster) -> Iterator[Match]:
    """CPU use of one application rose many times without more requests, up to its limit."""
    for component, moves in cluster.moves.items():
        cpu = moves.get("cpu_usage")
        name = component.partition("/")[2]
        if component != f"app/{name}" or not cluster.pods_of(name) or cpu is None:
            continue
        throttled = next((moves[m] for m in _THROTTLED if m in moves), None)
        held = throttled is not None and throttled.after > max(0.1, 2 * throttled.before)
        # A process that its limit holds back cannot rise many times over.
        if not _loaded(moves, cpu, HELD_TIMES if held else CPU_TIMES):
            continue
        confidence = 0.68 + 0.13 * held + 0.1 * (hurt(moves) is not None) + 0.03 * min(cpu.times / 20, 1)
        yield Match(
            component, "pod_cpu_overload", confidence, _K.SATURATION_HIGH,
            f"CPU use of {name} rose from {cpu.before:.3g} to {cpu.after:.3g} cores without more requests"
            + (", and the kernel throttles it" if held else ""),
            "Requests rose as much as CPU use did.", (cpu.evidence,),
            {"object": name, "service": name, "before": round(cpu.before, 3), "after": round(cpu.after, 3)},
        )  # fmt: skip


def _loaded(moves: Mapping[str, Move], cpu: Move, times: float) -> bool:
    rate = moves.get("request_rate")
    busier = rate.times if rate and rate.before > 0 and math.isfinite(rate.after) else 1.0
    return cpu.after - cpu.before >= CPU_CORES and cpu.times >= times * max(busier, 1.0)


def packets_lost(cluster: Cluster) -> Iterator[Match]:
    """A node that hosts applications sends segments again all the time: what it sends does not arrive."""
    homes = homes_of(cluster)
    found = {n: cluster.moves[f"node/{n}"] for n in homes if f"node/{n}" in cluster.moves}
    lost = {n: m["tcp_retransmits"] for n, m in found.items() if "tcp_retransmits" in m}
    rose = {n: m for n, m in lost.items() if m.low >= RETRANSMITS_PER_S and m.times >= 3}
    if not rose:
        return
    name = max(rose, key=lambda n: (rose[n].after, n))
    move = rose[name]
    yield Match(
        f"node/{name}", "node_network_packet_loss", 0.92, _K.METRIC_SHIFTED,
        f"TCP retransmissions of {name} rose from {move.before:.3g} to {move.after:.3g} per second and stayed there",
        "Segments sent by other nodes are lost just as often.", (move.evidence,),
        {"object": name, "node": name, "before": round(move.before, 3), "after": round(move.after, 3)},
    )  # fmt: skip


def network_delay(cluster: Cluster) -> Iterator[Match]:
    """Latency spreads along calls, and nothing else is wrong: delay at the place that explains it best.

    On a node the tail alone tells of lost packets; a delay moves the median as well.
    """
    slow = hurt_services(cluster)
    known = [m for m in (*packets_lost(cluster), *cpu_load(cluster)) if m.confidence >= 0.8]
    if not slow or known or not any(cluster.pods_of(s) for s in slow):
        return
    most = _most_sure(cluster, slow)
    fits = explanations(cluster, slow)
    for place, fit in enumerate(fits[:3]):
        rival = fits[1].score if place == 0 and len(fits) > 1 else fits[0].score
        sure = max(0.15, most * min(1.0, 0.4 + 0.5 * fit.score + 0.6 * min(fit.score - rival, 0.3)))
        kind, _, name = fit.component.partition("/")
        if kind == "app":
            yield _delay(fit.component, "pod_network_delay", sure, slow, f"calls to and from {name}")
            continue
        tail = tail_only(cluster)
        where = f"the network of {name}"
        yield _delay(fit.component, "node_network_delay", sure * (0.6 if tail else 1), slow, where)
        yield _delay(fit.component, "node_network_packet_loss", sure * (1 if tail else 0.6), slow, where)


def _most_sure(cluster: Cluster, slow: Mapping[str, Move]) -> float:
    """What may be claimed at most: delay is what is left, so it needs other reasons to be measured and absent."""
    if any(change.service in slow for change in cluster.changes):
        return 0.35
    cpu = [cluster.moves[f"app/{s}"].get("cpu_usage") for s in slow if f"app/{s}" in cluster.moves]
    idle = [m for m in cpu if m is not None and m.after <= 1.5 * m.before + CPU_CORES]
    spikes = [
        m["tcp_retransmits"] for c, m in cluster.moves.items() if c.startswith("node/") and "tcp_retransmits" in m
    ]
    spiked = any(m.after >= 0.5 and m.times >= 3 for m in spikes)
    return 0.48 + 0.14 * (len(idle) == len(slow)) + 0.2 * spiked


def _delay(component: str, cause: str, confidence: float, slow: Mapping[str, Move], where: str) -> Match:
    kind, _, name = component.partition("/")
    worst = max(slow, key=lambda s: (slow[s].after - slow[s].before if math.isfinite(slow[s].after) else 0.0, s))
    move = slow[worst]
    shown = f"{1000 * move.before:.3g} to {1000 * move.after:.3g} ms" if math.isfinite(move.after) else "no answers"
    return Match(
        component, cause, max(confidence, 0.1), _K.LATENCY_ROSE,
        f"{len(slow)} services became slow or failing, {worst} most ({shown}); trouble of {where} explains them best",
        f"Calls that neither start nor end at {name} are as slow.",
        tuple(dict.fromkeys(m.evidence for m in slow.values())),
        {"object": name, "service" if kind == "app" else "node": name, "slow": len(slow)},
    )  # fmt: skip


SIGNATURES = (cpu_load, packets_lost, network_delay)
