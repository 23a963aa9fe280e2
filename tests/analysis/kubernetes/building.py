"""Raw API objects of a small healthy shop, and ways to break it; they pass through the connector's own mapping."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.analysis.facts import lay_out
from bot.analysis.kubernetes import kubernetes_matches
from bot.analysis.kubernetes.match import Match
from bot.domain.evidence import Evidence
from bot.domain.question import Analysis, CaseFile, IssueType, Question, Service, Setting
from connectors.kubernetes.cluster import configmap_item, node_item, quota_item
from connectors.kubernetes.objects import (
    daemonset_item,
    deployment_item,
    event_item,
    pod_item,
    statefulset_item,
)
from connectors.kubernetes.references import existing_in, reference_items
from connectors.kubernetes.services import service_item
from connectors.kubernetes.storage import storage_items
from connectors.model import Item, LogGroup, Logs, Objects, Payload, Series, SeriesSet, SourceRef, TimeWindow, ToolCall

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = TimeWindow(start=NOW - timedelta(minutes=10), end=NOW)
NAMESPACE = "shop"
Raw = dict[str, Any]


def ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


def container(name: str = "main", *, port: int = 8080, **more: Any) -> Raw:
    return {"name": name, "image": "registry.test/app:1", "ports": [{"containerPort": port}], **more}


def pod(
    app: str,
    *,
    node: str | None = "node-a",
    containers: Sequence[Raw] | None = None,
    states: Sequence[Raw] | None = None,
    spec: Mapping[str, Any] | None = None,
    unscheduled: str | None = None,
) -> Raw:
    """A ready pod unless states say otherwise; `unscheduled` is the scheduler's message ("" for its silence)."""
    listed = list(containers or [container()])
    status: Raw = {"phase": "Running", "startTime": ago(30), "conditions": [{"type": "Ready", "status": "True"}]}
    found = list(states) if states is not None else [{"ready": True, "state": {"running": {"startedAt": ago(30)}}}]
    found += [{"ready": True, "state": {"running": {"startedAt": ago(30)}}}] * (len(listed) - len(found))
    status["containerStatuses"] = [
        {"name": c["name"], "restartCount": 0, **s} for c, s in zip(listed, found, strict=True)
    ]
    if not all(s.get("ready") for s in found):
        status["conditions"] = [{"type": "Ready", "status": "False"}]
    if unscheduled is not None:
        status = {"phase": "Pending", "conditions": []}
        if unscheduled:
            status["conditions"] = [{"type": "PodScheduled", "status": "False", "message": unscheduled}]
    return {
        "kind": "Pod",
        "metadata": _named(f"{app}-5f6d8c9b7d-x2x4z", {"app": app}) | {"ownerReferences": [_owner(app)]},
        "spec": {**({"nodeName": node} if unscheduled is None else {}), "containers": listed, **(spec or {})},
        "status": status,
    }


def _named(name: str, labels: Mapping[str, str]) -> Raw:
    return {"name": name, "namespace": NAMESPACE, "labels": dict(labels), "creationTimestamp": ago(30)}


def _owner(app: str) -> Raw:
    return {"kind": "ReplicaSet", "name": f"{app}-5f6d8c9b7d", "controller": True}


def deployment(
    app: str,
    *,
    ready: int = 1,
    desired: int = 1,
    containers: Sequence[Raw] | None = None,
    spec: Mapping[str, Any] | None = None,
    failure: str = "",
) -> Raw:
    conditions = [{"type": "ReplicaFailure", "status": "True", "message": failure}] if failure else []
    listed = list(containers or [container()])
    template = {"metadata": {"labels": {"app": app}}, "spec": {"containers": listed, **(spec or {})}}
    return {
        "kind": "Deployment",
        "metadata": _named(app, {"app": app}),
        "spec": {"replicas": desired, "selector": {"matchLabels": {"app": app}}, "template": template},
        "status": {"readyReplicas": ready, "updatedReplicas": ready, "replicas": ready, "conditions": conditions},
    }


def of_kind(kind: str, app: str, **more: Any) -> Raw:
    """A StatefulSet or DaemonSet with one pod template, short of its pods unless `ready` says otherwise."""
    raw = deployment(app, **{"ready": 0, **more}) | {"kind": kind}
    if kind == "DaemonSet":
        there = raw["status"]["readyReplicas"]
        raw["status"] |= {"desiredNumberScheduled": 1, "numberReady": there, "updatedNumberScheduled": there}
    return raw


def service(
    name: str,
    *,
    port: int = 80,
    target: Any = 8080,
    protocol: str = "TCP",
    selector: Mapping[str, str] | None = None,
) -> Raw:
    ports = [{"port": port, "targetPort": target, "protocol": protocol}]
    spec = {"selector": dict(selector or {"app": name}), "ports": ports, "clusterIP": "10.0.0.9"}
    return {"kind": "Service", "metadata": _named(name, {}), "spec": spec}


def node(name: str = "node-a", *, ready: str = "True", message: str = "", **spec: Any) -> Raw:
    condition = {"type": "Ready", "status": ready, "reason": "Kubelet", "message": message}
    labels = {"kubernetes.io/hostname": name, **spec.pop("labels", {})}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"conditions": [condition], "allocatable": {"cpu": "4", "memory": "8Gi"}},
    }


def event(about: Raw, reason: str, message: str, *, count: int = 1) -> Raw:
    involved = {"kind": about["kind"], "name": about["metadata"]["name"], "namespace": NAMESPACE}
    stamps = {"firstTimestamp": ago(8), "lastTimestamp": ago(1), "count": count, "type": "Warning"}
    return {
        "kind": "Event",
        "metadata": {"name": f"{involved['name']}.{reason}.{len(message)}", "namespace": NAMESPACE},
        "involvedObject": involved,
        "reason": reason,
        "message": message,
        **stamps,
    }


def quota(hard: Mapping[str, str], used: Mapping[str, str]) -> Raw:
    status = {"hard": dict(hard), "used": dict(used)}
    return {"kind": "ResourceQuota", "metadata": _named("limits", {}), "spec": {"hard": dict(hard)}, "status": status}


def claim(**spec: Any) -> Raw:
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "",
        **spec,
    }
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": _named("data", {}),
        "spec": wanted,
        "status": {"phase": "Pending"},
    }


def volume(name: str = "disk", *, labels: Mapping[str, str] | None = None, **spec: Any) -> Raw:
    has = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": "", **spec}
    return {
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": has,
        "status": {"phase": "Bound" if "claimRef" in has else "Available"},
    }


def items_of(objects: Sequence[Raw]) -> list[Item]:
    """What the connector's tools would return for these objects."""
    kinds: dict[str, list[Raw]] = {}
    for one in copy.deepcopy(list(objects)):
        kinds.setdefault(one["kind"], []).append(one)
    pods = kinds.get("Pod", [])
    existing = existing_in(
        NAMESPACE, services=kinds.get("Service"), claims=kinds.get("PersistentVolumeClaim"), secret_keys=None
    )
    known = {(o["kind"], o["metadata"]["name"]) for o in objects}
    return [
        *(pod_item(p, NOW) for p in pods),
        *(deployment_item(d) for d in kinds.get("Deployment", [])),
        *(statefulset_item(s) for s in kinds.get("StatefulSet", [])),
        *(daemonset_item(s) for s in kinds.get("DaemonSet", [])),
        *(item for d in kinds.get("Deployment", []) for item in reference_items(d, existing)),
        *(service_item(s, None, pods) for s in kinds.get("Service", [])),
        *(node_item(n, NOW, pods) for n in kinds.get("Node", [])),
        *(event_item(e, known) for e in kinds.get("Event", [])),
        *(quota_item(q) for q in kinds.get("ResourceQuota", [])),
        *(configmap_item(c) for c in kinds.get("ConfigMap", [])),
        *storage_items(
            kinds.get("PersistentVolumeClaim", []),
            kinds.get("PersistentVolume", []),
            kinds.get("StorageClass", []),
            pods,
        ),
    ]


def log(app: str, line: str, *, count: int = 40, baseline: int | None = None) -> LogGroup:
    return LogGroup(template=line, service=app, level="error", count=count, baseline_count=baseline, examples=(line,))


def series(metric: str, before: float, after: float, *, app: str | None = None, on: str | None = None) -> Series:
    """Half an hour of one level, then ten minutes of another, a point each half minute."""
    start = NOW - timedelta(minutes=40)
    points = tuple((start + timedelta(seconds=30 * n), before if n < 60 else after) for n in range(80))
    return Series(labels={"node": on} if on else {}, service=app, metric=metric, unit=None, step_s=30, points=points)


def matches(
    *objects: Raw,
    extra: Iterable[Item] = (),
    logs: Sequence[LogGroup] = (),
    measured: Sequence[Series] = (),
    calls: Mapping[str, Sequence[str]] | None = None,
) -> list[Match]:
    """Everything that fits a cluster of these objects, best first."""
    found = [*items_of(objects), *extra]
    payloads: list[Payload] = [
        Objects(items=tuple(found)),
        Logs(groups=tuple(logs), total=sum(g.count for g in logs)),
        SeriesSet(series=tuple(measured)),
    ]
    facts = lay_out(_case(payloads, calls or {}), now=NOW)
    return kubernetes_matches([(s.item, s.evidence_id) for s in facts.items], now=NOW, facts=facts)


def _case(payloads: Sequence[Payload], calls: Mapping[str, Sequence[str]]) -> CaseFile:
    kept = tuple(
        Evidence(
            id=f"ev_{n}",
            call=ToolCall(connector="kubernetes/test", tool="list", window=WINDOW),
            payload=payload,
            source=SourceRef(query="list", language="test", window=WINDOW),
            collected_at=NOW,
        )
        for n, payload in enumerate(payloads)
    )
    return CaseFile(
        question=Question(text="what is wrong?", asked_at=NOW),
        analysis=Analysis(issue_type=IssueType.UNKNOWN, window=WINDOW),
        setting=Setting(services=tuple(Service(name=n, depends_on=tuple(c)) for n, c in calls.items())),
        evidence=kept,
    )


def best(found: Sequence[Match]) -> tuple[str, str]:
    """Component and cause of the first match; empty texts when nothing fits with at least even odds."""
    sure = [m for m in found if m.confidence >= 0.5]
    return (sure[0].component, sure[0].cause) if sure else ("", "")
