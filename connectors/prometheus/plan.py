"""Turns what was discovered into PromQL: each query asks one thing of all services at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from connectors.prometheus.api import quoted
from connectors.prometheus.conventions import (
    CALLER_LABELS,
    CONNECTION_PAIRS,
    DATABASE_LABELS,
    LAGS,
    POOL_PAIRS,
    QUEUE_LABELS,
    QUEUES,
    SERVICE_LABELS,
    STATUS_LABELS,
    TARGET_LABELS,
    Chosen,
    error_matcher,
    first_of,
    unit_scale,
)

Labels = Mapping[str, frozenset[str]]
# A pod's name without what its controller added: replica-set hash and suffix, ordinal, or daemon suffix.
_POD = "(.+?)-(?:[a-z0-9]{6,10}-[a-z0-9]{5}|[0-9]+|[bcdfghjklmnpqrstvwxz2456789]{5})"
_QUANTILES = (("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99))


class Query(NamedTuple):
    """One range query. The answer's `service_label` names the service; of two queries for one metric the first wins."""

    metric: str
    unit: str | None
    promql: str
    service_label: str
    callee_label: str | None = None
    family: str = ""


class Scope(NamedTuple):
    """Which services, and how long a rate looks back, in seconds."""

    services: tuple[str, ...]
    rate_s: int

    @property
    def rate(self) -> str:
        return f"[{self.rate_s}s]"

    def matcher(self, label: str) -> str:
        if not self.services:
            return f'{label}!=""'
        return f"{label}=~{quoted(alternatives(self.services))}"

    def pods(self) -> str:
        """A matcher for the pods of the services; containers only, without the pause container."""
        base = 'container!="",container!="POD"'
        if not self.services:
            return base
        pattern = f"(?:{alternatives(self.services)})(?:-.+)?"
        return f"{base},pod=~{quoted(pattern)}"


def alternatives(words: tuple[str, ...]) -> str:
    """A regular expression (RE2) for exactly these words."""
    return "|".join(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", word) for word in words)


def needs_labels(chosen: Chosen) -> list[str]:
    """The families whose label names decide how to ask them."""
    pairs = [name for pair in (*POOL_PAIRS, *CONNECTION_PAIRS) for name in pair]
    families = [*chosen.counters, *chosen.histograms, *chosen.client_counters, *chosen.client_histograms]
    single = ["up", "process_cpu_seconds_total", "process_resident_memory_bytes", *QUEUES, *LAGS, *pairs]
    single.append("container_cpu_usage_seconds_total")
    return list(dict.fromkeys([*families, *(name for name in single if name in chosen.present)]))


def plan_signals(chosen: Chosen, labels: Labels, scope: Scope) -> list[Query]:
    """RED of every service, then use of its resources."""
    queries: list[Query] = []
    for counter in chosen.counters:
        queries += _requests(counter, labels.get(counter, frozenset()), scope)
    for histogram in chosen.histograms:
        queries += _latency(histogram, labels.get(histogram, frozenset()), scope)
    queries += _containers(chosen, labels, scope)
    queries += _processes(chosen, labels, scope)
    queries += _kubernetes(chosen, scope)
    queries += _pools(chosen, labels, scope)
    queries += _databases(chosen, labels)
    return queries + _gauges(chosen, labels, scope)


def plan_dependencies(chosen: Chosen, labels: Labels, scope: Scope) -> list[Query]:
    """Rate, error ratio and p99 of every edge between services, as the caller sees it."""
    queries: list[Query] = []
    for counter in chosen.client_counters:
        edge = _edge(labels.get(counter, frozenset()))
        if edge is None:
            continue
        by, extra = f"{edge[0]}, {edge[1]}", _reporter(counter)
        total = _either(counter, edge, scope, extra)
        queries.append(Query("call_rate", "1/s", f"sum by ({by}) ({total})", *edge))
        status = first_of(STATUS_LABELS, labels[counter])
        if status is not None:
            failed = _either(counter, edge, scope, f"{extra}{error_matcher(counter, status)},")
            ratio = f"sum by ({by}) ({failed}) / sum by ({by}) ({total}) or 0 * sum by ({by}) ({total})"
            queries.append(Query("call_error_ratio", "ratio", ratio, *edge))
    for histogram in chosen.client_histograms:
        edge = _edge(labels.get(histogram, frozenset()))
        if edge is not None:
            rates = _either(histogram, edge, scope, _reporter(histogram))
            promql = f"histogram_quantile(0.99, sum by ({edge[0]}, {edge[1]}, le) ({rates})){unit_scale(histogram)}"
            queries.append(Query("call_latency_p99", "s", promql, *edge))
    return queries


def _reporter(metric: str) -> str:
    return 'reporter="source",' if metric.startswith("istio_") else ""


def _edge(labels: frozenset[str]) -> tuple[str, str] | None:
    caller = first_of(CALLER_LABELS, labels)
    callee = first_of(tuple(label for label in TARGET_LABELS if label != caller), labels)
    return (caller, callee) if caller is not None and callee is not None else None


def _either(metric: str, edge: tuple[str, str], scope: Scope, extra: str) -> str:
    """Edges that begin or end at the services."""
    caller, callee = edge
    rates = [f"rate({metric}{{{extra}{scope.matcher(caller)}}}{scope.rate})"]
    if scope.services:
        rates.append(f"rate({metric}{{{extra}{scope.matcher(callee)}}}{scope.rate})")
    return " or ".join(rates)


def _requests(counter: str, labels: frozenset[str], scope: Scope) -> list[Query]:
    service = first_of(SERVICE_LABELS, labels)
    if service is None:
        return []
    extra = 'reporter="destination",' if counter.startswith("istio_") else ""
    where = f"{extra}{scope.matcher(service)}"
    total = f"sum by ({service}) (rate({counter}{{{where}}}{scope.rate}))"
    queries = [Query("request_rate", "1/s", total, service, family=counter)]
    status = first_of(STATUS_LABELS, labels)
    if status is not None:
        failed = f"sum by ({service}) (rate({counter}{{{where},{error_matcher(counter, status)}}}{scope.rate}))"
        # A service that never failed has no failed series; its rate is zero, not unknown.
        queries.append(Query("error_rate", "1/s", f"{failed} or 0 * {total}", service, family=counter))
    return queries


def _latency(bucket: str, labels: frozenset[str], scope: Scope) -> list[Query]:
    service = first_of(SERVICE_LABELS, labels)
    if service is None:
        return []
    stem, scale = bucket.removesuffix("_bucket"), unit_scale(bucket)
    rates = f"sum by ({service}, le) (rate({bucket}{{{scope.matcher(service)}}}{scope.rate}))"
    queries = [Query(m, "s", f"histogram_quantile({q:g}, {rates}){scale}", service) for m, q in _QUANTILES]
    parts = [f"sum by ({service}) (rate({stem}_{p}{{{scope.matcher(service)}}}{scope.rate}))" for p in ("sum", "count")]
    return [*queries, Query("latency_mean", "s", f"{parts[0]} / ({parts[1]} > 0){scale}", service)]


def _of_pods(vector: str) -> str:
    """Adds the label `service` from the pod's name; a name without a known suffix is taken whole."""
    return f'label_replace(label_replace({vector}, "service", "$1", "pod", "(.+)"), "service", "$1", "pod", "{_POD}")'


def _containers(chosen: Chosen, labels: Labels, scope: Scope) -> list[Query]:
    has, pods = chosen.present.__contains__, scope.pods()
    if not has("container_cpu_usage_seconds_total") or "pod" not in labels["container_cpu_usage_seconds_total"]:
        return []
    cpu = f"sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{{{pods}}}{scope.rate}))"
    queries = [Query("cpu_usage", "cores", f"sum by (service) ({_of_pods(cpu)})", "service")]
    if has("kube_pod_container_resource_limits"):
        limit = f'sum by (namespace, pod) (kube_pod_container_resource_limits{{{pods},resource="cpu"}})'
        queries.append(Query("cpu_ratio", "ratio", f"max by (service) ({_of_pods(f'{cpu} / {limit}')})", "service"))
    if has("container_cpu_cfs_throttled_periods_total"):
        part, whole = (
            f"sum by (namespace, pod) (rate(container_cpu_cfs_{p}_total{{{pods}}}{scope.rate}))"
            for p in ("throttled_periods", "periods")
        )
        ratio = f"max by (service) ({_of_pods(f'{part} / ({whole} > 0)')})"
        queries.append(Query("cpu_throttled_ratio", "ratio", ratio, "service"))
    return [*queries, *_memory(chosen, pods), *_network(chosen, scope)]


def _memory(chosen: Chosen, pods: str) -> list[Query]:
    if "container_memory_working_set_bytes" not in chosen.present:
        return []
    used = f"sum by (namespace, pod) (container_memory_working_set_bytes{{{pods}}})"
    queries = [Query("memory_usage", "bytes", f"sum by (service) ({_of_pods(used)})", "service")]
    limit = None
    if "kube_pod_container_resource_limits" in chosen.present:
        limit = f'sum by (namespace, pod) (kube_pod_container_resource_limits{{{pods},resource="memory"}})'
    elif "container_spec_memory_limit_bytes" in chosen.present:
        limit = f"sum by (namespace, pod) (container_spec_memory_limit_bytes{{{pods}}} > 0)"
    if limit is not None:
        # The fullest pod decides: one pod at its limit is killed, whatever the others have left.
        queries.append(Query("memory_ratio", "ratio", f"max by (service) ({_of_pods(f'{used} / {limit}')})", "service"))
    return queries


def _network(chosen: Chosen, scope: Scope) -> list[Query]:
    queries = []
    pods = scope.pods().replace('container!="",container!="POD"', 'pod!=""')  # the network belongs to the pod
    for metric, name in (("network_rx", "receive"), ("network_tx", "transmit")):
        family = f"container_network_{name}_bytes_total"
        if family in chosen.present:
            rates = f"sum by (namespace, pod) (rate({family}{{{pods}}}{scope.rate}))"
            queries.append(Query(metric, "bytes/s", f"sum by (service) ({_of_pods(rates)})", "service"))
    return queries


def _processes(chosen: Chosen, labels: Labels, scope: Scope) -> list[Query]:
    queries = []
    for family, metric, unit in (
        ("process_cpu_seconds_total", "cpu_usage", "cores"),
        ("process_resident_memory_bytes", "memory_usage", "bytes"),
    ):
        service = first_of(SERVICE_LABELS, labels.get(family, frozenset()))
        if service is None or "container_cpu_usage_seconds_total" in chosen.present:
            continue
        vector = f"{family}{{{scope.matcher(service)}}}"
        vector = f"rate({vector}{scope.rate})" if metric == "cpu_usage" else vector
        queries.append(Query(metric, unit, f"sum by ({service}) ({vector})", service))
    return queries


def _kubernetes(chosen: Chosen, scope: Scope) -> list[Query]:
    queries = []
    if "kube_pod_container_status_restarts_total" in chosen.present:
        counts = f"sum by (namespace, pod) (kube_pod_container_status_restarts_total{{{scope.pods()}}})"
        queries.append(Query("restarts", "count", f"sum by (service) ({_of_pods(counts)})", "service"))
    for metric, family, label in (
        ("replicas_available", "kube_deployment_status_replicas_available", "deployment"),
        ("replicas_desired", "kube_deployment_spec_replicas", "deployment"),
        ("replicas_available", "kube_statefulset_status_replicas_ready", "statefulset"),
        ("replicas_desired", "kube_statefulset_replicas", "statefulset"),
    ):
        if family in chosen.present:
            queries.append(Query(metric, "count", f"sum by ({label}) ({family}{{{scope.matcher(label)}}})", label))
    return queries


def _pools(chosen: Chosen, labels: Labels, scope: Scope) -> list[Query]:
    queries = []
    for used, most in POOL_PAIRS:
        service = first_of(SERVICE_LABELS, labels.get(used, frozenset()) & labels.get(most, frozenset()))
        if service is not None:
            where = scope.matcher(service)
            promql = f"max by ({service}) ({used}{{{where}}} / ({most}{{{where}}} > 0))"
            queries.append(Query("pool_ratio", "ratio", promql, service))
    return queries


def _databases(chosen: Chosen, labels: Labels) -> list[Query]:
    """Databases are shared, so they are asked for whatever services were named."""
    queries = []
    for used, limit in CONNECTION_PAIRS:
        name = first_of(DATABASE_LABELS, labels.get(used, frozenset()) & labels.get(limit, frozenset()))
        if name is None:
            continue
        now, most = f"sum by ({name}) ({used})", f"max by ({name}) ({limit})"
        queries += [
            Query("connections", "count", now, name),
            Query("connections_limit", "count", most, name),
            Query("connections_ratio", "ratio", f"{now} / {most}", name),
        ]
    for lag in LAGS:
        name = first_of(DATABASE_LABELS, labels.get(lag, frozenset()))
        if name is not None:
            queries.append(Query("replication_lag", "s", f"max by ({name}) ({lag})", name))
    return queries


def _gauges(chosen: Chosen, labels: Labels, scope: Scope) -> list[Query]:
    queries = []
    for queue in QUEUES:
        name = first_of(QUEUE_LABELS, labels.get(queue, frozenset()))
        if name is not None:
            queries.append(Query("queue_depth", "count", f"sum by ({name}) ({queue})", name))
    service = first_of(SERVICE_LABELS, labels.get("up", frozenset()))
    if service is not None:
        queries.append(Query("up", "bool", f"min by ({service}) (up{{{scope.matcher(service)}}})", service))
    if {"node_filesystem_avail_bytes", "node_filesystem_size_bytes"} <= chosen.present:
        disks = 'fstype!~"tmpfs|overlay|squashfs|ramfs"'
        free = f"node_filesystem_avail_bytes{{{disks}}} / node_filesystem_size_bytes{{{disks}}}"
        queries.append(Query("disk_ratio", "ratio", f"1 - min by (instance) ({free})", "instance"))
    return queries
