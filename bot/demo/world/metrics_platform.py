"""Metrics of the platform under the shop: containers, Kubernetes objects, the database, the queue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bot.demo.world.cluster import NODES, Pod, Workload
from bot.demo.world.series import Array, Family, Labels, Series, counter
from bot.demo.world.story import STEP_S, Story
from bot.demo.world.topology import DATABASE, DATABASE_CONNECTIONS, NAMESPACE

_KSM = {"job": "kube-state-metrics", "instance": "10.42.0.9:8080"}
_PG = {"job": "postgres-exporter", "instance": "10.42.1.77:9187", "server": "payment-db:5432"}


class PlatformMetrics:
    """Builders of the platform's families."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def families(self) -> list[Family]:
        """All families of this part."""
        kube, box = "kube_pod_container", "container"
        return [
            Family(f"{box}_cpu_usage_seconds_total", "counter", "Processor time used.", self._cpu),
            Family(f"{box}_cpu_cfs_periods_total", "counter", "Scheduler periods.", self._periods),
            Family(f"{box}_cpu_cfs_throttled_periods_total", "counter", "Throttled periods.", self._throttled),
            Family(f"{box}_memory_working_set_bytes", "gauge", "Memory held.", self._memory),
            Family(f"{box}_spec_memory_limit_bytes", "gauge", "Memory limit.", self._memory_limit),
            Family(f"{kube}_resource_limits", "gauge", "Limits of a container.", self._limits),
            Family(f"{kube}_status_restarts_total", "counter", "Restarts of a container.", self._restarts),
            Family(f"{kube}_status_ready", "gauge", "Whether a container is ready.", self._ready),
            Family(f"{kube}_status_last_terminated_reason", "gauge", "Why it last ended.", self._reason),
            Family("kube_pod_info", "gauge", "A pod and its node.", self._pod_info),
            Family("kube_deployment_spec_replicas", "gauge", "Pods wanted.", self._wanted),
            Family("kube_deployment_status_replicas", "gauge", "Pods there.", self._there),
            Family("kube_deployment_status_replicas_available", "gauge", "Pods ready.", self._available),
            Family("kube_deployment_status_replicas_unavailable", "gauge", "Pods not ready.", self._missing),
            Family("kube_node_status_condition", "gauge", "Condition of a node.", self._nodes),
            Family("pg_up", "gauge", "Whether the database answers.", lambda: [self._flat(_PG, 1.0)]),
            Family("pg_stat_activity_count", "gauge", "Sessions by state.", self._sessions),
            Family("pg_stat_activity_max_tx_duration", "gauge", "Oldest transaction, seconds.", self._oldest),
            Family("pg_settings_max_connections", "gauge", "Limit of sessions.", self._max_connections),
            Family("pg_stat_database_xact_commit", "counter", "Committed transactions.", self._commits),
            Family("queue_depth", "gauge", "Messages waiting.", self._queue),
        ]

    def _flat(self, labels: Labels, value: float) -> Series:
        return Series(labels, np.full(self.story.count, value))

    def _each(self, make: Callable[[Workload, int, Pod], Array], **extra: str) -> list[Series]:
        rows = []
        times = self.story.times
        for workload in self.story.cluster.workloads.values():
            for index, pod in enumerate(workload.pods):
                there = (times >= pod.created) & (times < pod.deleted)
                if there.any():
                    labels = {**container_labels(pod), **extra}
                    rows.append(Series(labels, np.where(there, make(workload, index, pod), np.nan)))
        return rows

    def _share(self, workload: Workload, index: int) -> Array:
        ups = [self.story.pod_up(other, workload) for other in range(len(workload.pods))]
        return np.asarray(ups[index] / np.maximum(np.sum(ups, axis=0), 1e-9))

    def _cpu(self) -> list[Series]:
        everywhere = np.ones(self.story.count, dtype=bool)

        def make(workload: Workload, index: int, pod: Pod) -> Array:
            used = self.story.flows[pod.service].cpu_cores * self._share(workload, index)
            start = max(self.story.origin - pod.ready, 0) * float(used[0])
            return counter(used * STEP_S, everywhere, [], start)

        return self._each(make, cpu="total")

    def _periods(self) -> list[Series]:
        elapsed = self.story.times - self.story.origin
        return self._each(
            lambda _w, _i, pod: np.asarray(np.floor(10.0 * (elapsed + max(self.story.origin - pod.ready, 0))))
        )

    def _throttled(self) -> list[Series]:
        everywhere = np.ones(self.story.count, dtype=bool)

        def make(workload: Workload, index: int, pod: Pod) -> Array:
            limit = workload.service.cpu_limit
            used = self.story.flows[pod.service].cpu_cores * self._share(workload, index) / limit
            share = np.clip((used - 0.8) / 0.2, 0, 1) * 0.7
            return np.asarray(np.floor(counter(share * 10 * STEP_S, everywhere, [])))

        return self._each(make)

    def _memory(self) -> list[Series]:
        return self._each(lambda workload, index, _pod: np.floor(self.story.pod_memory(index, workload)))

    def _memory_limit(self) -> list[Series]:
        size = self.story.count
        return self._each(lambda workload, _i, _pod: np.full(size, float(workload.service.memory_limit_bytes)))

    def _limits(self) -> list[Series]:
        size = self.story.count
        cpu = self._each(lambda w, _i, _pod: np.full(size, w.service.cpu_limit), **_KSM, resource="cpu", unit="core")
        memory = self._each(
            lambda w, _i, _pod: np.full(size, float(w.service.memory_limit_bytes)),
            **_KSM,
            resource="memory",
            unit="byte",
        )
        return cpu + memory

    def _restarts(self) -> list[Series]:
        def make(_w: Workload, _i: int, pod: Pod) -> Array:
            backs = np.sort([restart.back for restart in pod.restarts])
            return np.searchsorted(backs, self.story.times, side="right").astype(float)

        return self._each(make, **_KSM)

    def _ready(self) -> list[Series]:
        return self._each(lambda w, index, _pod: np.floor(self.story.pod_up(index, w) + 1e-9), **_KSM)

    def _reason(self) -> list[Series]:
        rows = []
        for workload in self.story.cluster.workloads.values():
            for pod in (pod for pod in workload.pods if pod.restarts):
                known = (self.story.times >= pod.restarts[0].at) & (self.story.times < pod.deleted)
                labels = {**container_labels(pod), **_KSM, "reason": pod.restarts[0].reason}
                rows.append(Series(labels, np.where(known, 1.0, np.nan)))
        return rows

    def _pod_info(self) -> list[Series]:
        rows = []
        times = self.story.times
        for workload in self.story.cluster.workloads.values():
            for pod in workload.pods:
                there = (times >= pod.created) & (times < pod.deleted)
                labels = {**container_labels(pod), **_KSM, "pod_ip": pod.ip}
                labels |= {"created_by_kind": "ReplicaSet", "created_by_name": pod.replica_set}
                if there.any():
                    rows.append(Series(labels, np.where(there, 1.0, np.nan)))
        return rows

    def _deployments(self, make: Callable[[Workload], Array]) -> list[Series]:
        return [
            Series({**_KSM, "namespace": NAMESPACE, "deployment": name}, make(workload))
            for name, workload in self.story.cluster.workloads.items()
        ]

    def _count(self, workload: Workload, *, ready: bool) -> Array:
        times = self.story.times
        total = np.zeros(self.story.count)
        for pod in workload.pods:
            there = (times >= (pod.ready if ready else pod.created)) & (times < pod.deleted)
            for restart in pod.restarts if ready else []:
                there &= ~((times >= restart.at) & (times < restart.back))
            total += there
        return total

    def _wanted(self) -> list[Series]:
        return self._deployments(self._wanted_of)

    def _wanted_of(self, workload: Workload) -> Array:
        """Pods wanted per slot: the usual number, and the scaled one from the moment of scaling."""
        usual, size = float(workload.service.replicas), float(workload.replicas)
        return np.where(self.story.times >= workload.scaled_at, size, usual)

    def _there(self) -> list[Series]:
        return self._deployments(lambda workload: self._count(workload, ready=False))

    def _available(self) -> list[Series]:
        return self._deployments(lambda workload: self._count(workload, ready=True))

    def _missing(self) -> list[Series]:
        return self._deployments(
            lambda workload: np.maximum(self._wanted_of(workload) - self._count(workload, ready=True), 0)
        )

    def _nodes(self) -> list[Series]:
        wanted = {"Ready": "true", "MemoryPressure": "false", "DiskPressure": "false", "PIDPressure": "false"}
        return [
            self._flat({**_KSM, "node": node, "condition": kind, "status": status}, float(status == value))
            for node in NODES
            for kind, value in wanted.items()
            for status in ("true", "false", "unknown")
        ]

    def _sessions(self) -> list[Series]:
        return [
            Series({**_PG, "datname": DATABASE, "state": state}, values)
            for state, values in self.story.sessions().items()
        ]

    def _oldest(self) -> list[Series]:
        usual = 0.4 * self.story.noise("oldest", 0.4)
        plan, times = self.story.plan, self.story.times
        if plan.fault == "database_lock" and plan.onset is not None:
            held = np.where(self.story.level > 0, times - plan.onset.timestamp(), 0)
            usual = np.maximum(usual, held)
        return [Series({**_PG, "datname": DATABASE, "state": "idle in transaction"}, np.round(usual, 3))]

    def _max_connections(self) -> list[Series]:
        return [self._flat(_PG, float(DATABASE_CONNECTIONS))]

    def _commits(self) -> list[Series]:
        flow = self.story.flows["payment-service"]
        done = flow.rate * (1 - flow.errors) * 2.2 * STEP_S
        everywhere = np.ones(self.story.count, dtype=bool)
        values = np.floor(counter(done, everywhere, [], 5.2e6))
        return [Series({**_PG, "datname": DATABASE}, values)]

    def _queue(self) -> list[Series]:
        depth = np.floor(6 * self.story.noise("queue", 0.5))
        return [Series({"job": "broker", "instance": "10.42.2.31:9419", "queue": "notifications"}, depth)]


def container_labels(pod: Pod) -> dict[str, str]:
    """Labels of one container as the node agent writes them."""
    return {
        "job": "kubelet",
        "instance": f"{pod.node}:10250",
        "node": pod.node,
        "namespace": NAMESPACE,
        "pod": pod.name,
        "container": pod.service,
    }
