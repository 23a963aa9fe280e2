"""Every metric of the world, derived from the story and the cluster and from nothing else."""

from __future__ import annotations

import numpy as np

from bot.demo.world.cluster import Pod, Workload
from bot.demo.world.metrics_platform import PlatformMetrics
from bot.demo.world.series import Array, Family, Labels, Series, counter, normal_cdf, whole_counter
from bot.demo.world.story import STEP_S, Flow, Story
from bot.demo.world.topology import NAMESPACE, POOL_PER_POD, SERVICES

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
_SIGMA, _SLOW_SIGMA = 0.45, 0.35
_NOT_FOUND_RATIO = 0.008


class Metrics:
    """The families by name; rebuilt lazily whenever the story has a new edition."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._edition = -1
        self._built: dict[str, list[Series]] = {}
        self._latency: dict[str, Array] = {}
        platform = PlatformMetrics(story)
        self.families: dict[str, Family] = {family.name: family for family in (*self._families(), *platform.families())}

    def series(self, name: str) -> list[Series]:
        """All series of one family, with `__name__` among their labels."""
        if self._edition != self.story.edition:
            self._built.clear()
            self._latency.clear()
            self._edition = self.story.edition
        if name not in self._built:
            family = self.families.get(name)
            made = family.build() if family else []
            self._built[name] = [Series({"__name__": name, **s.labels}, s.values) for s in made]
        return self._built[name]

    def _families(self) -> list[Family]:
        duration, client = "http_request_duration_seconds", "http_client_request_duration_seconds"
        return [
            Family("up", "gauge", "Whether the last scrape worked.", self._up),
            Family("http_requests_total", "counter", "Requests answered.", self._requests),
            Family(f"{duration}_bucket", "histogram", "Time to answer.", self._server_buckets),
            Family(f"{duration}_sum", "histogram", "Time to answer.", self._server_sum),
            Family(f"{duration}_count", "histogram", "Time to answer.", self._server_count),
            Family("http_client_requests_total", "counter", "Calls made.", self._client_requests),
            Family(f"{client}_bucket", "histogram", "Time of calls.", self._client_buckets),
            Family(f"{client}_sum", "histogram", "Time of calls.", self._client_sum),
            Family(f"{client}_count", "histogram", "Time of calls.", self._client_count),
            Family("process_cpu_seconds_total", "counter", "Processor time.", self._cpu),
            Family("process_resident_memory_bytes", "gauge", "Memory held by the process.", self._memory),
            Family("process_start_time_seconds", "gauge", "When the process began.", self._started),
            Family("db_pool_in_use", "gauge", "Connections taken from the pool.", self._pool_in_use),
            Family("db_pool_max", "gauge", "Size of the pool.", self._pool_max),
            Family("db_pool_waiting", "gauge", "Requests waiting for a connection.", self._pool_waiting),
            Family("build_info", "gauge", "Version that runs.", self._build_info),
        ]

    # one pod at a time

    def _pods(self) -> list[tuple[Workload, int, Pod, Labels, Array, Array, list[int]]]:
        rows: list[tuple[Workload, int, Pod, Labels, Array, Array, list[int]]] = []
        oldest = self.story.origin
        for name, workload in self.story.cluster.workloads.items():
            ups = [self.story.pod_up(index, workload) for index in range(len(workload.pods))]
            total = np.maximum(np.sum(ups, axis=0), 1e-9)
            for index, pod in enumerate(workload.pods):
                if pod.deleted <= oldest:
                    continue
                rows.append(
                    (
                        workload,
                        index,
                        pod,
                        pod_labels(name, pod),
                        ups[index] / total,
                        self.present(pod),
                        self.resets(pod),
                    )
                )
        return rows

    def present(self, pod: Pod) -> Array:
        """Slots at whose end the pod was there to be scraped."""
        times = self.story.times
        there = (times >= pod.ready) & (times < pod.deleted)
        for restart in pod.restarts:
            there &= ~((times >= restart.at) & (times < restart.back))
        return np.asarray(there)

    def resets(self, pod: Pod) -> list[int]:
        """Slots in which its counters began again."""
        return [self.story.index(r.back) for r in pod.restarts if r.at < pod.deleted]

    def _start(self, pod: Pod, rate: float) -> float:
        """What a counter had reached when the history begins."""
        return max(self.story.origin - pod.ready, 0) * rate

    def _up(self) -> list[Series]:
        times = self.story.times
        rows = []
        for _, _, pod, labels, _, present, _ in self._pods():
            known = (times >= pod.ready) & (times < pod.deleted)
            rows.append(Series(labels, np.where(known, np.where(present, 1.0, 0.0), np.nan)))
        return rows

    def _requests(self) -> list[Series]:
        rows = []
        for workload, _, pod, labels, share, present, resets in self._pods():
            flow = self.story.flows[workload.service.name]
            for method, route, weight in workload.service.routes:
                amount = flow.rate * share * weight * STEP_S
                for status, ratio in _statuses(workload.service.name, method, flow, self.story).items():
                    start = np.floor(self._start(pod, float(amount[0]) * float(ratio[0]) / STEP_S))
                    values = whole_counter(amount * ratio, present, resets, start)
                    extra = {"route": route, "method": method, "status": status}
                    rows.append(Series({**labels, **extra}, values))
        return rows

    def _histogram(self, part: str, *, client: bool) -> list[Series]:
        rows = []
        for workload, _, pod, labels, share, present, resets in self._pods():
            service = workload.service.name
            flow = self.story.flows[service]
            targets = [(c.callee, flow.calls[c.callee]) for c in workload.service.calls] if client else []
            for target, rate in targets or ([] if client else [("", flow.rate)]):
                owner = self.story.flows[target] if target else flow
                lost = flow.call_errors[target] - owner.errors if target else np.zeros(self.story.count)
                extra = {"target": target} if target else {}
                for le, ratio in self._parts(part, owner, np.clip(lost, 0, 1), target or service):
                    add = rate * share * ratio * STEP_S
                    start = self._start(pod, float(add[0]) / STEP_S)
                    make = counter if part == "sum" else whole_counter
                    more = {"le": le} if le else {}
                    rows.append(Series({**labels, **extra, **more}, make(add, present, resets, start)))
        return rows

    def _parts(self, part: str, flow: Flow, lost: Array, name: str) -> list[tuple[str, Array]]:
        if part == "count":
            return [("", np.ones(self.story.count))]
        if part == "sum":
            mean = flow.median_s * np.exp(_SIGMA**2 / 2) * (1 - flow.slow_share)
            mean = mean + flow.slow_share * flow.slow_s * np.exp(_SLOW_SIGMA**2 / 2)
            return [("", mean * (1 - lost) + 0.004 * lost)]
        rows = [(_number(le), self._cdf(le, flow, name) * (1 - lost) + lost) for le in BUCKETS]
        return [*rows, ("+Inf", np.ones(self.story.count))]

    def _cdf(self, le: float, flow: Flow, name: str) -> Array:
        key = f"{name}/{le}"
        if key not in self._latency:
            usual = normal_cdf(np.log(le / flow.median_s) / _SIGMA)
            slow = normal_cdf(np.log(le / np.maximum(flow.slow_s, 1e-3)) / _SLOW_SIGMA)
            self._latency[key] = usual * (1 - flow.slow_share) + slow * flow.slow_share
        return self._latency[key]

    def _server_buckets(self) -> list[Series]:
        return self._histogram("bucket", client=False)

    def _server_sum(self) -> list[Series]:
        return self._histogram("sum", client=False)

    def _server_count(self) -> list[Series]:
        return self._histogram("count", client=False)

    def _client_buckets(self) -> list[Series]:
        return self._histogram("bucket", client=True)

    def _client_sum(self) -> list[Series]:
        return self._histogram("sum", client=True)

    def _client_count(self) -> list[Series]:
        return self._histogram("count", client=True)

    def _client_requests(self) -> list[Series]:
        rows = []
        for workload, _, pod, labels, share, present, resets in self._pods():
            flow = self.story.flows[workload.service.name]
            for target, rate in flow.calls.items():
                failed = flow.call_errors[target]
                for status, ratio in (("200", 1 - failed), ("error", failed)):
                    amount = rate * share * ratio * STEP_S
                    start = np.floor(self._start(pod, float(amount[0]) / STEP_S))
                    values = whole_counter(amount, present, resets, start)
                    rows.append(Series({**labels, "target": target, "status": status}, values))
        return rows

    def _cpu(self) -> list[Series]:
        rows = []
        for workload, _, pod, labels, share, present, resets in self._pods():
            used = self.story.flows[workload.service.name].cpu_cores * share
            start = self._start(pod, float(used[0]))
            rows.append(Series(labels, counter(used * STEP_S, present, resets, start)))
        return rows

    def _memory(self) -> list[Series]:
        return [
            Series(labels, np.where(present, np.floor(0.96 * self.story.pod_memory(index, workload)), np.nan))
            for workload, index, _, labels, _, present, _ in self._pods()
        ]

    def _started(self) -> list[Series]:
        rows = []
        for _, _, pod, labels, _, present, _ in self._pods():
            began = np.full(self.story.count, round(pod.ready - 2, 2))
            for restart in pod.restarts:
                began[self.story.times >= restart.back] = round(restart.back, 2)
            rows.append(Series(labels, np.where(present, began, np.nan)))
        return rows

    def _build_info(self) -> list[Series]:
        rows = []
        for workload, _, pod, labels, _, present, _ in self._pods():
            revision = next(r for r in workload.revisions if r.replica_set == pod.replica_set)
            rows.append(Series({**labels, "version": revision.version}, np.where(present, 1.0, np.nan)))
        return rows

    def _pool(self, values: Array) -> list[Series]:
        rows = []
        for workload, _, _, labels, share, present, _ in self._pods():
            if workload.service.name == "payment-service":
                rows.append(Series(labels, np.where(present, np.round(values * share), np.nan)))
        return rows

    def _pool_in_use(self) -> list[Series]:
        return self._pool(self.story.pool_in_use())

    def _pool_waiting(self) -> list[Series]:
        flow = self.story.flows["payment-service"]
        return self._pool(flow.rate * flow.slow_share * flow.slow_s)

    def _pool_max(self) -> list[Series]:
        size = float(POOL_PER_POD)
        return [
            Series(labels, np.where(present, size, np.nan))
            for workload, _, _, labels, _, present, _ in self._pods()
            if workload.service.name == "payment-service"
        ]


def pod_labels(service: str, pod: Pod) -> dict[str, str]:
    """Target labels of one scraped pod."""
    return {
        "job": "shop",
        "instance": f"{pod.ip}:{SERVICES[service].port}",
        "namespace": NAMESPACE,
        "pod": pod.name,
        "service": service,
    }


def _statuses(service: str, method: str, flow: Flow, story: Story) -> dict[str, Array]:
    failing = "503" if service in {story.plan.target, story.plan.dependency} else "502"
    if service == story.plan.target and story.plan.fault == "config_change":
        failing = "502"
    not_found = np.full(story.count, _NOT_FOUND_RATIO)
    base = flow.base_errors
    fault = np.minimum(flow.fault_errors, 0.98 - base - not_found)
    good = "201" if method == "POST" else "200"
    return {good: 1 - base - fault - not_found, "404": not_found, "500": base, failing: fault}


def _number(value: float) -> str:
    return f"{value:g}" if value != int(value) else f"{value:.0f}"
