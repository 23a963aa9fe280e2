"""What people name their metrics: which families tell rate, errors, latency and use, and which label names a service.

Sources: OpenTelemetry semantic conventions for HTTP and RPC metrics, Istio standard metrics, Micrometer, client library
defaults, cAdvisor, kube-state-metrics, postgres_exporter, mysqld_exporter (read 2026-11).
"""

from __future__ import annotations

import re
from typing import NamedTuple

SERVICE_LABELS = (
    "service", "service_name", "app", "application", "app_kubernetes_io_name", "app_name", "destination_service_name",
    "destination_workload", "deployment", "workload", "component", "exported_service", "exported_job", "job",
)  # fmt: skip
TARGET_LABELS = (
    "target", "callee", "destination_service_name", "destination", "destination_service", "upstream",
    "upstream_service",
    "peer_service", "remote_service", "downstream", "dependency", "target_service", "server", "server_address",
    "net_peer_name", "client_name", "host", "uri_host",
)  # fmt: skip
CALLER_LABELS = ("caller", "client", "source_workload", "source_app", *SERVICE_LABELS)
STATUS_LABELS = (
    "status", "status_code", "code", "response_code", "http_response_status_code", "http_status_code", "grpc_code",
    "rpc_grpc_status_code", "grpc_status", "http_code", "outcome", "result",
)  # fmt: skip
POOL_PAIRS = (
    ("db_pool_in_use", "db_pool_max"),
    ("hikaricp_connections_active", "hikaricp_connections_max"),
    ("db_client_connections_usage", "db_client_connections_max"),
    ("go_sql_in_use_connections", "go_sql_max_open_connections"),
    ("sqlalchemy_pool_checked_out", "sqlalchemy_pool_size"),
    ("jdbc_connections_active", "jdbc_connections_max"),
    ("tomcat_threads_busy_threads", "tomcat_threads_config_max_threads"),
)
CONNECTION_PAIRS = (
    ("pg_stat_activity_count", "pg_settings_max_connections"),
    ("pg_stat_database_numbackends", "pg_settings_max_connections"),
    ("mysql_global_status_threads_connected", "mysql_global_variables_max_connections"),
    ("redis_connected_clients", "redis_config_maxclients"),
)
DATABASE_LABELS = ("service", "app", "server", "cluster", "instance")
QUEUES = (
    "queue_depth", "rabbitmq_queue_messages_ready", "rabbitmq_queue_messages", "kafka_consumergroup_lag", "queue_size",
    "queue_length", "sqs_messages_visible", "celery_queue_length",
)  # fmt: skip
QUEUE_LABELS = ("service", "app", "queue", "consumergroup", "topic", "job")
LAGS = (
    "pg_replication_lag_seconds", "pg_replication_lag", "mysql_slave_status_seconds_behind_master",
    "mysql_slave_status_seconds_behind_source",
)  # fmt: skip
PLATFORM = (
    "up", "container_cpu_usage_seconds_total", "container_memory_working_set_bytes",
    "container_spec_memory_limit_bytes",
    "container_spec_cpu_quota", "container_spec_cpu_period", "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total", "container_network_receive_bytes_total",
    "container_network_transmit_bytes_total", "kube_pod_container_resource_limits",
    "kube_pod_container_status_restarts_total", "kube_deployment_status_replicas_available",
    "kube_deployment_spec_replicas", "kube_statefulset_status_replicas_ready", "kube_statefulset_replicas",
    "process_cpu_seconds_total", "process_resident_memory_bytes", "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes", "pg_up",
)  # fmt: skip
_INFRASTRUCTURE = re.compile(
    r"^(?:prometheus|alertmanager|apiserver|kubelet|etcd|rest_client|coredns|go_|promhttp|grafana|cortex|loki|thanos|tempo"
    r"|mimir|node_|scheduler|workqueue|authentication|authorization|cloudprovider|kubeproxy|vm_|net_conntrack)"
)
_EXACT = sorted({*PLATFORM, *QUEUES, *LAGS, *(name for pair in (*POOL_PAIRS, *CONNECTION_PAIRS) for name in pair)})
_CALLS = (
    r"[a-zA-Z0-9_:]*(?:requests?|calls?|handled|request_count|requests_count)_total|[a-zA-Z0-9_:]*_request(?:s)?_count"
    r"|[a-zA-Z0-9_:]*(?:duration|latency|requests|request|rq_time|processing|handling)_?"
    r"(?:seconds|milliseconds|ms|time)?_(?:bucket|count)"
)
NAMES = f"{_CALLS}|{'|'.join(_EXACT)}"
"""One regular expression for every name that discovery can use."""

_CLIENT = re.compile(r"client|outbound|upstream|downstream_call|dependency|external|egress|service_graph")
# What a counter must look like, best first.
_COUNTERS = (
    re.compile(r"^istio_requests_total$"),
    re.compile(r"(?:^|_)http_requests_total$"),
    re.compile(r"_requests?_total$"),
    re.compile(r"_requests?_count$"),
    re.compile(r"_requests_seconds_count$"),
    re.compile(r"_duration_(?:seconds|milliseconds|ms)_count$"),
    re.compile(r"_latency_(?:seconds|milliseconds|ms)_count$"),
    re.compile(r"^grpc_server_handled_total$"),
    re.compile(r"calls_total$"),
)
_HISTOGRAM = re.compile(
    r"(?:duration|latency|requests|request|rq_time|processing|handling)_?(?:seconds|milliseconds|ms|time)?_bucket$"
)
_FAMILIES = 3


class Chosen(NamedTuple):
    """The families worth asking, best first."""

    counters: tuple[str, ...]
    histograms: tuple[str, ...]
    client_counters: tuple[str, ...]
    client_histograms: tuple[str, ...]
    present: frozenset[str]


def choose(names: list[str]) -> Chosen:
    """Which of the metric names to use."""
    own = [name for name in names if not _INFRASTRUCTURE.match(name)]
    counters = sorted((n for n in own if _rank(n) is not None), key=lambda n: (_rank(n), len(n), n))
    histograms = sorted((n for n in own if _HISTOGRAM.search(n)), key=lambda n: ("http" not in n, len(n), n))
    return Chosen(
        counters=tuple(n for n in counters if not _CLIENT.search(n))[:_FAMILIES],
        histograms=tuple(n for n in histograms if not _CLIENT.search(n))[:_FAMILIES],
        client_counters=tuple(n for n in counters if _calls_out(n))[:_FAMILIES],
        client_histograms=tuple(n for n in histograms if _calls_out(n))[:_FAMILIES],
        present=frozenset(names),
    )


def _calls_out(name: str) -> bool:
    return bool(_CLIENT.search(name)) or name.startswith("istio_request")


def _rank(name: str) -> int | None:
    return next((rank for rank, pattern in enumerate(_COUNTERS) if pattern.search(name)), None)


def first_of(wanted: tuple[str, ...], labels: frozenset[str]) -> str | None:
    """The first wanted label that is there."""
    return next((label for label in wanted if label in labels), None)


def error_matcher(metric: str, status: str) -> str:
    """The PromQL matcher for a failed request, by the values each convention writes."""
    if "grpc" in status or metric.startswith("grpc_"):
        codes = "Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"
        shouted = "UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"
        return f'{status}=~"{codes}|{shouted}|2|4|12|13|14|15"'
    if status == "outcome":
        return 'outcome=~"SERVER_ERROR|error|failure|failed|UNKNOWN"'
    if status == "result":
        return 'result=~"error|failure|failed|timeout"'
    return f'{status}=~"5..|5xx|0|-1|STATUS_CODE_ERROR|(?i:[a-z_ -]*(error|timeout|refused|unavailable|fail)[a-z_ -]*)"'


def unit_scale(name: str) -> str:
    """What turns a latency of this family into seconds."""
    return " / 1000" if re.search(r"_(?:milliseconds|ms)_(?:bucket|sum)$|^istio_.*milliseconds", name) else ""
