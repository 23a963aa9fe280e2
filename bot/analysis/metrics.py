"""What a metric means: its family, what counts as much of it, and how a person reads its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connectors.model import JsonObject


class Family(StrEnum):
    ERRORS = "errors"
    LATENCY = "latency"
    GAP = "gap"
    SELF_TIME = "self_time"
    TRAFFIC = "traffic"
    RATIO = "ratio"
    CPU = "cpu"
    MEMORY = "memory"
    NETWORK = "network"
    LOCKS = "locks"
    LAG = "lag"
    RESTARTS = "restarts"
    UP = "up"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Thresholds of a family: spread floors for detection, and the least change that is worth a sentence."""

    family: Family
    words: str
    floor_abs: float = 0.0
    floor_ratio: float = 0.05
    least_delta: float = 0.0
    least_ratio: float = 1.3
    falls_matter: bool = False


def _errors(words: str) -> Meaning:
    return Meaning(Family.ERRORS, words, floor_abs=0.001, least_delta=0.004, least_ratio=1.5)


def _error_rate(words: str) -> Meaning:
    return Meaning(Family.ERRORS, words, floor_abs=0.02, least_delta=0.05, least_ratio=2)


def _time(words: str, family: Family = Family.LATENCY) -> Meaning:
    return Meaning(family, words, floor_abs=0.0005, floor_ratio=0.06, least_delta=0.002, least_ratio=1.3)


def _ratio(words: str) -> Meaning:
    return Meaning(Family.RATIO, words, floor_abs=0.02, least_delta=0.08, least_ratio=1.15)


def _traffic(words: str) -> Meaning:
    return Meaning(Family.TRAFFIC, words, floor_abs=0.02, floor_ratio=0.06, least_ratio=1.4, falls_matter=True)


_KNOWN: dict[str, Meaning] = {
    "error_ratio": _errors("error ratio"),
    "call_error_ratio": _errors("error ratio of calls"),
    "error_rate": _error_rate("error rate"),
    "log_error_rate": _error_rate("rate of error log lines"),
    "latency_p50": _time("median latency"),
    "latency_p95": _time("p95 latency"),
    "latency_p99": _time("p99 latency"),
    "latency_mean": _time("mean latency"),
    "call_latency_p99": _time("p99 latency of calls"),
    "call_latency_mean": _time("mean latency of calls"),
    "call_gap_mean": _time("time between caller and callee", Family.GAP),
    "self_time_mean": _time("own time", Family.SELF_TIME),
    "request_rate": _traffic("request rate"),
    "call_rate": _traffic("rate of calls"),
    "operation_rate": _traffic("rate of an operation"),
    "step_rate": _traffic("rate of a step"),
    "cpu_usage": Meaning(Family.CPU, "CPU use", floor_abs=0.005, floor_ratio=0.08, least_delta=0.01, least_ratio=1.4),
    "cpu_ratio": _ratio("CPU use of its limit"),
    "cpu_throttled_ratio": _ratio("share of throttled CPU periods"),
    "memory_usage": Meaning(Family.MEMORY, "memory use", floor_ratio=0.02, least_ratio=1.15),
    "memory_ratio": _ratio("memory use of its limit"),
    "disk_ratio": _ratio("disk use"),
    "network_rx": Meaning(Family.NETWORK, "bytes received", floor_ratio=0.1, least_ratio=1.6, falls_matter=True),
    "network_tx": Meaning(Family.NETWORK, "bytes sent", floor_ratio=0.1, least_ratio=1.6, falls_matter=True),
    "restarts": Meaning(Family.RESTARTS, "restarts"),
    "connections": Meaning(Family.OTHER, "connections", floor_abs=1, least_delta=3, least_ratio=1.3),
    "connections_ratio": _ratio("connections of their limit"),
    "pool_ratio": _ratio("connection pool use"),
    "lock_waiters": Meaning(Family.LOCKS, "sessions waiting for locks", floor_abs=0.5, least_delta=1, least_ratio=1.5),
    "replication_lag": Meaning(Family.LAG, "replication lag", floor_abs=0.5, least_delta=5, least_ratio=2),
    "queue_depth": Meaning(Family.OTHER, "queue depth", floor_abs=2, least_delta=20, least_ratio=2),
    "replicas_available": Meaning(
        Family.OTHER, "available replicas", floor_abs=0.2, least_delta=0.5, falls_matter=True
    ),
    "up": Meaning(Family.UP, "up", floor_abs=0.1, least_delta=0.4, falls_matter=True),
}  # fmt: skip
_IGNORED = frozenset({"connections_limit", "replicas_desired"})
SATURATED_AT = 0.9


def meaning(metric: str) -> Meaning | None:
    """What a metric name means; None for those that never carry a symptom (limits, wishes)."""
    if metric in _IGNORED:
        return None
    known = _KNOWN.get(metric)
    if known:
        return known
    words = metric.replace("_", " ")
    return Meaning(Family.OTHER, words, floor_ratio=0.1, least_ratio=1.5, falls_matter=True)


def shown(value: float, unit: str | None) -> str:
    """A number with its unit, three significant digits, as a sentence shows it."""
    if unit == "ratio":
        return f"{three_digits(100 * value):g} %"
    if unit == "bytes":
        return f"{three_digits(value / 1_048_576):g} MiB"
    suffix = {None: "", "count": "", "1/s": "/s", "bytes/s": " B/s"}.get(unit, f" {unit}")
    return f"{three_digits(value):g}{suffix}"


def three_digits(value: float) -> float:
    """Rounded to three significant digits, so that what is said is what is kept."""
    return float(f"{value:.3g}")


def measured(before: float, after: float, unit: str | None) -> JsonObject:
    """The numbers of a shift as `data` of a finding, with every number that the sentence shows."""
    data: JsonObject = {"before": three_digits(before), "after": three_digits(after), "unit": unit or ""}
    if unit == "ratio":
        data |= {"before_percent": three_digits(100 * before), "after_percent": three_digits(100 * after)}
    if unit == "bytes":
        data |= {"before_mib": three_digits(before / 1_048_576), "after_mib": three_digits(after / 1_048_576)}
    if before > 0 and after > 0:
        data["times"] = float(f"{max(after / before, before / after):.2g}")
    return data
