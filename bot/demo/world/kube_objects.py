"""Kubernetes objects of the shop in the API's own JSON, as they stand at one moment."""

from __future__ import annotations

import copy
import uuid
from datetime import UTC, datetime
from typing import Any

from bot.demo.world.cluster import NODES, REGISTRY, Cluster, Pod, Restart, Revision, Workload
from bot.demo.world.plan import url_variable
from bot.demo.world.topology import NAMESPACE, SERVICES

Object = dict[str, Any]
_BACKOFF_SHOWN_S = 3.0
_KUBELET = "v1.31.2"


def stamp(at: float) -> str:
    """Epoch seconds as the API writes times."""
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")


def fixed_uid(text: str) -> str:
    """A uid that depends on the name only."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, text))


def _digest(image: str) -> str:
    return fixed_uid(image).replace("-", "") * 2


class ObjectView:
    """Renders the cluster as it is at `t`."""

    def __init__(self, cluster: Cluster, t: float) -> None:
        self.cluster = cluster
        self.t = t
        self._born = cluster.now - 240 * 86400

    def meta(self, name: str, *, kind: str, namespace: str | None = NAMESPACE, **more: Any) -> Object:
        """Metadata of an object; `uid`, `created` and `version` have defaults."""
        uid = more.pop("uid", None) or fixed_uid(f"{kind}/{namespace}/{name}")
        created = more.pop("created", self._born)
        meta: Object = {"name": name, "uid": uid, "creationTimestamp": stamp(created)}
        if namespace:
            meta["namespace"] = namespace
        meta["resourceVersion"] = str(more.pop("version", self.cluster.version))
        return {**meta, **more}

    # workloads

    def deployments(self) -> list[Object]:
        """Deployments of the shop."""
        return [self.deployment(workload) for workload in self.cluster.workloads.values()]

    def deployment(self, workload: Workload) -> Object:
        """One deployment with its status."""
        name = workload.service.name
        alive = workload.pods_at(self.t)
        ready = [pod for pod in alive if pod.serving(self.t)]
        current = workload.current
        updated = [pod for pod in alive if pod.replica_set == current.replica_set]
        annotations = {"deployment.kubernetes.io/revision": str(current.number), **workload.annotations}
        status: Object = {"observedGeneration": workload.generation, "replicas": len(alive)}
        status |= {"updatedReplicas": len(updated), "readyReplicas": len(ready), "availableReplicas": len(ready)}
        if len(ready) < workload.replicas:
            status["unavailableReplicas"] = workload.replicas - len(ready)
        status["conditions"] = self._conditions(workload, ready, updated)
        meta = self.meta(
            name,
            kind="Deployment",
            uid=workload.uid,
            created=workload.created,
            generation=workload.generation,
            labels={"app": name, "squad": workload.service.squad},
            annotations=annotations,
        )
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": deployment_spec(workload),
            "status": status,
        }

    def _conditions(self, workload: Workload, ready: list[Pod], updated: list[Pod]) -> list[Object]:
        enough = len(ready) >= workload.replicas - 1
        done = len(updated) >= workload.replicas
        at = stamp(workload.changed_at)
        rows = [
            ("Available", enough, "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"),
            ("Progressing", True, "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"),
        ]
        return [
            {
                "type": kind,
                "status": "True" if state else "False",
                "reason": reason,
                "message": f"ReplicaSet {workload.current.replica_set}: {reason}",
                "lastTransitionTime": at,
                "lastUpdateTime": at,
            }
            for kind, state, reason in rows
        ]

    def replicasets(self) -> list[Object]:
        """ReplicaSets, the old ones with no pods."""
        return [
            self._replicaset(workload, revision)
            for workload in self.cluster.workloads.values()
            for revision in workload.revisions
        ]

    def _replicaset(self, workload: Workload, revision: Revision) -> Object:
        alive = [pod for pod in workload.pods_at(self.t) if pod.replica_set == revision.replica_set]
        ready = sum(pod.serving(self.t) for pod in alive)
        wanted = workload.replicas if revision is workload.current else 0
        hashed = revision.replica_set.rpartition("-")[2]
        template = copy.deepcopy(revision.template)
        template["metadata"]["labels"]["pod-template-hash"] = hashed
        labels = dict(template["metadata"]["labels"])
        annotations = {
            "deployment.kubernetes.io/revision": str(revision.number),
            "deployment.kubernetes.io/desired-replicas": str(workload.replicas),
            "kubernetes.io/change-cause": revision.cause,
        }
        meta = self.meta(
            revision.replica_set,
            kind="ReplicaSet",
            uid=revision.uid,
            created=revision.created,
            labels=labels,
            annotations=annotations,
            generation=1,
            ownerReferences=[_owner("Deployment", "apps/v1", workload.service.name, workload.uid)],
        )
        selector = {"matchLabels": {"app": workload.service.name, "pod-template-hash": hashed}}
        return {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": meta,
            "spec": {"replicas": wanted, "selector": selector, "template": template},
            "status": {
                "replicas": len(alive),
                "readyReplicas": ready,
                "availableReplicas": ready,
                "observedGeneration": 1,
            },
        }

    # pods

    def pods(self) -> list[Object]:
        """Pods that exist now."""
        return [self.pod(w, p) for w in self.cluster.workloads.values() for p in w.pods_at(self.t)]

    def pod(self, workload: Workload, pod: Pod) -> Object:
        """One pod with the state of its container."""
        revision = next(r for r in workload.revisions if r.replica_set == pod.replica_set)
        spec = copy.deepcopy(revision.template["spec"])
        spec["nodeName"] = pod.node
        labels = dict(revision.template["metadata"]["labels"])
        labels["pod-template-hash"] = pod.replica_set.rpartition("-")[2]
        meta = self.meta(
            pod.name,
            kind="Pod",
            uid=pod.uid,
            created=pod.created,
            labels=labels,
            annotations=dict(revision.template["metadata"].get("annotations", {})),
            generateName=f"{pod.replica_set}-",
            ownerReferences=[_owner("ReplicaSet", "apps/v1", pod.replica_set, revision.uid)],
        )
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": self._status(pod, spec)}

    def _status(self, pod: Pod, spec: Object) -> Object:
        ended, down = pod.ended(self.t), pod.down(self.t)
        ready = pod.serving(self.t)
        since = max([pod.ready, *(restart.back for restart in ended if restart.back <= self.t)])
        changed = down.at if down else since
        started = pod.created + 2 <= self.t
        image = str(spec["containers"][0]["image"])
        container: Object = {
            "name": pod.service,
            "image": image,
            "imageID": f"{REGISTRY}/{pod.service}@sha256:{_digest(image)}",
            "containerID": f"containerd://{pod.uid.replace('-', '') * 2}",
            "ready": ready,
            "started": ready,
            "restartCount": sum(restart.back <= self.t for restart in ended),
            "state": _state(down, since, self.t, pod, started=started),
            "lastState": {},
        }
        if ended and (down is None or "waiting" in container["state"]):
            container["lastState"] = {"terminated": _terminated(ended[-1], pod, ended)}
        flags = [("Initialized", True), ("Ready", ready), ("ContainersReady", ready), ("PodScheduled", True)]
        return {
            "phase": "Running" if started else "Pending",
            "conditions": [_pod_condition(k, v, changed if "Ready" in k else pod.created) for k, v in flags],
            "hostIP": f"192.168.10.{11 + NODES.index(pod.node)}",
            "podIP": pod.ip,
            "podIPs": [{"ip": pod.ip}],
            "startTime": stamp(pod.created),
            "qosClass": "Burstable",
            "containerStatuses": [container],
        }

    # around the workloads

    def nodes(self) -> list[Object]:
        """Three healthy nodes."""
        return [self._node(index, name) for index, name in enumerate(NODES)]

    def _node(self, index: int, name: str) -> Object:
        labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{name[5]}"}
        quantities = {"cpu": "8", "memory": "32608Mi", "pods": "110", "ephemeral-storage": "203070420Ki"}
        conditions = []
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready"):
            good = kind == "Ready"
            reason = "KubeletReady" if good else f"KubeletHasNo{kind}"
            condition = {"type": kind, "status": "True" if good else "False", "reason": reason}
            condition |= {"message": "kubelet is posting ready status" if good else f"kubelet has no {kind}"}
            condition |= {"lastHeartbeatTime": stamp(self.t - 20), "lastTransitionTime": stamp(self._born)}
            conditions.append(condition)
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": self.meta(name, kind="Node", namespace=None, labels=labels),
            "spec": {"podCIDR": f"10.42.{index}.0/24"},
            "status": {
                "capacity": quantities,
                "allocatable": {**quantities, "cpu": "7800m"},
                "conditions": conditions,
                "addresses": [{"type": "InternalIP", "address": f"192.168.10.{11 + index}"}],
                "nodeInfo": {
                    "kubeletVersion": _KUBELET,
                    "osImage": "Debian GNU/Linux 12 (bookworm)",
                    "architecture": "amd64",
                    "bootID": fixed_uid(name),
                    "machineID": fixed_uid(name + "m"),
                    "systemUUID": fixed_uid(name + "s"),
                    "containerRuntimeVersion": "containerd://1.7.22",
                    "kernelVersion": "6.1.0-28-amd64",
                    "kubeProxyVersion": _KUBELET,
                    "operatingSystem": "linux",
                },
            },
        }

    def namespaces(self) -> list[Object]:
        """Namespaces."""
        return [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": self.meta(
                    name, kind="Namespace", namespace=None, labels={"kubernetes.io/metadata.name": name}
                ),
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }
            for name in ("default", "kube-system", NAMESPACE)
        ]

    def configmaps(self) -> list[Object]:
        """Settings of each service that are not in its template."""
        rows = []
        for service in SERVICES.values():
            data = {"LOG_FORMAT": "ecs", "REQUEST_TIMEOUT_MS": "5000"}
            data |= {f"{url_variable(call.callee)}_RETRIES": "3" for call in service.calls}
            meta = self.meta(f"{service.name}-config", kind="ConfigMap", labels={"app": service.name})
            rows.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
        return rows

    def serviceaccounts(self) -> list[Object]:
        """One account per workload."""
        return [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.meta(name, kind="ServiceAccount")}
            for name in SERVICES
        ]

    def resourcequotas(self) -> list[Object]:
        """One quota with room to spare."""
        hard = {"limits.cpu": "40", "limits.memory": "40Gi", "pods": "60"}
        count = len(self.pods())
        used = {"limits.cpu": f"{count * 500}m", "limits.memory": f"{count * 512}Mi", "pods": str(count)}
        meta = self.meta("shop-quota", kind="ResourceQuota")
        return [
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": meta,
                "spec": {"hard": hard},
                "status": {"hard": hard, "used": used},
            }
        ]


def deployment_spec(workload: Workload) -> Object:
    """The `spec` of a deployment."""
    return {
        "replicas": workload.replicas,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": {"app": workload.service.name}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": copy.deepcopy(workload.current.template),
    }


def _owner(kind: str, version: str, name: str, uid: str) -> Object:
    return {
        "apiVersion": version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _pod_condition(kind: str, state: bool, at: float) -> Object:
    condition: Object = {"type": kind, "status": "True" if state else "False", "lastTransitionTime": stamp(at)}
    if not state:
        condition |= {"reason": "ContainersNotReady", "message": "containers with unready status"}
    return condition


def _state(down: Restart | None, since: float, t: float, pod: Pod, *, started: bool) -> Object:
    if down is None:
        if started:
            return {"running": {"startedAt": stamp(since)}}
        return {"waiting": {"reason": "ContainerCreating"}}
    if t - down.at < _BACKOFF_SHOWN_S:
        return {"terminated": _terminated(down, pod, pod.ended(t))}
    message = f"back-off {round(down.back - down.at)}s restarting failed container={pod.service} pod={pod.name}"
    return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}


def _terminated(restart: Restart, pod: Pod, ended: list[Restart]) -> Object:
    before = [other.back for other in ended if other.back <= restart.at]
    return {
        "exitCode": restart.exit_code,
        "reason": restart.reason,
        "startedAt": stamp(max([pod.ready, *before])),
        "finishedAt": stamp(restart.at),
        "containerID": f"containerd://{pod.uid.replace('-', '') * 2}",
    }
