"""Events of the cluster, derived from rollouts, pods and restarts; kept for an hour as a real server does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.demo.world.cluster import Cluster, Pod, Workload
from bot.demo.world.kube_objects import fixed_uid, stamp
from bot.demo.world.topology import NAMESPACE

KEPT_S = 3600


def events(cluster: Cluster, t: float) -> list[dict[str, Any]]:
    """Events whose last occurrence lies in the past hour, oldest first."""
    rows = [row for workload in cluster.workloads.values() for row in _of_workload(cluster, workload, t)]
    rows.sort(key=lambda row: str(row["lastTimestamp"]))
    return rows


def _of_workload(cluster: Cluster, workload: Workload, t: float) -> Iterator[dict[str, Any]]:
    name = workload.service.name
    for rollout in cluster.rollouts:
        if rollout.service == name and _kept(rollout.at, t):
            text = f"Scaled up replica set {rollout.replica_set} from 0 to 1"
            yield _event(_deployment(workload), "ScalingReplicaSet", text, [rollout.at], version=cluster.version)
    for pod in workload.pods:
        image = next(r for r in workload.revisions if r.replica_set == pod.replica_set)
        where = _pod(pod)
        if _kept(pod.created, t):
            text = f"Successfully assigned {NAMESPACE}/{pod.name} to {pod.node}"
            yield _event(where, "Scheduled", text, [pod.created], version=cluster.version)
            source = str(image.template["spec"]["containers"][0]["image"])
            text = f'Container image "{source}" already present on machine'
            yield _event(where, "Pulled", text, [pod.created + 1], version=cluster.version)
            yield _event(where, "Started", f"Started container {name}", [pod.created + 2], version=cluster.version)
        if _kept(pod.deleted, t):
            yield _event(where, "Killing", f"Stopping container {name}", [pod.deleted], version=cluster.version)
        yield from _of_restarts(cluster, pod, t)


def _of_restarts(cluster: Cluster, pod: Pod, t: float) -> Iterator[dict[str, Any]]:
    ended = [restart for restart in pod.ended(t) if _kept(restart.at, t)]
    if not ended:
        return
    times = [restart.at for restart in ended]
    text = f"Memory cgroup out of memory: Killed process {10_000 + int(pod.uid[:4], 16)} ({pod.service})"
    node = {"kind": "Node", "name": pod.node, "uid": pod.node, "apiVersion": "v1"}
    yield _event(node, "OOMKilling", text, times, version=cluster.version, warning=True, suffix=pod.name)
    backoffs = [restart.at + 3 for restart in ended if restart.back - restart.at > 5 and restart.at + 3 <= t]
    if backoffs:
        text = f"Back-off restarting failed container {pod.service} in pod {pod.name}_{NAMESPACE}({pod.uid})"
        yield _event(_pod(pod), "BackOff", text, backoffs, version=cluster.version, warning=True)
    back = [restart.back for restart in ended if restart.back <= t]
    if back:
        yield _event(
            _pod(pod), "Started", f"Started container {pod.service}", back, version=cluster.version, suffix="r"
        )


def _kept(at: float, t: float) -> bool:
    return t - KEPT_S <= at <= t


def _deployment(workload: Workload) -> dict[str, str]:
    name = workload.service.name
    return {"kind": "Deployment", "namespace": NAMESPACE, "name": name, "uid": workload.uid, "apiVersion": "apps/v1"}


def _pod(pod: Pod) -> dict[str, str]:
    where = {"kind": "Pod", "namespace": NAMESPACE, "name": pod.name, "uid": pod.uid, "apiVersion": "v1"}
    return {**where, "fieldPath": f"spec.containers{{{pod.service}}}"}


def _event(
    about: dict[str, str],
    reason: str,
    message: str,
    times: list[float],
    *,
    version: int,
    warning: bool = False,
    suffix: str = "",
) -> dict[str, Any]:
    key = fixed_uid(f"{about['kind']}/{about['name']}/{reason}/{message}/{suffix}")
    namespace = about.get("namespace", "default")
    component = "deployment-controller" if about["kind"] == "Deployment" else "kubelet"
    component = "default-scheduler" if reason == "Scheduled" else component
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{about['name']}.{key[:8]}{key[9:13]}",
            "namespace": namespace,
            "uid": key,
            "resourceVersion": str(version),
            "creationTimestamp": stamp(times[0]),
        },
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": "Warning" if warning else "Normal",
        "count": len(times),
        "firstTimestamp": stamp(times[0]),
        "lastTimestamp": stamp(times[-1]),
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
    }
