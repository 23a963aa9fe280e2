"""Nodes, namespaces, quotas and policies as typed items. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import JsonValue

from connectors.kubernetes.objects import condition, conditions_of, item
from connectors.kubernetes.podspec import containers_of, shown_value
from connectors.kubernetes.reading import (
    compact,
    flag,
    label_selects,
    labels_of,
    listed,
    mapping,
    name_of,
    namespace_of,
    objects,
    quantity,
    stamp,
    stamp_text,
    text,
    texts,
)
from connectors.kubernetes.routes import routes_of
from connectors.model import Item, JsonObject

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def node_item(obj: JsonObject, now: datetime, pods: Iterable[JsonObject] | None = None) -> Item:
    """A node: ready, pressures, taints, versions, room. With pods, how much of it is asked for."""
    ready = condition(obj, "Ready")
    heartbeat = stamp(text(ready, "lastHeartbeatTime"))
    info = mapping(obj, "status", "nodeInfo")
    fields: JsonObject = {
        "ready": text(ready, "status") == "True",
        "ready_status": text(ready, "status"),
        "ready_reason": text(ready, "reason"),
        "ready_message": text(ready, "message"),
        "pressures": listed(kind for kind in _PRESSURES if text(condition(obj, kind), "status") == "True"),
        "conditions": listed(conditions_of(obj)),
        "heartbeat_age_s": round((now - heartbeat).total_seconds()) if heartbeat else None,
        "taints": listed(_taint(entry) for entry in objects(obj, "spec", "taints")),
        "unschedulable": flag(obj, "spec", "unschedulable") or False,
        "labels": dict(labels_of(obj, "metadata", "labels")),
        "capacity": mapping(obj, "status", "capacity"),
        "allocatable": mapping(obj, "status", "allocatable"),
        "allocatable_cpu_cores": quantity(mapping(obj, "status", "allocatable").get("cpu")),
        "allocatable_memory_bytes": quantity(mapping(obj, "status", "allocatable").get("memory")),
        "versions": compact(
            {
                "kubelet": text(info, "kubeletVersion"),
                "runtime": text(info, "containerRuntimeVersion"),
                "kernel": text(info, "kernelVersion"),
                "os": text(info, "osImage"),
                "proxy": text(info, "kubeProxyVersion"),
            }
        ),
        "addresses": {text(a, "type") or "": text(a, "address") for a in objects(obj, "status", "addresses")},
        "created_at": stamp_text(text(obj, "metadata", "creationTimestamp")),
    }
    if pods is not None:
        fields |= _asked_for(name_of(obj), pods)
    kept = item(obj, fields, kind="Node")
    return kept.model_copy(
        update={"fields": kept.fields | {"pressures": fields["pressures"], "taints": fields["taints"]}}
    )


def _taint(entry: JsonObject) -> JsonObject:
    return compact(
        {
            "key": text(entry, "key"),
            "value": text(entry, "value"),
            "effect": text(entry, "effect"),
            "at": stamp_text(entry.get("timeAdded")),
        }
    )


def _asked_for(node: str, pods: Iterable[JsonObject]) -> JsonObject:
    mine = [p for p in pods if text(p, "spec", "nodeName") == node]
    live = [p for p in mine if text(p, "status", "phase") not in ("Succeeded", "Failed")]
    return {
        "pods": len(live),
        "requested_cpu_cores": round(sum(requested(p, "cpu") for p in live), 3),
        "requested_memory_bytes": round(sum(requested(p, "memory") for p in live)),
    }


def requested(pod: JsonObject, resource: str) -> float:
    """What a pod's plain containers ask for of a resource, in base units."""
    asked = (
        quantity(mapping(container, "resources", "requests").get(resource)) or 0.0
        for container, init in containers_of(mapping(pod, "spec"))
        if not init
    )
    return sum(asked)


def namespace_item(obj: JsonObject) -> Item:
    fields: JsonObject = {
        "phase": text(obj, "status", "phase"),
        "labels": dict(labels_of(obj, "metadata", "labels")),
        "conditions": listed(conditions_of(obj)),
    }
    return item(obj, fields, kind="Namespace")


def quota_item(obj: JsonObject) -> Item:
    """A ResourceQuota: what it allows, what is used, and which resources have nothing left."""
    hard = mapping(obj, "status", "hard") or mapping(obj, "spec", "hard")
    used = mapping(obj, "status", "used")
    ratios: dict[str, JsonValue] = {}
    for resource, limit in hard.items():
        most, taken = quantity(limit), quantity(used.get(resource))
        if most is None or taken is None:
            continue
        ratios[resource] = round(taken / most, 4) if most > 0 else 1.0
    fields: JsonObject = {
        "hard": hard,
        "used": used,
        "ratios": ratios,
        "exhausted": listed(sorted(name for name, ratio in ratios.items() if isinstance(ratio, float) and ratio >= 1)),
        "scopes": listed(texts(obj, "spec", "scopes")),
    }
    return item(obj, fields, kind="ResourceQuota")


def limit_range_item(obj: JsonObject) -> Item:
    return item(obj, {"limits": listed(objects(obj, "spec", "limits"))}, kind="LimitRange")


def policy_item(obj: JsonObject, pods: Iterable[JsonObject] = ()) -> Item:
    """A NetworkPolicy: which pods it chooses, what it lets in and out. An empty rule list lets nothing through."""
    spec = mapping(obj, "spec")
    selector = mapping(spec, "podSelector")
    types = texts(spec, "policyTypes") or ["Ingress"] + (["Egress"] if "egress" in spec else [])
    chosen = [
        name_of(pod)
        for pod in pods
        if namespace_of(pod) == namespace_of(obj) and label_selects(selector, labels_of(pod, "metadata", "labels"))
    ]
    fields: JsonObject = {
        "selector": selector,
        "types": listed(types),
        "ingress": listed(_rule(entry, "from") for entry in objects(spec, "ingress")),
        "egress": listed(_rule(entry, "to") for entry in objects(spec, "egress")),
        "denies_ingress": "Ingress" in types and not objects(spec, "ingress"),
        "denies_egress": "Egress" in types and not objects(spec, "egress"),
        "selected_pods": listed(sorted(chosen)),
        "created_at": stamp_text(text(obj, "metadata", "creationTimestamp")),
    }
    return item(obj, fields, kind="NetworkPolicy")


def _rule(entry: JsonObject, side: str) -> JsonObject:
    return compact({"peers": listed(objects(entry, side)), "ports": listed(objects(entry, "ports"))})


def configmap_item(obj: JsonObject) -> Item:
    """A ConfigMap: its keys, those values that are short, on one line and not secret by name, and its routes."""
    data = labels_of(obj, "data")
    shown = {key: shown_value(key, value) for key, value in data.items() if len(value) <= 256 and "\n" not in value}
    fields: JsonObject = {
        "keys": listed(sorted(data) + sorted(mapping(obj, "binaryData"))),
        "values": {key: value for key, (value, masked) in shown.items() if not masked},
        "routes": listed(route for value in data.values() for route in routes_of(value)),
        "labels": dict(labels_of(obj, "metadata", "labels")),
        "created_at": stamp_text(text(obj, "metadata", "creationTimestamp")),
    }
    return item(obj, fields, kind="ConfigMap")
