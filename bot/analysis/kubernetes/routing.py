"""Requests that do not arrive: selectors, ports, protocols, addresses in the environment, DNS, gateway routes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.kubernetes.cluster import Cluster, Thing
from bot.analysis.kubernetes.match import Match
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


def port_of_service_wrong(cluster: Cluster) -> Iterator[Match]:
    """A Service sends to a port, or in a protocol, that its pods do not offer."""
    for service in cluster.services.values():
        for port in service.parts("ports"):
            cause = _PROBLEMS.get(text(port, "verdict") or "")
            if cause:
                yield _port(cluster, service, port, cause)


def _port(cluster: Cluster, service: Thing, port: JsonObject, cause: str) -> Match:
    declared = ", ".join(str(p) for p in _list(port.get("declared")))
    reached = reachable(cluster, service.name, port.get("port"))
    # A process may listen on a port that it does not declare: then it is reached all the same.
    alone = len(service.parts("ports")) == 1 or text(port, "verdict") == "port_name_unknown"
    confidence = {True: 0.2, False: 0.95, None: 0.85 if alone else 0.35}[reached]
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


SIGNATURES = (selector_matches_nothing, port_of_service_wrong, scaled_to_zero)
