"""The one story behind every backend: load, latency, errors and saturation of each service on one time grid."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bot.demo.world.cluster import Cluster, Workload
from bot.demo.world.plan import Plan
from bot.demo.world.topology import (
    EDGE_RATE,
    LOCK_WAITERS,
    NOTIFIED_BY,
    ORDER,
    POOL_PER_POD,
    POOL_USUAL,
    REPORT_SESSIONS,
    SERVICES,
)

STEP_S = 15
HISTORY_S = 3 * 3600
_BLOCK = 240
POOL_LIMIT = POOL_PER_POD * SERVICES["payment-service"].replicas

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Flow:
    """One service over the grid: totals over its pods, times in seconds."""

    rate: Array
    base_errors: Array
    fault_errors: Array
    median_s: Array
    slow_share: Array
    slow_s: Array
    cpu_cores: Array
    calls: dict[str, Array] = field(default_factory=dict)
    call_errors: dict[str, Array] = field(default_factory=dict)

    @property
    def errors(self) -> Array:
        """Share of requests that fail, 0..1."""
        return np.minimum(self.base_errors + self.fault_errors, 0.98)


class Story:
    """Arrays on a 15 s grid; slot i stands for (t[i-1], t[i]] and never changes once it has passed."""

    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        self.plan = plan
        self.cluster = cluster
        now = plan.now.timestamp()
        self.origin = math.floor(now / STEP_S) * STEP_S - HISTORY_S
        self.recovery: float | None = None
        self.edition = 0
        self.count = 0
        self.times: Array = np.zeros(0)
        self.flows: dict[str, Flow] = {}
        self.extend(now)

    def extend(self, t: float) -> None:
        """Make the grid reach past `t`, in whole blocks; what was there stays as it was."""
        needed = math.ceil((t + STEP_S - self.origin) / STEP_S / _BLOCK) * _BLOCK
        if needed > self.count:
            self.count = needed
            self._compute()

    def change(self) -> None:
        """Recompute after a patch or a recovery; slots before it come out as before."""
        self._compute()

    def recover(self, at: float) -> None:
        """Let the trouble fade from `at` on; the first call counts."""
        if self.recovery is None and self.plan.onset is not None:
            self.recovery = at
            self._compute()

    def noise(self, name: str, sigma: float) -> Array:
        """Multiplicative noise around 1, the same for the same seed, name and slot."""
        key = zlib.crc32(name.encode())
        blocks = [
            np.random.default_rng([self.plan.seed & 0xFFFFFFFF, key, block]).standard_normal(_BLOCK)
            for block in range(self.count // _BLOCK)
        ]
        return np.asarray(np.exp(sigma * np.concatenate(blocks) - sigma * sigma / 2))

    def intensity(self, t: Array | float) -> Array:
        """How much of the trouble is there at `t`, 0 before the onset, 1 at its height, falling after recovery."""
        moments = np.asarray(t, dtype=float)
        if self.plan.onset is None:
            return np.zeros_like(moments)
        level = np.clip((moments - self.plan.onset.timestamp()) / self.plan.rise_s, 0, 1)
        if self.recovery is not None:
            level = level * np.clip(1 - (moments - self.recovery - 5) / 15, 0, 1)
        return np.asarray(level)

    def serving(self, service: str) -> tuple[Array, Array]:
        """Per slot: pods that serve, and the share of the wanted pods that is missing."""
        workload = self.cluster.workloads[service]
        up = sum((self.pod_up(pod_name, workload) for pod_name in range(len(workload.pods))), self._zeros())
        wanted = np.maximum(np.minimum(up.max(initial=1.0), workload.service.replicas), 1)
        return up, np.clip(1 - up / wanted, 0, 1)

    def pod_up(self, index: int, workload: Workload) -> Array:
        """Share of each slot in which one pod serves, 0..1."""
        pod = workload.pods[index]
        starts = self.times - STEP_S
        up = np.clip((np.minimum(self.times, pod.deleted) - np.maximum(starts, pod.ready)) / STEP_S, 0, 1)
        for restart in pod.restarts:
            lost = (np.minimum(self.times, restart.back) - np.maximum(starts, restart.at)) / STEP_S
            up = up - np.clip(lost, 0, 1)
        return np.clip(up, 0, 1)

    def _zeros(self) -> Array:
        return np.zeros(self.count)

    def _compute(self) -> None:
        self.edition += 1
        self.times = self.origin + STEP_S * np.arange(self.count, dtype=float)
        self.middle = self.times - STEP_S / 2
        self.level = self.intensity(self.middle)
        rates, calls = self._rates()
        flows: dict[str, Flow] = {}
        for name in ORDER:
            flows[name] = self._flow(name, rates[name], calls, flows)
        self.flows = flows

    def load(self) -> Array:
        """Requests a second at the edge: a slow wave, noise, and the surge where there is one."""
        wave = 1 + 0.06 * np.sin((self.middle - self.origin) / 2600 + self.plan.seed % 7)
        surge = 1 + (self.plan.strength - 1) * self.level if self.plan.fault == "traffic_surge" else 1.0
        return np.asarray(EDGE_RATE * wave * surge * self.noise("edge", 0.03))

    def _rates(self) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
        rates = {name: self._zeros() for name in SERVICES}
        calls: dict[str, dict[str, Array]] = {name: {} for name in SERVICES}
        rates["frontend"] = self.load()
        for name in reversed(ORDER):
            for call in SERVICES[name].calls:
                wanted = rates[name] * call.per_request * self.noise(f"{name}>{call.callee}", 0.02)
                calls[name][call.callee] = wanted
                rates[call.callee] = rates[call.callee] + wanted * (1 - self._lost(name, call.callee))
        for name, share in NOTIFIED_BY.items():
            rates["notification-worker"] = rates["notification-worker"] + rates[name] * share
        return rates, calls

    def _lost(self, caller: str, callee: str) -> Array:
        """Share of calls that never arrive because they are sent to a wrong address."""
        wrong = self.plan.fault == "config_change" and (caller, callee) == (self.plan.target, self.plan.dependency)
        return np.asarray(self.level * self.plan.share) if wrong else self._zeros()

    def _flow(self, name: str, rate: Array, calls: dict[str, dict[str, Array]], done: dict[str, Flow]) -> Flow:
        service = SERVICES[name]
        median, slow, slow_s, errors = self._own(name)
        median = median * self.noise(f"latency/{name}", 0.035)
        failed: dict[str, Array] = {}
        for call in service.calls:
            callee = done[call.callee]
            reached = min(call.per_request, 1.0)
            lost = self._lost(name, call.callee)
            median = median + call.per_request * callee.median_s * (1 - lost)
            slow = slow + reached * callee.slow_share * (1 - lost)
            slow_s = np.maximum(slow_s, callee.slow_s)
            failed[call.callee] = np.clip(callee.errors * (1 - lost) + lost, 0, 0.98)
            errors = errors + reached * 0.7 * np.clip(callee.fault_errors * (1 - lost) + lost, 0, 0.98)
        return Flow(
            rate=rate,
            base_errors=service.error_ratio * self.noise(f"errors/{name}", 0.15),
            fault_errors=np.clip(errors, 0, 0.95),
            median_s=median,
            slow_share=np.clip(slow, 0, 0.9),
            slow_s=slow_s,
            cpu_cores=self._cpu(name, rate),
            calls=calls[name],
            call_errors=failed,
        )

    def _own(self, name: str) -> tuple[Array, Array, Array, Array]:
        """What the service itself adds: median, share and size of slow requests, share of failing ones."""
        median = np.full(self.count, SERVICES[name].median_s)
        slow, slow_s, errors = self._zeros(), np.full(self.count, 0.001), self._zeros()
        plan, level = self.plan, self.level
        if plan.fault == "traffic_surge" and name == plan.dependency:
            return median * (1 + 6 * level), 0.12 * level, slow_s + 1.6 * level, 0.06 * level
        if plan.fault == "traffic_surge":
            return median * (1 + 0.15 * level), slow, slow_s, errors
        if name != plan.target:
            return median, slow, slow_s, errors
        if plan.fault == "bad_deployment":
            return median * (1 + 1.5 * level), plan.share * level, slow_s + 3.2 * level, 0.4 * plan.share * level
        if plan.fault == "database_lock":
            return median * (1 + 0.4 * level), plan.share * level, slow_s + 4.5 * level, 0.2 * plan.share * level
        if plan.fault == "dependency_slow":
            return median * (1 + (plan.strength - 1) * level), slow, slow_s, 0.01 * level
        if plan.fault == "memory_leak":
            _, missing = self.serving(name)
            pressure = np.clip(self.memory_ratio() - 0.85, 0, 0.15) / 0.15
            return median * (1 + 0.8 * pressure), 0.1 * pressure, slow_s + 0.5 * pressure, 0.03 * level + 0.75 * missing
        return median, slow, slow_s, errors

    def memory_ratio(self) -> Array:
        """Largest share of its memory limit that a pod of the leaking service uses, per slot."""
        workload = self.cluster.workloads[self.plan.target]
        use = [self.pod_memory(index, workload) for index in range(len(workload.pods))]
        return np.asarray(np.max(use, axis=0) / workload.service.memory_limit_bytes)

    def pod_memory(self, index: int, workload: Workload) -> Array:
        """Bytes one pod holds: steady, or growing to the limit before each kill."""
        pod, service = workload.pods[index], workload.service
        noise = self.noise(f"memory/{service.name}/{pod.name}", 0.012)
        steady = np.full(self.count, float(service.memory_bytes))
        if not pod.restarts:
            return steady * noise
        begin = pod.restarts[0].at - 40 * 60
        spare = service.memory_limit_bytes * 0.995 - service.memory_bytes
        for restart in pod.restarts:
            inside = (self.times >= begin) & (self.times < restart.at)
            steady[inside] += spare * (self.times[inside] - begin) / (restart.at - begin)
            steady[(self.times >= restart.at) & (self.times < restart.back)] = 0
            begin = restart.back
        noisy = np.where(self.times < pod.restarts[0].at, noise, 1)
        return np.asarray(np.minimum(steady * noisy, service.memory_limit_bytes))

    def _cpu(self, name: str, rate: Array) -> Array:
        service, plan = SERVICES[name], self.plan
        cores = 0.03 * service.replicas + rate * service.cpu_s_per_request
        blip = plan.blip
        if name == blip.service:
            start = blip.at.timestamp()
            cores = cores * np.where((self.middle >= start) & (self.middle < start + blip.duration_s), blip.factor, 1)
        limit = self.cluster.workloads[name].replicas * service.cpu_limit
        if plan.fault == "dependency_slow" and name == plan.target:
            cores = cores + (0.985 * limit - cores) * self.level
        if plan.fault == "traffic_surge" and name == plan.dependency:
            cores = cores + (0.985 * limit - cores) * np.clip(self.level * 1.2, 0, 1)
        return np.minimum(cores * self.noise(f"cpu/{name}", 0.04), 0.995 * limit)

    def pool_in_use(self) -> Array:
        """Connections of payment-service to its database that are taken, over all its pods."""
        level = self.level
        height = float(POOL_USUAL)
        if self.plan.fault == "bad_deployment" and self.plan.bad_release is not None:
            height = float(POOL_LIMIT)
            level = np.maximum(level, self._climb(self.plan.bad_release.at.timestamp()))
        elif self.plan.fault == "database_lock":
            height += LOCK_WAITERS
        usual = POOL_USUAL * self.noise("pool", 0.06)
        return np.asarray(np.round(np.minimum(usual + (height - usual) * level, POOL_LIMIT)))

    def _climb(self, begin: float) -> Array:
        """The pool fills from the release on, is nearly full at the onset, and empties after recovery."""
        assert self.plan.onset is not None
        onset = self.plan.onset.timestamp()
        return np.asarray(0.95 * np.clip((self.middle - begin) / max(onset - begin, 1), 0, 1) * self._fade())

    def _fade(self) -> Array:
        if self.recovery is None:
            return np.ones(self.count)
        return np.asarray(np.clip(1 - (self.middle - self.recovery - 5) / 15, 0, 1))

    def sessions(self) -> dict[str, Array]:
        """Sessions the database counts, by state; the same as the real ones that are held open."""
        pool = self.pool_in_use()
        waiting, open_ = self._zeros(), self._zeros()
        if self.plan.fault == "bad_deployment":
            span = (POOL_LIMIT - 1) / (POOL_LIMIT - POOL_USUAL)
            open_ = np.asarray(np.round(np.maximum(pool - POOL_USUAL, 0) * span))
        elif self.plan.fault == "database_lock":
            waiting = np.asarray(np.round(LOCK_WAITERS * self.level))
            open_ = np.where(self.level > 0, 1.0, 0.0)
        idle = np.maximum(pool - waiting, 0) if self.plan.fault == "database_lock" else np.maximum(pool - open_, 0)
        return {"active": waiting, "idle in transaction": open_, "idle": idle + REPORT_SESSIONS}

    def failing(self, service: str, t: float) -> float:
        """Share of requests of `service` that fail because of the trouble at `t`."""
        self.extend(t)
        return float(self.flows[service].fault_errors[self.index(t)])

    def index(self, t: float) -> int:
        """Slot that holds `t`."""
        return min(max(math.ceil((t - self.origin) / STEP_S), 0), self.count - 1)
