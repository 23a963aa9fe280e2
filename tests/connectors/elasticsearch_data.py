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
MAPPINGS = {"logs-app": LOG_FIELDS, "deployments-2026": DEPLOYMENT_FIELDS}


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
    return {"logs-app": lines, "deployments-2026": deployments}


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
