"""Documents for the Elasticsearch tests: an hour of lines of two services, of which one starts to fail half-way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.model import TimeWindow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = TimeWindow(start=NOW - timedelta(minutes=30), end=NOW)


class FixedClock:
    def now(self) -> datetime:
        return NOW


CLOCK = FixedClock()
LOG_FIELDS = {
    "@timestamp": "date",
    "message": "match_only_text",
    "log.level": "keyword",
    "service.name": "keyword",
    "trace.id": "keyword",
    "host.name": "keyword",
}
DEPLOYMENT_FIELDS = {
    "@timestamp": "date",
    "service": "keyword",
    "version": "keyword",
    "previous_version": "keyword",
    "environment": "keyword",
    "author": "keyword",
    "url": "keyword",
}
METRIC_FIELDS = {"@timestamp": "date", "service": "keyword", "error_rate": "double", "latency_p99": "double"}
OWNER_FIELDS = {"service": "keyword", "team": "keyword", "criticality": "keyword", "on_call": "keyword"}
MAPPINGS = {
    "logs-app": LOG_FIELDS,
    "deployments-2026": DEPLOYMENT_FIELDS,
    "metrics-system": METRIC_FIELDS,
    "lookup-services": OWNER_FIELDS,
    "runbooks-knowledge": {"title": "text", "content": "text"},
}


def ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def line(minutes_ago: float, service: str, level: str, message: str, *, trace: str = "") -> dict[str, Any]:
    at = NOW - timedelta(minutes=minutes_ago)
    found: dict[str, Any] = {
        "@timestamp": at.isoformat().replace("+00:00", "Z"),
        "service": {"name": service},
        "log": {"level": level},
        "message": message,
        "host": {"name": f"{service}-1"},
    }
    return found | ({"trace": {"id": trace}} if trace else {})


def documents() -> dict[str, list[dict[str, Any]]]:
    """Per minute: one info line of each service over two hours, and one refused call of checkout in the last 30."""
    lines = [line(m + 0.5, s, "info", f"handled order {m}") for m in range(120) for s in ("checkout", "cart")]
    lines += [
        line(m + 0.25, "checkout", "ERROR", f"call {m} to payment refused after {m} ms", trace=f"t-{m}")
        for m in range(30)
    ]
    lines += [line(m + 0.75, "cart", "warn", f"cart {m} expired") for m in range(0, 60, 6)]
    deployments = [
        _deployment(35, "checkout", "2.1.0", "2.0.9", "production"),
        _deployment(50, "checkout", "2.1.0", "2.0.9", "staging"),
        _deployment(300, "cart", "7.0.0", "6.9.0", "production"),
    ]
    metrics = [
        {"@timestamp": ago(m), "service": s, "error_rate": r, "latency_p99": p}
        for m in (5, 10, 50)
        for s, r, p in (("checkout", 0.2, 400.0 + m), ("cart", 0.01, 90.0), ("mail", 0.0, 5_000.0))
    ]
    owners = [{"service": "checkout", "team": "payment", "criticality": "high", "on_call": "ada"}]
    runbooks = [
        {"title": "Restart the mailer", "content": "When the queue grows."},
        {"title": "Connection pool exhausted", "content": "Find the leak of the pool, then restart."},
    ]
    return {
        "logs-app": lines,
        "deployments-2026": deployments,
        "metrics-system": metrics,
        "lookup-services": owners,
        "runbooks-knowledge": runbooks,
    }


def _deployment(minutes_ago: int, service: str, version: str, previous: str, environment: str) -> dict[str, Any]:
    return {
        "@timestamp": (NOW - timedelta(minutes=minutes_ago)).isoformat(),
        "service": service,
        "version": version,
        "previous_version": previous,
        "environment": environment,
        "author": "ada",
        "url": f"https://ci.test/{service}/{version}",
    }
