"""Discovery knows the conventions in use, and the PromQL it writes is PromQL."""

from __future__ import annotations

import re

import promql_parser
import pytest

from connectors.prometheus.conventions import NAMES, Chosen, choose, error_matcher
from connectors.prometheus.plan import Query, Scope, needs_labels, plan_dependencies, plan_signals

WORLDS: dict[str, tuple[dict[str, set[str]], set[str]]] = {
    "client library": (
        {"http_requests_total": {"service", "status"}, "http_request_duration_seconds_bucket": {"service", "le"}},
        {"request_rate", "error_rate", "latency_p99"},
    ),
    "OpenTelemetry": (
        {
            "http_server_request_duration_seconds_bucket": {"service_name", "http_response_status_code", "le"},
            "http_server_request_duration_seconds_count": {"service_name", "http_response_status_code"},
        },
        {"request_rate", "error_rate", "latency_p99"},
    ),
    "OpenTelemetry, milliseconds": (
        {
            "http_server_duration_milliseconds_bucket": {"job", "http_status_code", "le"},
            "http_server_duration_milliseconds_count": {"job", "http_status_code"},
        },
        {"request_rate", "error_rate", "latency_p50"},
    ),
    "Istio": (
        {
            "istio_requests_total": {"destination_service_name", "source_workload", "reporter", "response_code"},
            "istio_request_duration_milliseconds_bucket": {"destination_service_name", "source_workload", "le"},
        },
        {"request_rate", "error_rate", "latency_p95"},
    ),
    "gRPC": (
        {"grpc_server_handled_total": {"app", "grpc_code"}, "grpc_server_handling_seconds_bucket": {"app", "le"}},
        {"request_rate", "error_rate"},
    ),
    "Spring": (
        {
            "http_server_requests_seconds_count": {"application", "status", "outcome"},
            "http_server_requests_seconds_bucket": {"application", "status", "le"},
        },
        {"request_rate", "error_rate", "latency_p99"},
    ),
    "containers": (
        {
            "container_cpu_usage_seconds_total": {"pod", "namespace", "container"},
            "container_memory_working_set_bytes": {"pod", "namespace", "container"},
            "container_spec_memory_limit_bytes": {"pod", "namespace", "container"},
            "kube_pod_container_status_restarts_total": {"pod"},
        },
        {"cpu_usage", "memory_usage", "memory_ratio", "restarts"},
    ),
    "MySQL": (
        {
            "mysql_global_status_threads_connected": {"instance"},
            "mysql_global_variables_max_connections": {"instance"},
            "mysql_slave_status_seconds_behind_master": {"instance"},
        },
        {"connections", "connections_ratio", "replication_lag"},
    ),
}


def discovered(world: str) -> tuple[Chosen, dict[str, frozenset[str]]]:
    families = {name: frozenset(labels) for name, labels in WORLDS[world][0].items()}
    seen = [name for name in families if re.fullmatch(NAMES, name)]
    assert seen == list(families), "discovery's own question must find these names"
    chosen = choose(seen)
    assert set(needs_labels(chosen)) <= set(families)
    return chosen, families


def parsed(queries: list[Query]) -> list[Query]:
    for query in queries:
        promql_parser.parse(query.promql)
    return queries


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("services", [(), ("payment-service", 'odd"na.me\\')])
def test_every_convention_gives_its_signals(world: str, services: tuple[str, ...]) -> None:
    chosen, labels = discovered(world)
    queries = parsed(plan_signals(chosen, labels, Scope(services, 120)))
    assert WORLDS[world][1] <= {query.metric for query in queries}


def test_milliseconds_become_seconds() -> None:
    chosen, labels = discovered("OpenTelemetry, milliseconds")
    queries = plan_signals(chosen, labels, Scope((), 60))
    assert all(q.promql.endswith("/ 1000") for q in queries if q.metric.startswith("latency"))


def test_istio_counts_each_request_once() -> None:
    chosen, labels = discovered("Istio")
    signals = plan_signals(chosen, labels, Scope((), 60))
    assert all('reporter="destination"' in q.promql for q in signals if q.metric == "request_rate")
    edges = parsed(plan_dependencies(chosen, labels, Scope((), 60)))
    assert {"call_rate", "call_error_ratio", "call_latency_p99"} == {q.metric for q in edges}
    assert all('reporter="source"' in q.promql for q in edges if q.metric == "call_rate")


def test_the_monitoring_itself_is_no_service() -> None:
    chosen = choose(["prometheus_http_requests_total", "apiserver_request_total", "http_requests_total"])
    assert chosen.counters == ("http_requests_total",)


@pytest.mark.parametrize(
    ("metric", "label", "bad", "good"),
    [
        ("http_requests_total", "status", ["500", "503", "5xx", "error", "TIMEOUT"], ["200", "404", "302", "ok"]),
        ("grpc_server_handled_total", "grpc_code", ["Internal", "Unavailable"], ["OK", "NotFound", "Canceled"]),
        ("rpc_total", "rpc_grpc_status_code", ["13", "14"], ["0", "5"]),
        ("x_total", "outcome", ["SERVER_ERROR"], ["SUCCESS", "CLIENT_ERROR"]),
    ],
)
def test_what_counts_as_failed(metric: str, label: str, bad: list[str], good: list[str]) -> None:
    pattern = error_matcher(metric, label).partition("=~")[2].strip('"')
    assert [v for v in bad if not re.fullmatch(pattern, v)] == []
    assert [v for v in good if re.fullmatch(pattern, v)] == []


@pytest.mark.parametrize(
    ("pod", "service"),
    [
        ("payment-service-7d4b9c6f5d-x2k8p", "payment-service"),
        ("redis-0", "redis"),
        ("fluent-bit-x7k2z", "fluent-bit"),
        ("standalone", "standalone"),
        ("api-v2-5f6d7c8b9-abcde", "api-v2"),
    ],
)
def test_pod_names_tell_the_service(pod: str, service: str) -> None:
    from connectors.prometheus.plan import _POD

    found = re.fullmatch(_POD, pod)
    assert (found[1] if found else pod) == service
