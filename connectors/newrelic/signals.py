"""Buckets of requests and containers as canonical series. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connectors.model import JsonObject, Series
from connectors.newrelic.results import begin_of, facet_of, value_of

_UNITS = {"request_rate": "1/s", "error_rate": "1/s", "error_ratio": "ratio"}
_CONTAINERS = (("cpu", "cpu_ratio", "ratio", 0.01), ("memory", "memory_ratio", "ratio", 0.01))
Points = dict[datetime, float | None]


def request_series(results: Sequence[JsonObject], *, step_s: int, factor: float) -> list[Series]:
    """RED of each facet. Counts become rates; `factor` turns durations into seconds; no request is no latency."""
    found: dict[tuple[str, str], Points] = {}
    for row in results:
        service, at = facet_of(row), begin_of(row)
        if service is None or at is None:
            continue
        requests, errors = value_of(row, "requests") or 0.0, value_of(row, "errors") or 0.0
        found.setdefault((service, "request_rate"), {})[at] = requests / step_s
        found.setdefault((service, "error_rate"), {})[at] = errors / step_s
        found.setdefault((service, "error_ratio"), {})[at] = errors / requests if requests else None
        for rank in ("50", "95", "99"):
            value = value_of(row, "latency", rank) if requests else None
            found.setdefault((service, f"latency_p{rank}"), {})[at] = None if value is None else value * factor
        mean = value_of(row, "mean") if requests else None
        found.setdefault((service, "latency_mean"), {})[at] = None if mean is None else mean * factor
    return [_series(service, metric, points, step_s) for (service, metric), points in sorted(found.items())]


def resource_series(results: Sequence[JsonObject], *, step_s: int) -> list[Series]:
    """Processor and memory against their limits, and restarts, of each deployment."""
    found: dict[tuple[str, str], Points] = {}
    for row in results:
        service, at = facet_of(row), begin_of(row)
        if service is None or at is None:
            continue
        for key, metric, _, factor in _CONTAINERS:
            value = value_of(row, key)
            found.setdefault((service, metric), {})[at] = None if value is None else value * factor
        found.setdefault((service, "restarts"), {})[at] = value_of(row, "restarts")
    return [_series(service, metric, points, step_s) for (service, metric), points in sorted(found.items())]


def _series(service: str, metric: str, points: Points, step_s: int) -> Series:
    unit = "s" if metric.startswith("latency") else _UNITS.get(metric, "count" if metric == "restarts" else "ratio")
    return Series(
        labels={"service": service},
        service=service,
        metric=metric,
        unit=unit,
        step_s=step_s,
        points=tuple(sorted(points.items())),
    )
