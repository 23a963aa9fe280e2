"""Services against the pods and endpoints behind them: who is chosen, who is ready, which ports meet. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue

from connectors.kubernetes.identity import service_of
from connectors.kubernetes.objects import condition, item
from connectors.kubernetes.podspec import containers_of, port_number
from connectors.kubernetes.reading import (
    at,
    compact,
    flag,
    labels_of,
    listed,
    mapping,
    name_of,
    namespace_of,
    number,
    objects,
    selects,
    text,
)
from connectors.model import Item, JsonObject


class Port(NamedTuple):
    """A port that a container declares."""

    number: int
    protocol: str
    container: str


def service_item(
    service: JsonObject,
    endpoints: Sequence[JsonObject] | None,
    pods: Sequence[JsonObject] | None,
) -> Item:
    """A Service with its endpoints and, in `problem`, the first thing that keeps traffic from arriving.

    `endpoints` are Endpoints or EndpointSlices, of any service: those of this one are picked. None for endpoints or
    pods: they could not be read, and nothing is claimed from their absence. Problems: selector_matches_nothing,
    no_ready_pods, port_name_unknown, protocol_mismatch, port_mismatch, no_endpoints.
    """
    selector = labels_of(service, "spec", "selector")
    near = [pod for pod in pods or () if namespace_of(pod) == namespace_of(service)]
    chosen = [pod for pod in near if selects(selector, labels_of(pod, "metadata", "labels"))]
    ready, total = _endpoint_counts(service, endpoints or ())
    ports = [_port_fields(entry, chosen) for entry in objects(service, "spec", "ports")]
    reachable = ready > 0 or endpoints is None
    problem, detail = _problem(service, chosen, ports, reachable=reachable, known=pods is not None)
    namesakes = [pod for pod in near if service_of(pod) == name_of(service)]
    fields: JsonObject = {
        "type": text(service, "spec", "type"),
        "service": service_of(chosen[0]) if chosen else service_of(service),
        "cluster_ip": text(service, "spec", "clusterIP"),
        "external_name": text(service, "spec", "externalName"),
        "selector": dict(selector),
        "labels": dict(labels_of(service, "metadata", "labels")),
        "ports": listed(ports),
        "pods": listed(name_of(pod) for pod in chosen),
        "namesake_labels": dict(labels_of(namesakes[0], "metadata", "labels")) if namesakes and not chosen else None,
        "problem": problem,
        "problem_text": detail,
    }
    kept = item(service, fields, kind="Service")
    counts: JsonObject = {"endpoints_ready": ready, "endpoints_total": total} if endpoints is not None else {}
    return kept.model_copy(update={"fields": kept.fields | counts})


def _endpoint_counts(service: JsonObject, endpoints: Sequence[JsonObject]) -> tuple[int, int]:
    """Distinct addresses, ready and all, over Endpoints or EndpointSlices of a service."""
    ready: set[str] = set()
    every: set[str] = set()
    for entry in endpoints:
        if namespace_of(entry) != namespace_of(service):
            continue
        if name_of(entry) == name_of(service) and "endpoints" not in entry:
            for subset in objects(entry, "subsets"):
                good = {text(a, "ip") or "" for a in objects(subset, "addresses")}
                ready |= good
                every |= good | {text(a, "ip") or "" for a in objects(subset, "notReadyAddresses")}
        elif labels_of(entry, "metadata", "labels").get("kubernetes.io/service-name") == name_of(service):
            for endpoint in objects(entry, "endpoints"):
                addresses = {str(address) for address in _addresses(endpoint)}
                every |= addresses
                # An absent condition means ready: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
                ready |= addresses if flag(endpoint, "conditions", "ready") in (True, None) else set()
    return len(ready), len(every)


def _addresses(endpoint: JsonObject) -> list[JsonValue]:
    value = endpoint.get("addresses")
    return value if isinstance(value, list) else []


def _port_fields(entry: JsonObject, chosen: Sequence[JsonObject]) -> JsonObject:
    port = number(entry, "port")
    target = at(entry, "targetPort")
    target = port if target is None else target
    resolved = sorted({n for pod in chosen for n in _resolve(target, pod)})
    declared = [p for pod in chosen for p in declared_ports(pod)]
    protocol = text(entry, "protocol") or "TCP"
    return compact(
        {
            "name": text(entry, "name"),
            "port": port,
            "target_port": target,
            "resolved": listed(resolved),
            "protocol": protocol,
            "app_protocol": text(entry, "appProtocol"),
            "node_port": number(entry, "nodePort"),
            "declared": listed(sorted({f"{p.number}/{p.protocol}" for p in declared})),
            "verdict": _verdict(resolved, protocol, declared) if chosen else None,
        }
    )


def declared_ports(pod: JsonObject) -> list[Port]:
    """Ports that the containers of a pod declare; a process may listen on others too."""
    return [
        Port(number(entry, "containerPort") or 0, text(entry, "protocol") or "TCP", text(container, "name") or "")
        for container, _ in containers_of(mapping(pod, "spec"))
        for entry in objects(container, "ports")
    ]


def _resolve(target: JsonValue, pod: JsonObject) -> list[int]:
    found = (port_number(target, container) for container, init in containers_of(mapping(pod, "spec")) if not init)
    return [value for value in found if value is not None]


def _verdict(resolved: Sequence[int], protocol: str, declared: Sequence[Port]) -> str:
    """ok, unknown (nothing declared), port_name_unknown, protocol_mismatch or port_mismatch."""
    if not resolved:
        return "port_name_unknown"
    if not declared:
        return "unknown"
    same_number = [p for p in declared if p.number in resolved]
    if not same_number:
        return "port_mismatch"
    return "ok" if any(p.protocol == protocol for p in same_number) else "protocol_mismatch"


def _problem(
    service: JsonObject, chosen: Sequence[JsonObject], ports: Sequence[JsonObject], *, reachable: bool, known: bool
) -> tuple[str | None, str | None]:
    if text(service, "spec", "type") == "ExternalName":
        return None, None
    selector = labels_of(service, "spec", "selector")
    if not selector:
        return (None, None) if reachable else ("no_endpoints", "It has no selector and nobody gave it endpoints.")
    if known and not chosen:
        words = ", ".join(f"{key}={value}" for key, value in selector.items())
        return "selector_matches_nothing", f"No pod has the labels {words}."
    for entry in ports:
        if (verdict := text(entry, "verdict")) in _PORT_PROBLEMS:
            return verdict, _port_words(verdict, entry)
    if known and not any(text(condition(pod, "Ready"), "status") == "True" for pod in chosen):
        return "no_ready_pods", f"None of its {len(chosen)} pods is ready."
    return (None, None) if reachable else ("no_endpoints", "It has no ready endpoint.")


_PORT_PROBLEMS = frozenset({"port_name_unknown", "protocol_mismatch", "port_mismatch"})


def _port_words(verdict: str, entry: JsonObject) -> str:
    target, declared = entry.get("target_port"), ", ".join(str(p) for p in _as_list(entry.get("declared")))
    match verdict:
        case "port_name_unknown":
            return f"No container has a port named {target!r}."
        case "protocol_mismatch":
            return f"It sends {entry.get('protocol')} to port {target}, but the containers declare {declared}."
        case _:
            return f"It sends to port {target}, but the containers declare {declared}."


def _as_list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
