"""Makes incidents up: a random call graph, one fault or two or none, and innocent changes that look guilty.

Latency adds up along calls, errors are passed on to seven in ten callers, resources saturate where the fault is. An
innocent release shifts its own memory and processor use for good, as real ones do, which is what a ranker of the
largest deviation falls for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEP_S = 30.0
POINTS = 160
WINDOW_POINTS = 40
KINDS = (
    "bad_deployment",
    "config_change",
    "cpu_saturation",
    "dependency_slow",
    "code_exception",
    "memory_leak",
    "database_lock_contention",
    "network_delay",
    "traffic_surge",
)
_NAMES = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "iris",
    "jade",
    "koi",
    "larch",
    "moss",
)


@dataclass(frozen=True)
class Fault:
    kind: str
    service: str
    onset: int


@dataclass
class Incident:
    """What happened: `metrics[service, metric]`, `edges[caller, callee, metric]` on one grid, and what was told."""

    name: str
    services: list[str]
    calls: dict[str, list[str]]
    asked: str
    faults: list[Fault]
    traced: bool
    metrics: dict[tuple[str, str], Array] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], Array] = field(default_factory=dict)
    changes: list[tuple[int, str, str]] = field(default_factory=list)
    decoys: list[str] = field(default_factory=list)
    errors: list[tuple[str, str, int]] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)


def make(seed: int, number: int) -> Incident:
    """Incident `number` of a seed: one in six healthy, one in eight with two faults."""
    dice = random.Random(f"{seed}/{number}")
    noise = np.random.default_rng([seed, number])
    services = list(_NAMES[: dice.randint(6, len(_NAMES))])
    calls = _graph(dice, services)
    healthy = number % 6 == 5
    count = 0 if healthy else 2 if number % 8 == 3 else 1
    faults = [_fault(dice, services, calls, KINDS[(number + place) % len(KINDS)]) for place in range(count)]
    made = Incident(f"made_{number:03d}", services, calls, services[0], faults, traced=dice.random() < 0.5)
    _quiet(made, dice, noise)
    for fault in faults:
        _break(made, fault, dice)
    _decoys(made, dice)
    _holes(made, noise)
    return made


def _graph(dice: random.Random, services: list[str]) -> dict[str, list[str]]:
    """Everything is called by something before it; the first service is the entry."""
    calls: dict[str, list[str]] = {s: [] for s in services}
    for place, callee in enumerate(services[1:], start=1):
        callers = {services[dice.randrange(0, max(1, place))]}
        if dice.random() < 0.35:
            callers.add(services[dice.randrange(0, place)])
        for caller in callers:
            calls[caller].append(callee)
    return calls


def _fault(dice: random.Random, services: list[str], calls: dict[str, list[str]], kind: str) -> Fault:
    onset = POINTS - dice.randint(14, 30)
    if kind == "traffic_surge":
        return Fault(kind, services[0], onset)
    inner = [s for s in services[1:] if kind != "config_change" or calls[s]]
    return Fault(kind, dice.choice(inner or services[1:]), onset)


def _quiet(made: Incident, dice: random.Random, noise: np.random.Generator) -> None:
    wave = 1 + 0.08 * np.sin(np.arange(POINTS) / dice.uniform(15, 40) + dice.uniform(0, 6))
    rates = dict.fromkeys(made.services, 0.0) | {made.services[0]: dice.uniform(20, 120)}
    for service in made.services:
        for callee in made.calls[service]:
            rates[callee] += rates[service]
        sigma = dice.uniform(0.03, 0.12)
        own = dice.uniform(0.005, 0.06)

        def vary(level: float, by: float = sigma) -> Array:
            return np.asarray(level * np.exp(by * noise.standard_normal(POINTS)))

        made.metrics[service, "request_rate"] = vary(rates[service], 0.04) * wave
        made.metrics[service, "latency_mean"] = vary(own)
        made.metrics[service, "error_ratio"] = vary(dice.uniform(0.0005, 0.004), 0.4)
        made.metrics[service, "cpu_ratio"] = vary(dice.uniform(0.15, 0.5), 0.06) * wave
        made.metrics[service, "memory_ratio"] = vary(dice.uniform(0.2, 0.6), 0.005)
    for service in reversed(made.services):
        for callee in made.calls[service]:
            made.metrics[service, "latency_mean"] = (
                made.metrics[service, "latency_mean"] + made.metrics[callee, "latency_mean"]
            )
    for caller, callees in made.calls.items():
        for callee in callees:
            made.edges[caller, callee, "call_latency_mean"] = made.metrics[callee, "latency_mean"] + vary(0.002, 0.2)
            made.edges[caller, callee, "call_error_ratio"] = made.metrics[callee, "error_ratio"].copy()


def _break(made: Incident, fault: Fault, dice: random.Random) -> None:
    level = np.clip((np.arange(POINTS) - fault.onset) / dice.randint(1, 4), 0, 1)
    service, slow = fault.service, dice.uniform(0.15, 1.5)
    match fault.kind:
        case "bad_deployment":
            made.changes.append((fault.onset - dice.randint(1, 6), service, "deployment"))
            _carry(made, service, latency=slow * level, errors=dice.uniform(0.03, 0.3) * level)
            made.errors.append((service, "unhandled ValueError in handler", fault.onset))
        case "config_change":
            made.changes.append((fault.onset - dice.randint(0, 3), service, "config"))
            _unreachable(made, service, dice.choice(made.calls[service] or [service]), 0.6 * level)
        case "cpu_saturation":
            _add(made, service, "cpu_ratio", (0.99 - made.metrics[service, "cpu_ratio"]) * level)
            _carry(made, service, latency=slow * level)
        case "dependency_slow":
            _carry(made, service, latency=slow * level)
        case "code_exception":
            made.errors.append((service, "NullPointerException in service code", fault.onset))
            _carry(made, service, errors=dice.uniform(0.05, 0.5) * level)
        case "memory_leak":
            climb = np.clip((np.arange(POINTS) - fault.onset + 60) / 60, 0, 1)
            _add(made, service, "memory_ratio", (0.99 - made.metrics[service, "memory_ratio"]) * climb)
            made.killed.append(service)
            _carry(made, service, latency=0.3 * slow * level, errors=dice.uniform(0.05, 0.3) * level)
        case "database_lock_contention":
            made.locks.append(service)
            _carry(made, service, latency=(slow + 1) * level, errors=0.02 * level)
        case "network_delay":
            _carry(made, service, latency=slow * level, own=False)
        case _:
            for name in made.services:
                made.metrics[name, "request_rate"] = made.metrics[name, "request_rate"] * (
                    1 + dice.uniform(1.5, 3) * level
                )
            full = dice.choice(made.services[1:])
            _add(made, full, "cpu_ratio", (0.98 - made.metrics[full, "cpu_ratio"]) * level)
            _carry(made, full, latency=slow * level)


def _add(made: Incident, service: str, metric: str, more: Array) -> None:
    made.metrics[service, metric] = made.metrics[service, metric] + more


def _carry(
    made: Incident, service: str, *, latency: Array | None = None, errors: Array | None = None, own: bool = True
) -> None:
    """Put extra latency and errors at a service (or only on the way to it) and hand them to everyone who waits."""
    if latency is not None and own:
        _add(made, service, "latency_mean", latency)
    if errors is not None and own:
        _add(made, service, "error_ratio", errors)
    for caller, callees in made.calls.items():
        if service not in callees:
            continue
        if latency is not None:
            made.edges[caller, service, "call_latency_mean"] = (
                made.edges[caller, service, "call_latency_mean"] + latency
            )
        if errors is not None:
            made.edges[caller, service, "call_error_ratio"] = made.edges[caller, service, "call_error_ratio"] + errors
        _carry(made, caller, latency=latency, errors=None if errors is None else 0.7 * errors)


def _unreachable(made: Incident, caller: str, callee: str, share: Array) -> None:
    if callee != caller:
        made.edges[caller, callee, "call_error_ratio"] = made.edges[caller, callee, "call_error_ratio"] + share
        made.metrics[callee, "request_rate"] = made.metrics[callee, "request_rate"] * (1 - 0.5 * share)
    made.errors.append((caller, "connection refused by upstream", int(np.argmax(share > 0))))
    _carry(made, caller, errors=0.7 * share)


def _decoys(made: Incident, dice: random.Random) -> None:
    """One or two releases of innocent services, and a blip that is over before the window."""
    guilty = {f.service for f in made.faults}
    innocent = [s for s in made.services if s not in guilty]
    onset = min((f.onset for f in made.faults), default=POINTS - 20)
    for service in dice.sample(innocent, k=min(len(innocent), dice.randint(1, 2))):
        at = onset - dice.randint(2, 50) if dice.random() < 0.8 else onset + dice.randint(3, 8)
        made.changes.append((at, service, "deployment"))
        made.decoys.append(service)
        later = (np.arange(POINTS) >= at).astype(float)
        _add(made, service, "memory_ratio", dice.uniform(0.1, 0.3) * later)
        _add(made, service, "cpu_ratio", dice.choice((-1, 1)) * dice.uniform(0.04, 0.12) * later)
    service = dice.choice(made.services)
    begin = dice.randint(20, POINTS - WINDOW_POINTS - 20)
    inside = (np.arange(POINTS) >= begin) & (np.arange(POINTS) < begin + dice.randint(2, 5))
    _add(made, service, "latency_mean", dice.uniform(0.2, 1.0) * inside)


def _holes(made: Incident, noise: np.random.Generator) -> None:
    for key, values in made.metrics.items():
        made.metrics[key] = np.where(noise.random(POINTS) < 0.03, np.nan, np.maximum(values, 0))
    for metric in ("error_ratio", "cpu_ratio", "memory_ratio"):
        for service in made.services:
            made.metrics[service, metric] = np.minimum(made.metrics[service, metric], 1.0)
