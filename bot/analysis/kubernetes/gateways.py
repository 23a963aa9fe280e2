"""Routes of an API gateway that lead nowhere, to a wrong port, or to somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from bot.analysis.kubernetes.addresses import NEAR, UNKNOWN_HOST, alike, ports_of, service_behind
from bot.analysis.kubernetes.cluster import Cluster, Thing, spec_of, template_containers
from bot.analysis.kubernetes.match import Match
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import number, objects, text, texts
from connectors.model import JsonObject

_K = FindingKind
_GATEWAY = re.compile(
    r"springframework\.cloud\.gateway|RoutePredicate|upstream (?:connect|prematurely|timed out)|"
    r"no route matched|NotFoundException: 50[34]|Unable to find instance for|host not found in upstream|"
    r"No servers available for service|Load balancer does not (?:have|contain an?) (?:available server|instance)",
    re.I,
)
_TARGET = re.compile(
    r"(?:Unable to find instance for|host not found in upstream|No servers available for service:|"
    r"instance for the service) [\"']?(?P<name>[\w.-]+)",
    re.I,
)
_ROUTE_ENV = re.compile(r"ROUTES?[_.]?\[?(?P<number>\d+)\]?[_.](?P<part>ID|URI|PREDICATES)", re.I)
_ROUTE_FLAG = re.compile(r"(\S*ROUTES?[_.]?\[?\d+\]?[_.](?:ID|URI|PREDICATES)\S*?)=(\S+)", re.I)
_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://(?P<host>[\w.-]+?)(?::(?P<port>\d+))?(?:/|$)", re.I)
_PLAIN = re.compile(r"v\d+|api|rest|\d*")


class Route(NamedTuple):
    """Where a gateway sends what: `name` is the route's own id."""

    name: str
    path: str
    host: str
    port: int | None
    where: str
    owner: Thing
    evidence: str


def routes(cluster: Cluster) -> Iterator[Route]:
    """Routes of ConfigMaps that a workload uses, and those written into variables."""
    for config in cluster.of("ConfigMap"):
        owner = next((w for w in cluster.workloads if config.name in _config_maps(w)), None)
        for r in config.parts("routes") if owner else ():
            host, where = text(r, "host") or "", f"ConfigMap {config.name}"
            name, path = text(r, "id") or "", text(r, "path") or ""
            if owner:
                yield Route(name, path, host, number(r, "port"), where, owner, config.evidence)
    for workload in cluster.workloads:
        yield from _from_variables(workload)


def _from_variables(workload: Thing) -> Iterator[Route]:
    found: dict[str, dict[str, str]] = {}
    for name, value in _settings(workload):
        if match := _ROUTE_ENV.search(name):
            found.setdefault(match["number"], {}).setdefault(match["part"].upper(), value)
    for parts in found.values():
        if address := _ADDRESS.match(parts.get("URI", "")):
            port = int(address["port"]) if address["port"] else None
            path = parts.get("PREDICATES", "").removeprefix("Path=")
            name = parts.get("ID", "")
            yield Route(name, path, address["host"], port, "its environment", workload, workload.evidence)


def _settings(workload: Thing) -> Iterator[tuple[str, str]]:
    """Variables, and properties given on the command line or inside the options of a runtime."""
    for container in template_containers(workload):
        words = [w for key in ("command", "args") for w in texts(container, key)]
        for entry in objects(container, "env"):
            value = text(entry, "value") or ""
            yield text(entry, "name") or "", value
            words.append(value)
        yield from (pair for word in words for pair in _ROUTE_FLAG.findall(word))


def _config_maps(workload: Thing) -> set[str]:
    named = {text(v, "ref") for v in objects(spec_of(workload), "volumes") if text(v, "kind") == "ConfigMap"}
    for container in template_containers(workload):
        for key in ("env", "env_from"):
            named |= {text(e, "ref") for e in objects(container, key) if text(e, "from") == "ConfigMap"}
    return {name for name in named if name}


def route_wrong(cluster: Cluster) -> Iterator[Match]:
    """A route is held against the Services there are, and against what its id and path say it is for."""
    for route in routes(cluster):
        service, meant = _target(cluster, route), intended(cluster, route)
        if service is None and (_OUTSIDE.search(route.host) or cluster.workload_of(route.host.lower())):
            continue  # Another site, or a name of a registry of the applications' own.
        if service is None:
            confidence, words = 0.92, f"{route.host}, which is no Service"
        elif route.port and ports_of(service) and route.port not in ports_of(service):
            confidence, words = 0.92, f"port {route.port} of {route.host}, which that Service does not have"
        elif meant and meant != service.name and _fits(meant, route) > _fits(service.name, route) + 0.2:
            confidence, words = 0.85, f"{route.host} instead of {meant}"
        else:
            continue
        shown = route.path or route.name or route.host
        text_ = f"the route {shown} that gateway {route.owner.name} has from {route.where} leads to {words}"
        evidence = (route.evidence, route.owner.evidence)
        yield from _both(route.owner, meant, confidence, text_, evidence)


_OUTSIDE = re.compile(
    r"^(?:localhost|[\d.]+)$|\.(?!svc$|local$|cluster$)(?:com|net|org|io|dev|app|cloud|co|eu|de|uk|cn)$", re.I
)


def _target(cluster: Cluster, route: Route) -> Thing | None:
    """Registries of applications write names in capitals; names of hosts know no case."""
    return service_behind(cluster, route.host.lower(), route.owner.item.namespace)


def odd_path(cluster: Cluster) -> Iterator[Match]:
    """A route whose path speaks of nothing that its target is called, where every other route of the gateway does."""
    told = [(r, s) for r in routes(cluster) if r.path and (s := _target(cluster, r)) is not None]
    for owner in dict.fromkeys(r.owner.name for r, _ in told):
        mine = [(r, s, _fits(s.name, r._replace(name=""))) for r, s in told if r.owner.name == owner]
        odd = [(r, s) for r, s, fit in mine if fit < _STRANGE]
        if len(mine) < _ENOUGH_ROUTES or len(odd) != 1 or any(_STRANGE <= fit < _FITTING for _, _, fit in mine):
            continue
        route, service = odd[0]
        words = f"the route to {service.name} that gateway {owner} has from {route.where} listens at {route.path}"
        yield from _both(route.owner, service.name, 0.7, words, (route.evidence, route.owner.evidence))


_STRANGE, _FITTING, _ENOUGH_ROUTES = 0.45, 0.6, 5


def intended(cluster: Cluster, route: Route) -> str | None:
    """The Service a route is for: the one whose name its id is, else the one its path names best."""
    if route.name in cluster.services:
        return route.name
    best = max(cluster.services, key=lambda name: (_fits(name, route), name), default=None)
    return best if best and _fits(best, route) >= 0.6 else None


def _fits(name: str, route: Route) -> float:
    if name == route.name:
        return 1.0
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    parts = [p for p in re.split(r"[/*{}]+", route.path.lower()) if p and not _PLAIN.fullmatch(p)]
    named = [re.sub(r"[^a-z0-9]", "", p) for p in [*parts, route.name.lower()] if p]
    return max((SequenceMatcher(None, plain, p).ratio() for p in named), default=0.0)


def _both(owner: Thing, meant: str | None, confidence: float, words: str, evidence: tuple[str, ...]) -> Iterator[Match]:
    """The application whose route is wrong, and the gateway that holds it."""
    disproof = "Requests on this path reach the application they are meant for."
    data: JsonObject = {"namespace": owner.item.namespace, "service": owner.app, "gateway": owner.name}
    kind = _K.CONFIG_REFERENCE_MISSING
    if meant and meant != owner.app:
        told: JsonObject = {**data, "object": meant}
        yield Match(f"app/{meant}", "gateway_misroute", confidence, kind, words, disproof, evidence, told)
    less = confidence - 0.04 if meant else confidence
    told = {**data, "object": owner.app}
    yield Match(owner.component, "gateway_misroute", less, kind, words, disproof, evidence, told)


def route_fails(cluster: Cluster) -> Iterator[Match]:
    """A gateway's own log says that a route has no target, and its variables do not name it."""
    for workload in cluster.workloads:
        gateway = next(cluster.lines(_GATEWAY, service=workload.app), None)
        if gateway is None or not gateway.risen:
            continue
        unknown = next(cluster.lines(UNKNOWN_HOST, service=workload.app), None)
        target = _TARGET.search(gateway.line)
        host = target["name"] if target else ""
        if not host and unknown is not None:
            host = next((v for v in unknown.found.groupdict().values() if v), "")
        if not host or service_behind(cluster, host, workload.item.namespace):
            continue
        near = max(cluster.services, key=lambda name: alike(name, host), default="")
        words = f"{workload.name} routes requests to {host}, which is no Service ({gateway.count} lines in its log)"
        meant = near if near and alike(near, host) >= NEAR else None
        yield from _both(workload, meant, 0.85, words, (gateway.evidence,))


SIGNATURES = (route_wrong, odd_path, route_fails)
