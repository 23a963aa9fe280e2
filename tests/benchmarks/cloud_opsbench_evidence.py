"""Recorded clusters as the evidence that the connectors of a live site would give."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.evidence import Evidence
from bot.domain.question import CaseFile, IssueType
from connectors.kubernetes.cluster import configmap_item, node_item, policy_item, quota_item
from connectors.kubernetes.objects import (
    daemonset_item,
    deployment_item,
    event_item,
    pod_item,
    statefulset_item,
)
from connectors.kubernetes.reading import name_of, namespace_of, stamp
from connectors.kubernetes.references import existing_in, reference_items
from connectors.kubernetes.services import service_item
from connectors.kubernetes.storage import storage_items
from connectors.log_templates import fold_lines
from connectors.model import Item, JsonObject, LogGroup, Logs, Objects, Payload, Series, SeriesSet, TimeWindow
from tests.benchmarks.cloud_opsbench_alerts import alert_items, alert_window
from tests.benchmarks.rca_evidence import case_file, evidence

_METRICS = {
    "cpu": ("cpu_usage", "cores", 1.0),
    "cpu_cfs": ("cpu_throttled_s", "s/s", 1.0),
    "mem": ("memory_usage", "bytes", 1.0),
    "rps": ("request_rate", "1/s", 1.0),
    "success_rate": ("success_ratio", "ratio", 1.0),
    "p50latency": ("latency_p50", "s", 1e-3),
    "p90latency": ("latency_p90", "s", 1e-3),
    "p95latency": ("latency_p95", "s", 1e-3),
    "p99latency": ("latency_p99", "s", 1e-3),
    "network_receive": ("network_rx_packets", "1/s", 1.0),
    "network_transmit": ("network_tx_packets", "1/s", 1.0),
    "tcp_retans": ("tcp_retransmits", "1/s", 1.0),
}
_NODE_METRICS = {"cpu": ("node_cpu_percent", "%", 1.0), "mem": ("node_memory_percent", "%", 1.0)}
_ISSUES = ((re.compile("latency|slow|quality", re.I), IssueType.LATENCY),)


def recorded_case(case: Mapping[str, Any]) -> tuple[CaseFile, datetime]:
    """One recording as a case file, and the time at which the cluster was read."""
    now = stamp(case["question"]["now"]) or datetime.now(UTC)
    read_at = stamp(case["question"]["snapshot_time"]) or now
    span = _window(case, now)
    payloads: list[tuple[str, str, Payload]] = [
        ("kubernetes/recorded", "list", Objects(items=tuple(kubernetes_items(case, read_at)))),
        ("kubernetes/recorded", "get_logs", logs_of(case)),
        ("http_tools/probes", "reachability", Objects(items=tuple(_checks(case)))),
        ("prometheus/main", "node_services", Objects(items=tuple(_units(case)))),
        ("prometheus/main", "list_alerts", Objects(items=tuple(alert_items(case)))),
        ("prometheus/main", "get_service_signals", SeriesSet(series=tuple(_series(case)))),
        ("files/manifests", "read", Objects(items=tuple(_declared_secrets(case)))),
    ]
    kept = [_kept(n, source, tool, payload, span) for n, (source, tool, payload) in enumerate(payloads)]
    return case_file((), span, kept, _calls(case), _issue(case["question"]["text"])), now


def _kept(number: int, source: str, tool: str, payload: Payload, span: TimeWindow) -> Evidence:
    return evidence(f"ev_{number}", source, tool, payload, span)


def _window(case: Mapping[str, Any], now: datetime) -> TimeWindow:
    """What the monitor's alert names as the time of trouble, else the last half of what was measured."""
    found = alert_window(case)
    if found:
        return found
    times = [t for t in map(stamp, (case.get("metrics") or {}).get("times", [])) if t]
    if times:
        return TimeWindow(start=times[len(times) // 2], end=max(times[-1], now))
    return TimeWindow(start=now - timedelta(minutes=15), end=now)


def _issue(text: str) -> IssueType:
    return next((kind for pattern, kind in _ISSUES if pattern.search(text)), IssueType.AVAILABILITY)


def _calls(case: Mapping[str, Any]) -> dict[str, list[str]]:
    calls: dict[str, list[str]] = {}
    for edge in case.get("dependencies") or ():
        calls.setdefault(edge["from"], []).append(edge["to"])
    return calls


def kubernetes_items(case: Mapping[str, Any], now: datetime) -> Iterator[Item]:
    """What list_workloads, list_pods, list_nodes, list_quotas, list_storage and the checks would return."""
    found: dict[str, list[JsonObject]] = case["kubernetes"]
    pods, nodes = found.get("pods", []), found.get("nodes", [])
    namespace = case["question"]["namespace"]
    yield from (pod_item(p, now) for p in pods)
    yield from (deployment_item(d, found.get("replicasets", [])) for d in found.get("deployments", []))
    yield from (statefulset_item(s) for s in found.get("statefulsets", []))
    yield from (daemonset_item(s) for s in found.get("daemonsets", []))
    yield from (node_item(n, now, pods) for n in nodes)
    yield from (quota_item(q) for q in found.get("resourcequotas", []))
    yield from (policy_item(q, pods) for q in found.get("networkpolicies", []))
    yield from (configmap_item(c) for c in found.get("configmaps", []))
    yield from storage_items(
        found.get("persistentvolumeclaims", []),
        found.get("persistentvolumes", []),
        found.get("storageclasses", []),
        pods,
    )
    # Only the namespace in question was recorded in full: of others, nothing may be called missing.
    near = [p for p in pods if namespace_of(p) == namespace]
    yield from (service_item(s, found.get("endpoints"), near) for s in found.get("services", []))
    yield from _references(found, namespace)
    existing = {(str(o.get("kind")), name_of(o)) for objects in found.values() for o in objects}
    yield from (event_item(e, existing) for e in found.get("events", []))


def _references(found: Mapping[str, list[JsonObject]], namespace: str) -> Iterator[Item]:
    existing = existing_in(
        namespace,
        config_maps=found.get("configmaps"),
        service_accounts=found.get("serviceaccounts"),
        claims=found.get("persistentvolumeclaims"),
        services=found.get("services"),
        secret_keys={name_of(s): None for s in found["secrets"]} if found.get("secrets") else None,
    )
    for plural in ("deployments", "statefulsets"):
        for workload in found.get(plural, []):
            yield from reference_items(workload, existing)


def logs_of(case: Mapping[str, Any]) -> Logs:
    """Log lines folded as they would be where they are fetched, by service and level."""
    lines = [line for service, streams in case["logs"].items() for line in _lines(service, streams)]
    counts = {(service, level, text): n for service, level, text, n, _, _ in lines}
    groups = fold_lines(
        ((last, text, {"service": service, "level": level}) for service, level, text, _, _, last in lines),
        split_by=("service", "level"),
    )
    kept = [_group(group, counts) for group in groups]
    return Logs(groups=tuple(kept), total=sum(g.count for g in kept))


def _lines(
    service: str, streams: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, int, datetime | None, datetime | None]]:
    for stream, body in streams.items():
        for entry in body["lines"]:
            level = "error" if entry.get("error") or stream == "error_summary" else "info"
            yield service, level, entry["line"], entry["n"], stamp(entry.get("first")), stamp(entry.get("last"))


def _group(group: Any, counts: Mapping[tuple[str, str, str], int]) -> LogGroup:
    service, level = group.main_label("service"), group.main_label("level")
    told = [counts.get((service, level, line), 1) for line in group.examples]
    return LogGroup(
        template=group.template,
        service=service,
        level=level,
        count=max(group.count, sum(told)),
        first=group.first,
        last=group.last,
        examples=tuple(group.examples[:3]),
    )


def _checks(case: Mapping[str, Any]) -> Iterator[Item]:
    """TCP checks as a blackbox prober would give them."""
    for check in case.get("connectivity") or ():
        fields = {key: check[key] for key in ("service", "port", "ok", "from_nodes") if key in check}
        name = f"{check['service']}:{check.get('port')}"
        yield Item(api_kind="Reachability", name=name, namespace=check.get("namespace"), fields=fields)


def _units(case: Mapping[str, Any]) -> Iterator[Item]:
    """States of system services as a node exporter would give them."""
    for node, units in (case.get("node_services") or {}).items():
        for unit, state in units.items():
            fields: JsonObject = {"node": node, "unit": unit, "active": state["ok"], "since": state.get("since")}
            yield Item(api_kind="NodeService", name=f"{node}/{unit}", fields=fields)


def _declared_secrets(case: Mapping[str, Any]) -> Iterator[Item]:
    """Secrets as the repository declares them: only what is no secret, such as host and port."""
    seen: set[str] = set()
    for objects in (case.get("manifests") or {}).values():
        for obj in objects:
            if obj.get("kind") == "Secret" and name_of(obj) not in seen:
                seen.add(name_of(obj))
                yield Item(api_kind="Secret", name=name_of(obj), namespace=namespace_of(obj), fields=_plain(obj))


def _plain(secret: Mapping[str, Any]) -> JsonObject:
    values = {**(secret.get("data") or {}), **(secret.get("stringData") or {})}
    wanted = re.compile(r"(?:host|port|database|user|username)$", re.I)
    return {"values": {k: _decoded(str(v)) for k, v in values.items() if wanted.search(k)}}


def _decoded(value: str) -> str:
    """A Secret's value in clear, whether it was declared so or in base64."""
    try:
        plain = base64.b64decode(value, validate=True).decode("ascii")
    except ValueError:
        return value
    return plain if re.fullmatch(r"[\w.:-]+", plain) else value


def _series(case: Mapping[str, Any]) -> Iterator[Series]:
    metrics = case.get("metrics") or {}
    times = [t for t in map(stamp, metrics.get("times", [])) if t]
    for one in metrics.get("series", ()):
        on_node = one["kind"] == "node"
        renamed = _NODE_METRICS if on_node and one["metric"] in _NODE_METRICS else _METRICS
        name, unit, scale = renamed.get(one["metric"], (one["metric"], one.get("unit"), 1.0))
        values = _scaled(one["values"], scale)
        yield Series(
            labels={"node": one["service"]} if on_node else {},
            service=None if on_node else one["service"],
            metric=name,
            unit=unit,
            step_s=_step_s(times),
            points=tuple(zip(times, values, strict=False)),
        )


def _scaled(values: Iterable[float | None], scale: float) -> list[float | None]:
    return [None if v is None else v * scale for v in values]


def _step_s(times: list[datetime]) -> float:
    return max(1.0, (times[1] - times[0]).total_seconds()) if len(times) > 1 else 60.0
