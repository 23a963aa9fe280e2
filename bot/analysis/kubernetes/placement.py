"""Which nodes a pod may run on, computed from labels, taints and room the way the scheduler judges. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bot.analysis.kubernetes.cluster import Cluster, Thing, plain_containers, spec_of
from connectors.kubernetes.reading import flag, labels_of, mapping, objects, quantity, text, texts
from connectors.model import JsonObject

_CORDON = "node.kubernetes.io/unschedulable"
_SICK = frozenset(
    f"node.kubernetes.io/{word}"
    for word in ("not-ready", "unreachable", "memory-pressure", "disk-pressure", "pid-pressure", "network-unavailable")
)


def workers(cluster: Cluster) -> list[Thing]:
    """Nodes meant for applications; all of them when none is marked as control plane."""
    plain = [node for name, node in cluster.nodes.items() if name not in cluster.control_plane]
    return plain or list(cluster.nodes.values())


def meets_selector(pod: Thing, node: Thing) -> bool:
    labels = labels_with_name(node)
    return all(labels.get(key) == value for key, value in labels_of(spec_of(pod), "node_selector").items())


def labels_with_name(node: Thing) -> dict[str, str]:
    """Labels of a node; the kubelet always sets the one for its host name."""
    return {"kubernetes.io/hostname": node.name} | labels_of(node.fields, "labels")


def meets_affinity(pod: Thing, node: Thing) -> bool:
    """Required node affinity: one of the terms must hold, a term when all of its expressions do."""
    terms = mapping(spec_of(pod), "affinity").get("node_required")
    if not isinstance(terms, list) or not terms:
        return True
    labels = labels_with_name(node) | {"metadata.name": node.name}
    return any(_term_holds(term, labels) for term in terms if isinstance(term, list))


def _term_holds(term: Iterable[object], labels: dict[str, str]) -> bool:
    return all(_holds(entry, labels) for entry in term if isinstance(entry, dict))


def _holds(entry: JsonObject, labels: dict[str, str]) -> bool:
    key, values = text(entry, "key") or "", texts(entry, "values")
    have = labels.get(key)
    match text(entry, "operator"):
        case "In":
            return have in values
        case "NotIn":
            return have not in values
        case "Exists":
            return have is not None
        case "DoesNotExist":
            return have is None
        case "Gt" | "Lt" as operator:
            wanted, found = quantity(values[0]) if values else None, quantity(have)
            if wanted is None or found is None:
                return False
            return found > wanted if operator == "Gt" else found < wanted
        case _:
            return False


def tolerates(pod: Thing, taint: JsonObject) -> bool:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""
    return any(_tolerated(entry, taint) for entry in objects(spec_of(pod), "tolerations"))


def _tolerated(entry: JsonObject, taint: JsonObject) -> bool:
    if text(entry, "effect") not in (None, "", text(taint, "effect")):
        return False
    if text(entry, "operator") == "Exists":
        return text(entry, "key") in (None, "", text(taint, "key"))
    same = text(entry, "key") == text(taint, "key")
    return same and (text(entry, "value") or "") == (text(taint, "value") or "")


def request(pod: Thing, resource: str) -> float:
    """What the pod's containers ask for together, in cores or bytes."""
    return sum(quantity(mapping(c, "requests").get(resource)) or 0.0 for c in plain_containers(pod))


def untolerated(pod: Thing, node: Thing) -> list[JsonObject]:
    """Taints set by people that keep the pod away; those that Kubernetes sets for a sick node are not among them."""
    hard = [t for t in node.parts("taints") if text(t, "effect") in {"NoSchedule", "NoExecute"}]
    chosen = [t for t in hard if text(t, "key") not in _SICK | {_CORDON}]
    return [t for t in chosen if not tolerates(pod, t)]


def blocker(pod: Thing, node: Thing) -> str:
    """The first thing that keeps a pod off a node it chose: node, cordon, taint, cpu, memory, or free."""
    if not flag(node.fields, "ready"):
        return "node"
    if flag(node.fields, "unschedulable") and not tolerates(pod, {"key": _CORDON, "effect": "NoSchedule"}):
        return "cordon"
    if untolerated(pod, node):
        return "taint"
    for resource, room in (("cpu", "cpu_cores"), ("memory", "memory_bytes")):
        most, used = _number(node, f"allocatable_{room}"), _number(node, f"requested_{room}") or 0.0
        if most is not None and request(pod, resource) > most - used:
            return resource
    return "free"


def _number(node: Thing, key: str) -> float | None:
    value = node.fields.get(key)
    return float(value) if isinstance(value, int | float) else None


def most_common(words: Iterable[str]) -> str | None:
    """The most frequent word; of equals, the first by name."""
    counts = Counter(words)
    return min(counts, key=lambda w: (-counts[w], w)) if counts else None
