"""Parts of a node that stopped: kubelet, container runtime, kube-proxy, and the scheduler of the control plane."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from bot.analysis.kubernetes.cluster import Cluster, Thing
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.scheduling import scheduler_message, waiting_pods
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import flag, mapping, stamp

_K = FindingKind
_CAUSE = {
    "kubelet": "kubelet_unavailable",
    "containerd": "containerd_unavailable",
    "cri-o": "containerd_unavailable",
    "crio": "containerd_unavailable",
    "docker": "containerd_unavailable",
    "dockerd": "containerd_unavailable",
    "cri-docker": "containerd_unavailable",
    "cri-dockerd": "containerd_unavailable",
    "k3s-agent": "kubelet_unavailable",
    "rke2-agent": "kubelet_unavailable",
    "kube-proxy": "kube_proxy_unavailable",
    "kube-scheduler": "kube_scheduler_unavailable",
}
_RUNTIME = re.compile(
    r"container runtime (?:is |network )?(?:down|not ready: RuntimeReady|status check)|PLEG is not healthy|"
    r"container runtime not ready|(?:containerd|crio|cri-o|docker|dockershim|cri-dockerd)\.sock|"
    r"failed to get (?:container )?runtime status",
    re.I,
)
_SOCKET = re.compile(
    r"(?:containerd|crio|cri-o|docker|dockershim|cri-dockerd)\.sock.{0,40}(?:refused|no such file)|"
    r"Cannot connect to the Docker daemon",
    re.I,
)
_FRESH = timedelta(minutes=10)
_PATIENCE = timedelta(seconds=30)
"""A pod that the scheduler has not looked at for so long was not seen by it."""


def unit_stopped(cluster: Cluster) -> Iterator[Match]:
    """The service manager of a node says that a part is not running."""
    for unit in cluster.of("NodeService"):
        name = unit.said("unit").removesuffix(".service")
        if name in _CAUSE and flag(unit.fields, "active") is False:
            since = unit.said("since")
            yield _match(
                unit.said("node"), _CAUSE[name], 0.97, (unit.evidence,), name,
                f"{name} is not running on {unit.said('node')}" + (f" since {since}" if since else ""),
            )  # fmt: skip


def node_reports(cluster: Cluster) -> Iterator[Match]:
    """A node's own Ready condition: silence speaks of the kubelet, a complaint about the runtime of that."""
    for node in cluster.nodes.values():
        if flag(node.fields, "ready"):
            continue
        message = f"{node.said('ready_reason')} {node.said('ready_message')}"
        if _RUNTIME.search(message):
            words = f"the kubelet of {node.name} says that its container runtime is down"
            yield _match(node.name, "containerd_unavailable", 0.9, (node.evidence,), "containerd", words)
        elif node.said("ready_status") == "Unknown":
            words = f"the kubelet of {node.name} no longer reports to the API"
            yield _match(node.name, "kubelet_unavailable", 0.88, (node.evidence,), "kubelet", words)


def runtime_unreached(cluster: Cluster) -> Iterator[Match]:
    """Events of the last minutes say that nobody listens at the socket of a node's container runtime."""
    well = {u.said("node") for u in cluster.of("NodeService") if flag(u.fields, "active") and _runs_containers(u)}
    for event in cluster.of("Event"):
        told, at = event.said("message"), stamp(event.said("last_at"))
        about = next((p for p in cluster.pods if p.name == event.said("involved_name")), None)
        node = event.said("node") or (about.said("node") if about else "")
        node = event.said("involved_name") if event.said("involved_kind") == "Node" else node
        recent = at is not None and cluster.now - at <= _FRESH
        if recent and node in cluster.nodes and node not in well and _SOCKET.search(told):
            words = f"the kubelet of {node} cannot reach its container runtime"
            yield _match(node, "containerd_unavailable", 0.8, (event.evidence,), "containerd", words)


def _runs_containers(unit: Thing) -> bool:
    return _CAUSE.get(unit.said("unit").removesuffix(".service")) == "containerd_unavailable"


def proxy_stopped(cluster: Cluster) -> Iterator[Match]:
    """From one node no Service can be reached while from others all can; or its kube-proxy pod is not ready."""
    tries: dict[str, list[bool]] = {}
    checks = [c for c in cluster.of("Reachability") if mapping(c.fields, "from_nodes")]
    for check in checks:
        for node, ok in mapping(check.fields, "from_nodes").items():
            tries.setdefault(node, []).append(ok is True)
    well = [node for node, results in tries.items() if sum(results) >= 0.8 * len(results)]
    for node, results in tries.items():
        if len(results) >= 3 and not any(results) and well and not cluster.node_down(node):
            words = f"none of {len(results)} Services can be reached from {node}, while they can be from {well[0]}"
            yield _match(node, "kube_proxy_unavailable", 0.85, (checks[0].evidence,), "kube-proxy", words)
    for pod in cluster.of("Pod"):
        if pod.said("workload") == "DaemonSet/kube-proxy" and flag(pod.fields, "ready") is False and pod.said("phase"):
            words = f"pod {pod.name} of kube-proxy is not ready on {pod.said('node')}"
            if not cluster.node_down(pod.said("node")):
                yield _match(pod.said("node"), "kube_proxy_unavailable", 0.8, (pod.evidence,), "kube-proxy", words)


def scheduler_silent(cluster: Cluster) -> Iterator[Match]:
    """Pods wait for a node and nobody has said why: the scheduler has not looked at them."""
    unseen = [p for p in waiting_pods(cluster) if _old(cluster, p) and not scheduler_message(cluster, p)]
    unseen = [
        p for p in unseen if not p.said("spec", "scheduler") or p.said("spec", "scheduler") == "default-scheduler"
    ]
    if not unseen:
        return
    ours = [p for p in cluster.of("Pod") if "kube-scheduler" in p.name and p.said("node")]
    homes = sorted({p.said("node") for p in ours} or cluster.control_plane)
    words = (
        f"{len(unseen)} pods wait for a node, such as {unseen[0].name}, and the scheduler has said nothing about them"
    )
    for home in homes:
        yield _match(
            home, "kube_scheduler_unavailable", 0.85 / len(homes), (unseen[0].evidence,), "kube-scheduler", words
        )


def _old(cluster: Cluster, pod: Thing) -> bool:
    created = stamp(pod.said("created_at"))
    return created is None or cluster.now - created >= _PATIENCE


def _match(node: str, cause: str, confidence: float, evidence: tuple[str, ...], unit: str, words: str) -> Match:  # noqa: PLR0917
    return Match(
        f"node/{node}", cause, confidence, _K.NODE_NOT_READY, words,
        f"{unit} runs on {node} and answers.", evidence, {"object": node, "node": node, "unit": unit},
    )  # fmt: skip


SIGNATURES = (unit_stopped, node_reports, runtime_unreached, proxy_stopped, scheduler_silent)
