"""Pods that no node takes: room, selectors, affinity, cordons, taints, anti-affinity, claims that do not bind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.kubernetes.cluster import Cluster, Thing, spec_of
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.placement import (
    blocker,
    meets_affinity,
    meets_selector,
    most_common,
    request,
    untolerated,
    workers,
)
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import labels_of, mapping, text

_K = FindingKind
_REASON = re.compile(r"(\d+) (Insufficient [\w./-]+|node\(s\) [^,.{]+(?:\{[^}]*\})?)", re.I)
# The words of every release since 1.10; the scheduler names a pod's own anti-affinity and that of others apart.
_OF_REASON = {
    "insufficient cpu": "cpu",
    "insufficient memory": "memory",
    "anti-affinity": "anti",
    "volume node affinity": "volume",
    "node affinity": "where",
    "node selector": "where",
    "unschedulable": "cordon",
    "taint": "taint",
}
_VOLUME = re.compile(r"persistentvolumeclaim|persistent volumes? to bind|volume node affinity", re.I)
_CAUSE = {
    "cpu": "cpu_capacity_mismatch",
    "memory": "memory_capacity_mismatch",
    "selector": "node_selector_mismatch",
    "affinity": "node_affinity_mismatch",
    "cordon": "node_cordon_mismatch",
    "taint": "taint_toleration_mismatch",
    "anti": "pod_anti_affinity_conflict",
}


def reasons(message: str) -> dict[str, int]:
    """Nodes by the reason the scheduler gives for them; its advice about preemption is left out."""
    found: dict[str, int] = {}
    for count, words in _REASON.findall(message.partition("preemption:")[0]):
        reason = next((r for part, r in _OF_REASON.items() if part in words.lower()), None)
        if reason:
            found[reason] = found.get(reason, 0) + int(count)
    return found


def waiting_pods(cluster: Cluster) -> list[Thing]:
    """Pods without a node."""
    return [p for p in cluster.pods if p.said("phase") == "Pending" and not p.said("node")]


def scheduler_message(cluster: Cluster, pod: Thing) -> str:
    """What the scheduler last said about a pod, empty when it said nothing."""
    event = next(iter(cluster.events_of("Pod", pod.name, "FailedScheduling")), None)
    return pod.said("unschedulable_message") or (event.said("message") if event else "")


def no_node_fits(cluster: Cluster) -> Iterator[Match]:
    """One of the seven reasons for which no node takes a pod."""
    for pod in waiting_pods(cluster):
        message = scheduler_message(cluster, pod)
        said = reasons(message)
        if not said or _VOLUME.search(message):
            continue
        reason = _reason(cluster, pod, said)
        if reason in _CAUSE:
            yield _match(cluster, pod, reason, message)


def _reason(cluster: Cluster, pod: Thing, said: dict[str, int]) -> str | None:
    """The scheduler counts nodes by reason; which of them the pod had chosen is computed from their labels."""
    nodes = workers(cluster)
    if "anti" in said:
        return "anti"
    if nodes and "where" in said:
        return _where(cluster, pod, nodes, said)
    if nodes and ({"cordon", "taint"} & said.keys()) and not {"cpu", "memory"} & said.keys():
        return most_common(blocker(pod, n) for n in nodes)
    if "cpu" in said or "memory" in said:
        return _scarce(cluster, pod, said)
    plain = {"where": "affinity" if mapping(spec_of(pod), "affinity") else "selector"}
    best = max(said, key=lambda r: (said[r], r))
    return plain.get(best, best)


def _where(cluster: Cluster, pod: Thing, nodes: list[Thing], said: dict[str, int]) -> str | None:
    """No node was chosen, or those that were are closed for another reason."""
    chosen = [n for n in nodes if meets_selector(pod, n) and meets_affinity(pod, n)]
    if chosen:
        return most_common(blocker(pod, n) for n in chosen)
    if said["where"] < len(nodes):
        # The scheduler found nodes that fit after all; those of the control plane are not what it means.
        left = dict(said)
        for name in cluster.control_plane:
            reason = blocker(pod, cluster.nodes[name])
            left[reason] = left.get(reason, 0) - 1
        others = {r: n for r, n in left.items() if r not in {"where", "free"} and n > 0}
        if others:
            return max(others, key=lambda r: (others[r], r))
    return "affinity" if any(meets_selector(pod, n) for n in nodes) else "selector"


def _scarce(cluster: Cluster, pod: Thing, said: dict[str, int]) -> str:
    """Of two scarce resources, the one of which the pod asks for the larger share of a node."""
    if not ("cpu" in said and "memory" in said):
        return "cpu" if "cpu" in said else "memory"
    shares = {
        "cpu": request(pod, "cpu") / max(_most(cluster, "allocatable_cpu_cores"), 1e-9),
        "memory": request(pod, "memory") / max(_most(cluster, "allocatable_memory_bytes"), 1e-9),
    }
    return max(shares, key=lambda r: shares[r])


def _most(cluster: Cluster, key: str) -> float:
    values = [node.fields.get(key) for node in workers(cluster)]
    return max((float(v) for v in values if isinstance(v, int | float)), default=0.0)


_ROOM = {"cpu": "allocatable_cpu_cores", "memory": "allocatable_memory_bytes"}
_FULL_NODES = 0.6
"""A request that an empty node could meet says less about the pod than about how full the nodes are."""


def _match(cluster: Cluster, pod: Thing, reason: str, message: str) -> Match:
    room = _most(cluster, _ROOM[reason]) if reason in _ROOM else 0.0
    fits = room > 0 and request(pod, reason) <= room
    return Match(
        pod.component, _CAUSE[reason], _FULL_NODES if fits else 0.95, _K.SCHEDULING_FAILED,
        f"no node takes {pod.name}: {_words(cluster, pod, reason)}",
        "The pod is placed without a change to it or to the nodes.",
        (pod.evidence, *(n.evidence for n in list(cluster.nodes.values())[:1])),
        {"object": pod.app, "pod": pod.name, "namespace": pod.item.namespace, "service": pod.app,
         "message": message[:300]},
    )  # fmt: skip


def _words(cluster: Cluster, pod: Thing, reason: str) -> str:
    nodes = workers(cluster)
    match reason:
        case "cpu":
            most = _most(cluster, "allocatable_cpu_cores")
            return f"it asks for {request(pod, 'cpu'):g} CPU cores and the largest node has {most:g} in all"
        case "memory":
            asked, most = request(pod, "memory") / 2**20, _most(cluster, "allocatable_memory_bytes") / 2**20
            return f"it asks for {asked:.0f} MiB of memory and the largest node has {most:.0f} MiB in all"
        case "selector":
            labels = ", ".join(f"{k}={v}" for k, v in labels_of(spec_of(pod), "node_selector").items())
            return f"its node selector wants {labels}, which no node has"
        case "affinity":
            return "its required node affinity fits no node"
        case "cordon":
            closed = [n.name for n in nodes if blocker(pod, n) == "cordon"]
            return f"the nodes it may use are cordoned ({', '.join(closed[:3])})"
        case "taint":
            taints = {f"{text(t, 'key')}={text(t, 'value') or ''}" for n in nodes for t in untolerated(pod, n)}
            return f"it does not tolerate the taint {', '.join(sorted(taints)[:2])}"
        case _:
            return "its required pod anti-affinity leaves no node"


_CLAIM_CAUSE = {
    "occupied": "pv_binding_occupied",
    "name": "pv_binding_occupied",
    "access_modes": "pvc_access_mode_mismatch",
    "capacity": "pvc_capacity_mismatch",
    "selector": "pvc_selector_mismatch",
    "storage_class": "pvc_storage_class_mismatch",
}


def claim_does_not_bind(cluster: Cluster) -> Iterator[Match]:
    """A claim waits; the volume that fits best tells what is wrong."""
    for claim in cluster.of("PersistentVolumeClaim"):
        users = [p for p in waiting_pods(cluster) if p.name in _users(claim)]
        if claim.said("phase") == "Bound" or not users:
            continue
        for reason, volume, confidence in _why_unbound(cluster, claim):
            yield _unbound(claim, users[0], reason, volume, confidence)


def _users(claim: Thing) -> list[str]:
    used = claim.fields.get("used_by")
    return [str(name) for name in used] if isinstance(used, list) else []


def _why_unbound(cluster: Cluster, claim: Thing) -> Iterator[tuple[str, str, float]]:
    """(reason, volume, confidence): a class that does not exist first, then the volume with the fewest misfits."""
    wanted = claim.said("storage_class")
    if wanted and any("not found" in e.said("message") for e in _failures(cluster, claim)):
        yield "storage_class", "", 0.94
        return
    made_on_demand = _made_on_demand(cluster, wanted)
    fits = sorted(
        ([str(m) for m in _list(entry.get("mismatches"))], text(entry, "volume") or "")
        for entry in claim.parts("candidates")
    )
    # A free volume with one misfit was meant for the claim rather than one that somebody else holds.
    fits.sort(key=lambda pair: (len(pair[0]), "occupied" in pair[0]))
    best = len(fits[0][0]) if fits else 0
    for place, (misfits, volume) in enumerate(f for f in fits if len(f[0]) == best):
        for reason in misfits:
            # Volumes of others do not stand in the way where each claim gets one made for it.
            sure = 0.4 if made_on_demand and reason == "occupied" and not claim.said("volume") else 0.94
            if reason in _CLAIM_CAUSE:
                yield reason, volume, max(0.3, sure - 0.12 * (len(misfits) - 1) - 0.2 * place)
    if not fits and wanted and _absent(cluster, wanted):
        yield "storage_class", "", 0.9


def _made_on_demand(cluster: Cluster, storage_class: str) -> bool:
    """Whether a class has a provisioner that makes volumes when they are asked for."""
    found = next((c for c in cluster.of("StorageClass") if c.name == storage_class), None)
    return found is not None and not found.said("provisioner").endswith("no-provisioner")


def _absent(cluster: Cluster, storage_class: str) -> bool:
    """Whether the classes were read and this one is none of them."""
    classes = cluster.of("StorageClass")
    return bool(classes) and all(c.name != storage_class for c in classes)


def _failures(cluster: Cluster, claim: Thing) -> list[Thing]:
    return cluster.events_of("PersistentVolumeClaim", claim.name, "ProvisioningFailed", "FailedBinding")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _unbound(claim: Thing, pod: Thing, reason: str, volume: str, confidence: float) -> Match:
    modes = ", ".join(map(str, _list(claim.fields.get("access_modes"))))
    words = {
        "occupied": f"volume {volume} that would fit is bound to another claim",
        "name": f"it names a volume other than {volume}",
        "access_modes": f"it wants {modes}, which volume {volume} does not offer",
        "capacity": f"it asks for {claim.said('requested')}, more than volume {volume} has",
        "selector": f"its selector does not choose volume {volume}",
        "storage_class": f"it wants storage class “{claim.said('storage_class')}”, which no volume or class offers",
    }[reason]
    return Match(
        pod.component, _CLAIM_CAUSE[reason], confidence, _K.SCHEDULING_FAILED,
        f"{pod.name} waits for claim {claim.name}, which does not bind: {words}",
        "The claim binds while claim and volumes stay as they are.", (claim.evidence, pod.evidence),
        {"object": claim.name, "claim": claim.name, "volume": volume, "pod": pod.name,
         "namespace": pod.item.namespace, "service": pod.app},
    )  # fmt: skip


SIGNATURES = (no_node_fits, claim_does_not_bind)
