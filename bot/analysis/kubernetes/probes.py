"""Probes that fail although the application is well: wrong port, wrong protocol, too strict or too early."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from bot.analysis.kubernetes.cluster import Cluster, Thing, ended_lately, plain_containers
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.ports import wanted_ports
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import flag, mapping, number, stamp, text, texts
from connectors.model import JsonObject

_K = FindingKind
_PROTOCOL = re.compile(
    r"malformed HTTP|transport connection broken|HTTP response to HTTPS|server gave HTTP|unsupported protocol scheme|"
    r"tls: (?:first record|handshake|internal error|unrecognized)|remote error: tls|SSL (?:routines|alert)|"
    r"does not implement the grpc health|Unimplemented|http2: (?:server|frame)|unexpected EOF|"
    r": EOF\b|error reading server preface|HTTP/2 client preface|HTTP request to an HTTPS|bogus greeting|"
    r"missing selected ALPN|invalid (?:http|header) (?:method|frame)|authentication handshake failed",
    re.I,
)
_STATUS = re.compile(r"probe failed with status ?code: (\d+)", re.I)
_FOREIGN_STATUS = frozenset({"400", "401", "403", "404", "405", "406", "411", "415", "421", "426", "501", "505"})
"""Answers of a server that does not know what it was asked; 5xx mostly say that it is unwell."""
_NOBODY = re.compile(
    r"connection refused|failed to connect|i/o timeout|deadline exceeded|no route to host|timed? ?out|"
    r"connection reset|network is unreachable|awaiting headers",
    re.I,
)
_LEAST_FAILURES = 3
_LEAST_UNSEEN = 0.3
_STEADY = timedelta(minutes=5)
"""What has run for so long since its last start is not restarted by its probe."""
USUAL_S = 30.0
"""What Kubernetes' defaults give a process until the probe gives up on it."""
STRICT_S = 15.0
"""A process that may take less than this to answer for the first time is given too little: the default gives 30 s."""


def probe_is_wrong(cluster: Cluster) -> Iterator[Match]:
    """A probe fails again and again; its settings are held against the container's ports and its other probe."""
    for pod in cluster.pods:
        for container in plain_containers(pod):
            for kind in ("liveness", "readiness"):
                probe = mapping(container, "probes", kind)
                failures = _failures(cluster, pod, kind) if probe else []
                if probe and _hurts(cluster, kind, container) and (_often(failures) or _forgotten(cluster, pod)):
                    yield from _judge(cluster, pod, container, kind, failures)


def _failures(cluster: Cluster, pod: Thing, kind: str) -> list[Thing]:
    events = cluster.events_of("Pod", pod.name, "Unhealthy", "ProbeWarning", "ProbeError")
    return [e for e in events if e.said("message").lower().startswith(kind)]


def _hurts(cluster: Cluster, kind: str, container: JsonObject) -> bool:
    """A liveness probe hurts by restarts, a readiness probe by keeping a running container out of service."""
    restarts = number(container, "restarts") or 0
    if kind == "liveness":
        return restarts >= 1 and ended_lately(cluster, container)
    began = stamp(container.get("started_at"))
    steady = restarts <= 1 or (began is not None and cluster.now - began >= _STEADY)
    return not flag(container, "ready") and text(container, "state") == "running" and steady


def _often(failures: list[Thing]) -> bool:
    return sum(e.count("count") for e in failures) >= _LEAST_FAILURES


def _forgotten(cluster: Cluster, pod: Thing) -> bool:
    """The API forgets events after an hour: without any, the settings alone must tell."""
    return not cluster.events_of("Pod", pod.name)


def _judge(cluster: Cluster, pod: Thing, container: JsonObject, kind: str, failures: list[Thing]) -> Iterator[Match]:
    probe, own = mapping(container, "probes", kind), _own_ports(cluster, pod, container)
    said = " ".join(e.said("message") for e in failures[:3])
    fault, confidence = verdict(kind, probe, container, said, own=own)
    confidence -= 0.15 * (not failures) + 0.4 * (kind == "liveness" and _fell_by_itself(cluster, pod, container))
    if fault is None or confidence < _LEAST_UNSEEN:
        return
    count = sum(e.count("count") for e in failures)
    seen = f"failed {count} times" if failures else "does not let it be"
    text_ = f"the {kind} probe of {pod.name} {seen}: {_words(fault, probe, own)}"
    if kind == "liveness":
        text_ += f"; {number(container, 'restarts') or 0} restarts"
    yield Match(
        pod.component, f"{kind}_probe_incorrect_{fault}", confidence, _K.PROBE_FAILED, text_,
        "The application does not answer either when asked on its own port in its own protocol.",
        (pod.evidence, *(e.evidence for e in failures[:1])),
        {"object": pod.app, "pod": pod.name, "container": text(container, "name"), "probe": kind, "count": count,
         "port": probe.get("port"), "namespace": pod.item.namespace, "service": pod.app},
    )  # fmt: skip


def _fell_by_itself(cluster: Cluster, pod: Thing, container: JsonObject) -> bool:
    """It ended with an error of its own, and the kubelet does not say that it killed it for its probe."""
    code = number(container, "last_exit_code")
    killed = any("liveness" in e.said("message") for e in cluster.events_of("Pod", pod.name, "Killing"))
    return code is not None and 0 < code < 128 and not killed


def _own_ports(cluster: Cluster, pod: Thing, container: JsonObject) -> set[int]:
    """Ports the container declares or is told; without any, those that Services send to its pod."""
    own = wanted_ports(container)
    if own or len(plain_containers(pod)) > 1:
        return own
    services = (s for s in cluster.services.values() if pod.name in texts(s.fields, "pods"))
    targets = (p.get("target_port") for s in services for p in s.parts("ports"))
    return {t for t in targets if isinstance(t, int)}


def verdict(
    kind: str, probe: JsonObject, container: JsonObject, message: str, *, own: set[int]
) -> tuple[str | None, float]:
    """(port, protocol or timing, confidence) for a failing probe; None when its settings look right."""
    other = mapping(container, "probes", "readiness" if kind == "liveness" else "liveness")
    port = number(probe, "port_number")
    foreign = port is None or (bool(own) and port not in own)
    same_port = not other or number(other, "port_number") == port
    if _PROTOCOL.search(message):
        return "protocol", 0.95
    if foreign and "port" in probe:
        return "port", 0.95
    if other and not same_port and number(other, "port_number") in own | {None}:
        return "port", 0.8
    if other and text(other, "kind") != text(probe, "kind") and same_port:
        return "protocol", 0.85
    if status := _STATUS.search(message):
        return ("protocol", 0.6) if status[1] in _FOREIGN_STATUS else (None, 0.0)
    if text(probe, "kind") == "grpc" and text(other, "kind") != "grpc" and _NOBODY.search(message):
        # Only a few processes speak gRPC; one that is not known to may simply not understand the question.
        return ("timing", 0.93) if kind == "liveness" and patience_s(probe) < STRICT_S else ("protocol", 0.58)
    if kind == "liveness":
        return _timing(probe, message)
    return (None, 0.0) if own else ("port", 0.35)


def _timing(probe: JsonObject, message: str) -> tuple[str | None, float]:
    """Right port and protocol: strictness decides. A slow process is given what the defaults give, and no less."""
    patience = patience_s(probe)
    slow = "Client.Timeout" in message or "did not complete" in message or _NOBODY.search(message)
    if patience < STRICT_S:
        return "timing", 0.93
    return ("timing", 0.75 if patience < USUAL_S else 0.55) if slow else (None, 0.0)


def patience_s(probe: JsonObject) -> float:
    """Seconds from the start of a container until the probe gives up on it.

    Defaults: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
    """
    delay, period = number(probe, "initial_delay_s") or 0, number(probe, "period_s") or 10
    return delay + period * (number(probe, "failure_threshold") or 3)


def _words(fault: str, probe: JsonObject, own: set[int]) -> str:
    ports = ", ".join(str(p) for p in sorted(own)) or "no declared port"
    match fault:
        case "port":
            return f"it asks port {probe.get('port')} while the container listens on {ports}"
        case "protocol":
            return f"it asks over {text(probe, 'kind')} at port {probe.get('port')}, where something else is spoken"
        case _:
            return f"it gives up after {patience_s(probe):g} s"


SIGNATURES = (probe_is_wrong,)
