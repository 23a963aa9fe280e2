"""A small shop's metrics as OpenMetrics text, with one fault: payment-service fails and slows from a known minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

STEP_S = 15
START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
END = START + timedelta(hours=2)
FAULT = START + timedelta(minutes=90)
SERVICES = ("checkout-api", "payment-service", "catalog")
BUCKETS = ("0.05", "0.1", "0.5", "1", "+Inf")
_POD = {name: f"{name}-7d4b9c6f5d-x2k8p" for name in SERVICES}


def _times() -> Iterator[tuple[int, float, bool]]:
    for index in range(int((END - START).total_seconds()) // STEP_S):
        at = START + timedelta(seconds=index * STEP_S)
        yield index, at.timestamp(), at >= FAULT


def openmetrics() -> str:
    """Families in text form; every family's samples are together, as the format demands."""
    families: dict[str, list[str]] = {}
    for kind, name, line in _lines():
        families.setdefault(f"# TYPE {name} {kind}", []).append(line)
    return "\n".join(f"{head}\n" + "\n".join(lines) for head, lines in families.items()) + "\n# EOF\n"


def _lines() -> Iterator[tuple[str, str, str]]:
    failed = slow = 0.0
    for index, at, broken in _times():
        for service in SERVICES:
            hit = broken and service == "payment-service"
            failed += (STEP_S * 5.0) if hit else 0
            slow += (STEP_S * 10.0) if hit else 0
            total = index * STEP_S * 20.0
            bad = failed if service == "payment-service" else 0.0
            base = f'service="{service}",job="shop"'
            yield "counter", "http_requests", f'http_requests_total{{{base},status="200"}} {total - bad} {at}'
            if service == "payment-service":
                yield "counter", "http_requests", f'http_requests_total{{{base},status="503"}} {bad} {at}'
            yield from _latency(base, total, slow if service == "payment-service" else 0.0, at)
            yield from _platform(service, index, hit, at)
        client = 'service="checkout-api",job="shop",target="payment-service"'
        name = "http_client_requests"
        yield "counter", name, f'{name}_total{{{client},status="200"}} {index * STEP_S * 10.0 - failed} {at}'
        yield "counter", name, f'{name}_total{{{client},status="error"}} {failed} {at}'


def _latency(base: str, total: float, slow: float, at: float) -> Iterator[tuple[str, str, str]]:
    name = "http_request_duration_seconds"
    for bucket in BUCKETS:
        count = total if bucket in {"1", "+Inf"} else total - slow
        yield "histogram", name, f'{name}_bucket{{{base},le="{bucket}"}} {count} {at}'
    yield "histogram", name, f"{name}_count{{{base}}} {total} {at}"
    yield "histogram", name, f"{name}_sum{{{base}}} {(total - slow) * 0.03 + slow * 0.8} {at}"


def _platform(service: str, index: int, hit: bool, at: float) -> Iterator[tuple[str, str, str]]:
    pod = f'namespace="shop",pod="{_POD[service]}",container="{service}"'
    used = (90 if hit else 50) * 1_000_000
    yield "counter", "container_cpu_usage_seconds", f"container_cpu_usage_seconds_total{{{pod}}} {index * 3.0} {at}"
    yield "gauge", "container_memory_working_set_bytes", f"container_memory_working_set_bytes{{{pod}}} {used} {at}"
    limits = "kube_pod_container_resource_limits"
    yield "gauge", limits, f'{limits}{{{pod},resource="memory"}} 100000000 {at}'
    yield "gauge", limits, f'{limits}{{{pod},resource="cpu"}} 0.5 {at}'
    name = "kube_deployment_status_replicas_available"
    yield "gauge", name, f'{name}{{namespace="shop",deployment="{service}"}} 1 {at}'
    yield "gauge", "up", f'up{{job="shop",service="{service}",instance="10.0.0.1:80"}} 1 {at}'
    if service == "payment-service":
        yield "gauge", "db_pool_in_use", f'db_pool_in_use{{service="{service}"}} {10 if hit else 2} {at}'
        yield "gauge", "db_pool_max", f'db_pool_max{{service="{service}"}} 10 {at}'
        server = 'server="payment-db:5432",job="postgres"'
        for state, count in (("active", 40 if hit else 5), ("idle", 10)):
            name = "pg_stat_activity_count"
            yield "gauge", name, f'{name}{{{server},state="{state}"}} {count} {at}'
        yield "gauge", "pg_settings_max_connections", f"pg_settings_max_connections{{{server}}} 50 {at}"


RULES = """
groups:
  - name: shop
    rules:
      - alert: PaymentErrors
        expr: vector(1) == 1
        labels: {severity: critical, service: payment-service}
        annotations: {summary: Payments fail}
      - record: shop:nothing
        expr: vector(0)
"""
SCRAPE = """
  - job_name: dead
    static_configs: [{targets: ["127.0.0.1:1"], labels: {service: catalog}}]
"""


class Fixed:
    """A clock that stands at the end of the history."""

    def now(self) -> datetime:
        return END
