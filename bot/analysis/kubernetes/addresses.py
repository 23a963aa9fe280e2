"""Addresses that lead nowhere: in the environment of a workload, in its DNS settings, in a gateway's routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from bot.analysis.kubernetes.cluster import Cluster, Line, Thing, bare, spec_of, template_containers
from bot.analysis.kubernetes.match import Match
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import flag, mapping, number, objects, text, texts
from connectors.model import JsonObject

_K = FindingKind
_WHOLE = re.compile(
    r"^(?:(?:[a-z][a-z0-9+.-]*:)*//)?(?:[^/@\s]*@)?(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(?P<port>\d{1,5}))?"
    r"(?:[/?,].*)?$",
    re.I,
)
_IN_TEXT = re.compile(
    r"(?:@tcp\(|(?:^|[;\s])(?:server|host|hostname|data ?source|addr)\s*=\s*(?:tcp:)?)"
    r"(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?:[:,](?P<port>\d{1,5})\b|.*?[;\s]port\s*=\s*(?P<beside>\d{1,5})\b)?",
    re.I,
)
"""Addresses inside the connection strings of Go, .NET and libpq."""
_HOST_NAME = re.compile(r"(?:^|_)(?:HOST|HOSTNAME|ADDR|ADDRS|ADDRESS|ENDPOINT|URL|URI|SERVER|SVC)S?$", re.I)
_PORT_NAME = re.compile(r"(?:^|_)PORT$", re.I)
_LOCAL = re.compile(
    r"^(?:localhost|\d+\.\d+\.\d+\.\d+|host\.docker\.internal|metadata\..*|.*\.(?:com|net|org|io|dev))$"
)
_TELEMETRY = re.compile(
    r"OTEL|OTLP|JAEGER|ZIPKIN|TRAC(?:E|ING)|METRIC|STATSD|PROMETHEUS|COLLECTOR|SKYWALKING|SW_AGENT|LOGSTASH|SENTRY|APM"
    r"|PROFILER|DATADOG|DD_",
    re.I,
)
"""Where measurements go is not on the way of requests: nobody waits when it fails."""
_DATABASE = re.compile(r"DB|DATABASE|SQL|PG|POSTGRES|MONGO|MARIA|DATASOURCE|JDBC", re.I)
NEAR = 0.93
UNKNOWN_HOST = re.compile(
    r"(?:lookup (?P<go>[\w.-]+)(?: on \S+)?: (?:no such host|server misbehaving|i/o timeout|read udp|Temporary)|"
    r"UnknownHostException: (?:Failed to resolve )?[\"'`]?(?P<java>[\w.-]+)|"
    r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<node>[\w.-]+)|"
    r"Unknown MySQL server host [\"'`](?P<mysql>[\w.-]+)|could not translate host name [\"'`](?P<pg>[\w.-]+)|"
    r"[\"'`]?(?P<nginx>[\w.-]+)[\"'`]? could not be resolved|"
    r"(?:Unable to resolve host|Name resolution failed for target (?:dns:)?|host not found in upstream|"
    r"failed to lookup address information|No address associated with hostname|nodename nor servname provided|"
    r"getaddrinfo failed|Name does not resolve|No such host is known|\bnxdomain\b|non-existing domain|"
    r"Could not resolve host:?|Name or service not known:?|Temporary failure in name resolution:?|"
    r"DNS resolution failed for:?|failed to resolve:?) ?[\"'`(]?(?P<other>[\w.-]*))",
    re.I,
)
_UNREACHED = (
    r"(?:no such host|refused|timed? ?-?out|unable|fail|unknown|misbehaving|unreachable|not (?:be )?resolved?|"
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|unavailable|deadline|reset by peer|not known|nxdomain|cannot|"
    r"can't|no address)"
)
_INSIDE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))


class Address(NamedTuple):
    """A host and port as a variable of a workload's container tells them."""

    variable: str
    host: str
    port: int | None

    @property
    def shown(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


def variables_of(cluster: Cluster, container: JsonObject) -> dict[str, str]:
    """Variables of a container by name, those told elsewhere too, as far as their values are known."""
    elsewhere = {"ConfigMap": cluster.config_values, "Secret": cluster.declared_values}
    values: dict[str, str] = {}
    for source in objects(container, "env_from"):
        values |= elsewhere.get(text(source, "from") or "", {}).get(text(source, "ref") or "", {})
    for entry in objects(container, "env"):
        name, known = text(entry, "name") or "", elsewhere.get(text(entry, "from") or "")
        if known is None:
            values[name] = text(entry, "value") or ""
        else:
            values[name] = known.get(text(entry, "ref") or "", {}).get(text(entry, "key") or "", "")
    return values


def addresses_of(cluster: Cluster, workload: Thing) -> Iterator[Address]:
    """Every address in the environment of a workload: whole ones, and hosts whose port is a variable beside them."""
    for container in template_containers(workload):
        values = variables_of(cluster, container)
        for name, value in values.items():
            address = None if "ROUTE" in name.upper() else _address_in(name, value, values)
            if address and not _LOCAL.match(address.host):
                yield address


def _address_in(name: str, value: str, values: Mapping[str, str]) -> Address | None:
    """The address a variable holds: alone, with its port in a variable beside it, or in a connection string."""
    if not value or value.isdigit():
        return None
    if inside := _IN_TEXT.search(value):
        port = inside["port"] or inside["beside"]
        return Address(name, inside["host"], int(port) if port else None)
    found = _WHOLE.match(value)
    if not found:
        return None
    beside = values.get(_HOST_NAME.sub("", name) + "_PORT", "")
    port = found["port"] or (beside if beside.isdigit() else None)
    if (found["port"] and not found["host"].isdigit()) or _HOST_NAME.search(name):
        return Address(name, found["host"].rstrip("."), int(port) if port else None)
    return None


def service_behind(cluster: Cluster, host: str, namespace: str | None) -> Thing | None:
    """The Service that a host name means from inside a namespace."""
    name, _, rest = host.partition(".")
    other = rest.partition(".")[0]
    candidate = cluster.service_at(name, other or namespace) or cluster.services.get(name)
    if candidate is None:
        # web-0.web is a pod behind the headless Service web.
        return cluster.services.get(other) if other else None
    return None if other and namespace and other not in {namespace, candidate.item.namespace} else candidate


def ports_of(service: Thing) -> set[int]:
    return {number(p, "port") or 0 for p in service.parts("ports")} - {0}


def address_wrong(cluster: Cluster) -> Iterator[Match]:
    """A variable names a Service that is not there, or a port that the Service does not have."""
    if not cluster.services:
        return
    for workload in cluster.workloads:
        for address in addresses_of(cluster, workload):
            judged = None if _connected(cluster, workload, address) else _judge(cluster, workload, address)
            if judged:
                confidence, words, line = judged
                confidence = min(confidence, 0.3) if _TELEMETRY.search(address.variable) else confidence
                yield _address(workload, address, confidence, words, line)


def _connected(cluster: Cluster, workload: Thing, address: Address) -> bool:
    """A database that counts its clients counts this workload: whatever name leads there, it answers."""
    if not _DATABASE.search(address.variable):
        return False
    clients = [name for told in cluster.of("Connections") for name in mapping(told.fields, "by_application")]
    return any(name == workload.app or name.startswith(f"{workload.app}-") for name in clients)


def _judge(cluster: Cluster, workload: Thing, address: Address) -> tuple[float, str, Line | None] | None:
    service = service_behind(cluster, address.host, workload.item.namespace)
    line = next(cluster.lines(re.compile(re.escape(address.host) + r"(?![\w-])"), service=workload.app), None)
    if service is not None:
        ports = ports_of(service)
        if address.port is None or not ports or address.port in ports or service.said("type") == "ExternalName":
            return _of_another(cluster, workload, address, service)
        return 0.94, f"Service {service.name} has port {', '.join(map(str, sorted(ports)))} only", line
    if cluster.workload_of(address.host):
        # The name is right; its Service is what is missing.
        return 0.3, f"no Service {address.host} exists, though the workload does", line
    if "." in address.host and not address.host.endswith((".local", ".svc")) and address.host.count(".") != 1:
        return None
    near = max(cluster.services, key=lambda name: alike(name, address.host), default="")
    words = f"no Service {address.host} exists" + (f" (there is {near})" if alike(near, address.host) >= NEAR else "")
    complained = _complained(cluster, workload, address.host)
    if complained or alike(near, address.host) >= NEAR:
        return (0.95 if complained else 0.8), words, complained or line
    # A name that nobody fails on may belong to a part that was never installed, or to a database outside the cluster.
    return (0.25, words, line) if not _DATABASE.search(address.variable) and _unwell(cluster, workload) else None


def _unwell(cluster: Cluster, workload: Thing) -> bool:
    """Whether a workload shows trouble, or nobody read its logs, so that it could not have complained."""
    unread = not any(group.service == workload.app for group, _ in cluster.logs)
    pods = cluster.pods_of(workload.app)
    return unread or any(not flag(p.fields, "ready") or p.count("restarts") for p in pods)


_STORES = frozenset({1433, 2181, 3306, 5432, 5672, 6379, 8848, 9042, 9092, 9200, 11211, 27017})
"""Ports of databases, caches and queues: a variable named after a service may well tell where that keeps its data."""


def _of_another(
    cluster: Cluster, workload: Thing, address: Address, service: Thing
) -> tuple[float, str, Line | None] | None:
    """A variable named after one Service that leads to quite another."""
    about = bare(_HOST_NAME.sub("", address.variable))
    meant = cluster.services_by_letters.get(about)
    if meant is None or meant in {workload.name, workload.app, service.name}:
        return None
    if _STORES & ({address.port} | ports_of(service)) or cluster.workload_of(service.app) is None:
        return None
    if SequenceMatcher(None, about, bare(service.name)).ratio() >= _ALIKE:
        return None
    return 0.85, f"Service {meant} exists, after which it is named", None


_ALIKE = 0.75


def alike(one: str, other: str) -> float:
    """0 to 1; a name with something added in front or behind is near."""
    host = other.partition(".")[0]
    if min(len(one), len(host)) >= 4 and (host.startswith(one) or one.startswith(host)):
        return max(NEAR, SequenceMatcher(None, one, host).ratio())
    return SequenceMatcher(None, one, host).ratio()


def _complained(cluster: Cluster, workload: Thing, host: str) -> Line | None:
    """A failing line that quotes the host."""
    name = re.escape(host)
    pattern = re.compile(rf"{name}(?![\w-])(?=.*{_UNREACHED})|{_UNREACHED}.*(?<![\w-]){name}(?![\w-])", re.I | re.S)
    return next(cluster.lines(pattern, service=workload.app), None)


def _address(workload: Thing, address: Address, confidence: float, words: str, line: Line | None) -> Match:
    seen = f"; its log complains {line.count} times" if line and line.count > 1 else ""
    return Match(
        workload.component, "service_env_var_address_mismatch", confidence, _K.CONFIG_REFERENCE_MISSING,
        f"{address.variable} of {workload.name} is {address.shown}, and {words}{seen}",
        f"{address.shown} answers from inside {workload.name}.",
        (workload.evidence, *((line.evidence,) if line else ())),
        {"object": f"{workload.name}/{address.variable}", "variable": address.variable, "address": address.shown,
         "deployment": workload.name, "namespace": workload.item.namespace, "service": workload.app,
         "count": line.count if line else 0},
    )  # fmt: skip


def dns_settings_wrong(cluster: Cluster) -> Iterator[Match]:
    """A workload resolves names on its own terms, and names of the cluster do not resolve for it."""
    resolvers = {s.said("cluster_ip") for s in cluster.services.values() if "dns" in s.name} - {""}
    for workload in cluster.workloads:
        judged = _dns_problem(spec_of(workload), resolvers)
        if judged is None:
            continue
        words, alone, confirmed = judged
        line = next(cluster.lines(UNKNOWN_HOST, service=workload.app), None)
        yield Match(
            workload.component, "service_dns_resolution_failure", confirmed if line else alone,
            _K.CONFIG_REFERENCE_MISSING,
            f"pods of {workload.name} {words}"
            + (f"; names fail to resolve {line.count} times in its log" if line else ""),
            f"A name of the cluster resolves from inside a pod of {workload.name}.",
            (workload.evidence, *((line.evidence,) if line else ())),
            {"object": workload.name, "deployment": workload.name, "namespace": workload.item.namespace,
             "service": workload.app, "dns_policy": text(spec_of(workload), "dns_policy")},
        )  # fmt: skip


def _dns_problem(spec: JsonObject, resolvers: set[str]) -> tuple[str, float, float] | None:
    """(words, confidence alone, confidence when the log confirms it)."""
    policy, config = text(spec, "dns_policy"), mapping(spec, "dns_config")
    servers = texts(config, "nameservers")
    if policy == "None" and not any(_of_cluster(server, resolvers) for server in servers):
        sure = 0.85 if resolvers or not servers or any(_public(server) for server in servers) else 0.4
        return f"ask only the name servers {', '.join(servers) or '(none)'}", sure, 0.95
    if policy == "Default" or (policy == "ClusterFirst" and spec.get("host_network") is True):
        return "use the resolver of their node, which does not know names of the cluster", 0.45, 0.93
    if policy != "None" and servers and not any(_of_cluster(server, resolvers) for server in servers):
        return f"ask the name servers {', '.join(servers)} as well", 0.4, 0.85
    if config:
        return "have DNS search settings of their own", 0.2, 0.75
    return None


def _of_cluster(server: str, resolvers: set[str]) -> bool:
    """The cluster's resolver, or the cache that a node keeps at a link-local address."""
    return server in resolvers or server.startswith("169.254.")


def _public(server: str) -> bool:
    """Whether a name server is of no network that a cluster uses for itself."""
    try:
        return not any(ip_address(server) in network for network in _INSIDE)
    except ValueError:
        return False


SIGNATURES = (address_wrong, dns_settings_wrong)
