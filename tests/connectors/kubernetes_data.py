"""Objects for the Kubernetes tests: a shop where web was just rolled out, api crashes, and config points nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.model import TimeWindow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = TimeWindow(start=NOW - timedelta(minutes=30), end=NOW)
NAMESPACE = "shop"
Object = dict[str, Any]


class FixedClock:
    def now(self) -> datetime:
        return NOW


CLOCK = FixedClock()


def ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def named(
    kind: str, name: str, *, minutes: float = 600, owner: tuple[str, str] | None = None, **metadata: Any
) -> Object:
    body: Object = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "creationTimestamp": ago(minutes)}
    if owner:
        body["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    return {"kind": kind, "metadata": body | metadata}


def template(app: str, image: str, *, env: list[Object] | None = None, **container: Any) -> Object:
    one = {
        "name": app,
        "image": image,
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": env or [],
    } | container
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [one], "serviceAccountName": app}}


def deployment(app: str, image: str, *, replicas: int = 2, ready: int = 2, revision: int = 1, **more: Any) -> Object:
    made = named("Deployment", app, labels={"app": app}, generation=1)
    made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": str(revision)}
    made["spec"] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": app}},
        "template": template(app, image, **more),
    }
    made["status"] = {
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    return made


def replicaset(app: str, suffix: str, image: str, *, revision: int, minutes: float, **more: Any) -> Object:
    made = named("ReplicaSet", f"{app}-{suffix}", minutes=minutes, owner=("Deployment", app), labels={"app": app})
    made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": str(revision)}
    made["spec"] = {"replicas": 0, "template": template(app, image, **more)}
    return made


def pod(app: str, suffix: str, *, ready: bool = True, restarts: int = 0, minutes: float = 20, **status: Any) -> Object:
    labels = {"app": app, "pod-template-hash": "5d4c7b9f66"}
    made = named(
        "Pod", f"{app}-5d4c7b9f66-{suffix}", minutes=minutes, owner=("ReplicaSet", f"{app}-5d4c7b9f66"), labels=labels
    )
    made["spec"] = template(app, f"{app}:2")["spec"] | {"nodeName": "n1"}
    word = "True" if ready else "False"
    running = {"state": {"running": {"startedAt": ago(minutes)}}} | status
    made["status"] = {
        "phase": "Running",
        "startTime": ago(minutes),
        "conditions": [{"type": "Ready", "status": word}],
        "containerStatuses": [{"name": app, "ready": ready, "restartCount": restarts, **running}],
    }
    return made


def service(name: str, selector: dict[str, str], port: Object) -> Object:
    return named("Service", name) | {"spec": {"type": "ClusterIP", "selector": selector, "ports": [port]}}


def slice_of(name: str, addresses: list[str], *, ready: bool = True) -> Object:
    made = named("EndpointSlice", f"{name}-x", labels={"kubernetes.io/service-name": name})
    return made | {"endpoints": [{"addresses": [a], "conditions": {"ready": ready}} for a in addresses]}


def event(
    name: str, kind: str, involved: str, reason: str, message: str, *, type_: str = "Warning", minutes: float = 5
) -> Object:
    made = named("Event", name, minutes=minutes)
    body = {"type": type_, "reason": reason, "message": message, "count": 3}
    times = {"firstTimestamp": ago(minutes + 10), "lastTimestamp": ago(minutes)}
    return made | body | times | {"involvedObject": {"kind": kind, "name": involved, "namespace": NAMESPACE}}


def crash() -> Object:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(3), "startedAt": ago(4)}
    return {"state": waiting, "lastState": {"terminated": ended}}


def node(name: str, *, ready: str = "True", taints: list[Object] | None = None) -> Object:
    made: Object = {"kind": "Node", "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": ago(9000)}}
    made["spec"] = {"taints": taints or []} | ({"unschedulable": True} if taints else {})
    conditions = [
        {"type": "Ready", "status": ready, "reason": "KubeletReady", "lastHeartbeatTime": ago(0.5)},
        {"type": "DiskPressure", "status": "True" if name == "n2" else "False"},
    ]
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    made["status"] = {
        "conditions": conditions,
        "allocatable": room,
        "capacity": room,
        "nodeInfo": {"kubeletVersion": "v1.31.2"},
    }
    return made


def cluster() -> dict[str, list[Object]]:
    """Every kind that a tool reads."""
    return {**_workloads(), **_network(), **_configuration(), **_platform(), "events": _events()}


def web_env() -> list[Object]:
    return [
        {"name": "DB_HOST", "valueFrom": {"configMapKeyRef": {"name": "web-config", "key": "db_host"}}},
        {"name": "API_ADDR", "value": "api:9999"},
        {"name": "MAIL_ADDR", "value": "mail:25"},
        {"name": "DB_PASSWORD", "value": "hunter2-Sup3r"},
    ]


def _workloads() -> dict[str, list[Object]]:
    web = deployment("web", "web:2", revision=2, env=web_env())
    web["metadata"]["managedFields"] = [{"manager": "ci-bot", "time": ago(15), "operation": "Update"}]
    return {
        "deployments": [web, deployment("api", "api:2", ready=0)],
        "replicasets": [
            replicaset("web", "aaaaaaaaa1", "web:1", revision=1, minutes=500),
            replicaset("web", "bbbbbbbbb2", "web:2", revision=2, minutes=15, env=web_env()),
        ],
        "statefulsets": [],
        "pods": [
            pod("web", "aaaaa"),
            pod("web", "bbbbb", minutes=200),
            pod("api", "ccccc", ready=False, restarts=7, **crash()),
        ],
    }


def _network() -> dict[str, list[Object]]:
    policy = named("NetworkPolicy", "deny") | {"spec": {"podSelector": {"matchLabels": {"app": "api"}}}}
    return {
        "services": [
            service("web", {"app": "web"}, {"port": 80, "targetPort": "http"}),
            service("api", {"app": "api"}, {"port": 8080, "targetPort": 8081}),
            service("lost", {"app": "nobody"}, {"port": 80}),
        ],
        "endpointslices": [slice_of("web", ["10.0.0.1", "10.0.0.2"]), slice_of("api", ["10.0.0.3"], ready=False)],
        "networkpolicies": [policy],
    }


def _configuration() -> dict[str, list[Object]]:
    claim = named("PersistentVolumeClaim", "data")
    claim["spec"] = {"accessModes": ["ReadWriteMany"], "storageClassName": "fast"}
    claim["spec"]["resources"] = {"requests": {"storage": "20Gi"}}
    claim["status"] = {"phase": "Pending"}
    return {
        "configmaps": [named("ConfigMap", "web-config") | {"data": {"other": "1"}}],
        "serviceaccounts": [named("ServiceAccount", "web")],
        "secrets": [named("Secret", "web-secret") | {"data": {"password": "c2VjcmV0LXZhbHVl"}}],
        "persistentvolumeclaims": [claim],
        "resourcequotas": [named("ResourceQuota", "q") | {"status": {"hard": {"pods": "3"}, "used": {"pods": "3"}}}],
    }


def _platform() -> dict[str, list[Object]]:
    cordon = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": ago(40)}]
    volume: Object = {"kind": "PersistentVolume", "metadata": {"name": "pv-1"}, "status": {"phase": "Available"}}
    volume["spec"] = {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "slow"}
    return {
        "namespaces": [{"kind": "Namespace", "metadata": {"name": NAMESPACE}}],
        "nodes": [node("n1"), node("n2", ready="Unknown", taints=cordon)],
        "persistentvolumes": [volume],
    }


def _events() -> list[Object]:
    scaled = "Scaled up replica set web-bbbbbbbbb2 to 2"
    return [
        event("e1", "Pod", "api-5d4c7b9f66-ccccc", "BackOff", "Back-off restarting failed container"),
        event("e2", "Pod", "api-5d4c7b9f66-zzzzz", "Failed", "Error: ErrImagePull", minutes=20),
        event("e3", "Deployment", "web", "ScalingReplicaSet", scaled, type_="Normal"),
    ]


def logs() -> dict[tuple[str, str, str, bool], str]:
    """web-bbbbb has run for hours; api-ccccc has only the end of its last run."""
    quiet = [f"{ago(m)} INFO served order {m}" for m in range(120, 0, -1)]
    noisy = [f"{ago(m)} ERROR could not reach api after {m}ms" for m in range(25, 0, -5)]
    old = [f"{ago(m)} ERROR could not reach api after {m}ms" for m in (40, 45)]
    web = sorted([*quiet, *noisy, *old])
    return {
        (NAMESPACE, "web-5d4c7b9f66-bbbbb", "web", False): "\n".join(web),
        (NAMESPACE, "web-5d4c7b9f66-aaaaa", "web", False): f"{ago(19)} INFO started",
        (NAMESPACE, "api-5d4c7b9f66-ccccc", "api", True): f"{ago(3)} fatal: out of memory",
    }
