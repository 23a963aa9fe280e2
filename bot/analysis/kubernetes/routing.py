"""Requests that do not arrive: selectors, ports, protocols, addresses in the environment, DNS, gateway routes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.kubernetes.cluster import Cluster, Thing, plain_containers
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.ports import probed_ports, wanted_ports
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import flag, labels_of, selects, text
from connectors.model import JsonObject

_K = FindingKind


def selector_matches_nothing(cluster: Cluster) -> Iterator[Match]:
    """A Service chooses labels that no pod has, while its application's pods have others."""
    for service in cluster.services.values():
        selector = labels_of(service.fields, "selector")
        if service.said("problem") != "selector_matches_nothing" or not selector:
            continue
        if any(selects(selector, labels_of(w.fields, "template", "labels")) for w in cluster.workloads):
            # The selector is right: the pods are missing for a reason of their own.
            continue
        owner = _meant(cluster, service, selector)
        have = (
            ", ".join(f"{k}={v}" for k, v in sorted(labels_of(owner.fields, "template", "labels").items()))
            if owner
            else ""
        )
        wanted = ", ".join(f"{k}={v}" for k, v in selector.items())
        text_ = f"Service {service.name} chooses pods with {wanted}, and there are none"
        yield Match(
            owner.component if owner else service.component, "service_selector_mismatch",
            _selector_sure(cluster, service, owner),
            _K.ENDPOINTS_EMPTY, text_ + (f"; pods of {owner.name} carry {have}" if owner and have else ""),
            "Pods with the labels of the selector exist and are ready.",
            (service.evidence, *((owner.evidence,) if owner else ())),
            {"object": service.name, "namespace": service.item.namespace, "service": service.name},
        )  # fmt: skip


def selector_chooses_others(cluster: Cluster) -> Iterator[Match]:
    """A Service named after one workload chooses the pods of another, and nothing else serves the first."""
    for service in cluster.services.values():
        owner = cluster.workload_of(service.name)
        chosen = {p.app for p in cluster.pods_behind(service)}
        if owner is None or not chosen or not cluster.pods_of(owner.app) or owner.app in chosen:
            continue
        labels = labels_of(owner.fields, "template", "labels")
        if any(selects(labels_of(s.fields, "selector"), labels) for s in cluster.services.values()):
            continue
        other = ", ".join(sorted(chosen)[:2])
        yield Match(
            owner.component, "service_selector_mismatch", 0.8, _K.ENDPOINTS_EMPTY,
            f"Service {service.name} chooses pods of {other}, and none of {owner.name}",
            f"{other} is meant to answer for {owner.name}.", (service.evidence, owner.evidence),
            {"object": service.name, "namespace": service.item.namespace, "service": service.name},
        )  # fmt: skip


def _selector_sure(cluster: Cluster, service: Thing, owner: Thing | None) -> float:
    """Less when the application is reached by another Service: one of several roles may have no pod now."""
    if owner is None:
        return 0.6
    if service.name in {owner.name, owner.app}:
        return 0.95
    labels = labels_of(owner.fields, "template", "labels")
    others = [s for s in cluster.services.values() if s is not service]
    return 0.45 if any(selects(labels_of(s.fields, "selector"), labels) for s in others) else 0.85


def _meant(cluster: Cluster, service: Thing, selector: dict[str, str]) -> Thing | None:
    """The workload a Service was made for: of its name, else the one that meets most of the selector."""
    near = [w for w in cluster.workloads if w.item.namespace == service.item.namespace]
    named = next((w for w in near if service.name in {w.name, w.app}), None)
    if named:
        return named

    def shared(workload: Thing) -> int:
        labels = labels_of(workload.fields, "template", "labels")
        return len(set(selector.items()) & set(labels.items())) + len(set(selector.values()) & set(labels.values()))

    best = max(near, key=lambda w: (shared(w), w.name), default=None)
    return best if best is not None and shared(best) else None


_PROBLEMS = {
    "port_mismatch": "service_port_mapping_mismatch",
    "port_name_unknown": "service_port_mapping_mismatch",
    "protocol_mismatch": "service_protocol_mismatch",
}


_PROXY_PORTS = re.compile(r"^(?:150\d\d|4143|4191|20000|20200)/")
"""Ports that the sidecars of meshes declare: a pod that declares no others does not tell where it listens."""


def port_of_service_wrong(cluster: Cluster) -> Iterator[Match]:
    """A Service sends to a port, or in a protocol, that its pods do not offer."""
    for service in cluster.services.values():
        for port in service.parts("ports"):
            declared = [str(p) for p in _list(port.get("declared"))]
            told = text(port, "verdict") or ""
            silent = all(_PROXY_PORTS.match(p) for p in declared) and told != "port_name_unknown"
            cause = _undeclared(cluster, service, port) if silent else _PROBLEMS.get(told)
            if cause:
                yield _port(cluster, service, port, cause)


def _undeclared(cluster: Cluster, service: Thing, port: JsonObject) -> str | None:
    """Of pods that declare no port: what they are told to listen on and where they are probed."""
    containers = [c for p in cluster.pods_behind(service) for c in plain_containers(p)]
    told = {n for c in containers for n in (*wanted_ports(c), *probed_ports(c))}
    known = {n for n in told if not _PROXY_PORTS.match(f"{n}/")}
    targets = {n for n in _list(port.get("resolved")) if isinstance(n, int)}
    wrong = bool(known and targets) and not targets & known
    return "service_port_mapping_mismatch" if wrong and not reachable(cluster, service.name, port.get("port")) else None


def _port(cluster: Cluster, service: Thing, port: JsonObject, cause: str) -> Match:
    listed = [str(p) for p in _list(port.get("declared")) if not _PROXY_PORTS.match(str(p))]
    declared = ", ".join(listed) or "none and listen elsewhere"
    reached = reachable(cluster, service.name, port.get("port"))
    # A process may listen on a port that it does not declare: then it is reached all the same.
    alone = len(service.parts("ports")) == 1 or text(port, "verdict") == "port_name_unknown"
    confidence = {True: 0.2, False: 0.95, None: 0.85 if alone else 0.35}[reached] - 0.2 * (not listed)
    text_ = f"Service {service.name} sends {port.get('protocol')} to port {port.get('target_port')}"
    text_ += f", while its pods declare {declared}"
    return Match(
        service.component, cause, confidence, _K.PORT_MISMATCH,
        text_ + ("; nobody can connect to it" if reached is False else ""),
        "A connection to the Service on this port succeeds.", (service.evidence,),
        {"object": service.name, "port": port.get("port"), "target_port": port.get("target_port"),
         "protocol": port.get("protocol"), "namespace": service.item.namespace, "service": service.name},
    )  # fmt: skip


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def reachable(cluster: Cluster, service: str, port: object) -> bool | None:
    """Whether a connection to a Service was seen to succeed; None when nobody tried."""
    tries = [t for t in cluster.of("Reachability") if t.said("service") == service]
    tries = [t for t in tries if port is None or t.fields.get("port") in (None, port)]
    if not tries:
        return None
    return any(flag(t.fields, "ok") for t in tries)


def scaled_to_zero(cluster: Cluster) -> Iterator[Match]:
    """A Deployment wants no pods at all, and something expects it: a Service, or a caller."""
    for workload in cluster.of("Deployment", "StatefulSet"):
        if workload.count("desired") != 0:
            continue
        labels = labels_of(workload.fields, "template", "labels")
        served = [s for s in cluster.services.values() if selects(labels_of(s.fields, "selector"), labels)]
        called = bool(cluster.graph.callers.get(workload.app))
        events = cluster.events_of(workload.item.api_kind, workload.name, "ScalingReplicaSet", "SuccessfulDelete")
        scaled = any(re.search(r"to 0\b", e.said("message")) for e in events)
        sure = (0.9 if served or called else 0.5) + 0.05 * scaled
        yield Match(
            workload.component, "deployment_zero_replicas", sure, _K.ENDPOINTS_EMPTY,
            f"{workload.item.api_kind} {workload.name} is scaled to zero"
            + (f", and Service {served[0].name} has nobody to send to" if served else ""),
            "Nobody calls it, or it was put to rest on purpose before the trouble began.",
            (workload.evidence, *(s.evidence for s in served[:1])),
            {"object": workload.name, "deployment": workload.name, "namespace": workload.item.namespace,
             "service": workload.app, "desired": 0},
        )  # fmt: skip


SIGNATURES = (selector_matches_nothing, selector_chooses_others, port_of_service_wrong, scaled_to_zero)
