"""Containers that are made and do not start: missing Secrets, unreadable volumes, too little memory, taken ports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.kubernetes.cluster import Cluster, Thing, ended_lately, plain_containers, pod_is_ready
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.ports import wanted_ports
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import flag, mapping, number, objects, text
from connectors.model import JsonObject

_K = FindingKind
_SECRET = re.compile(
    r"secrets? [\"“]?(?P<name>[\w.-]+)[\"”]? not found|couldn't find key \S+ in Secret (?P<key>[\w./-]+)|"
    r"references? non-?existent secret key: (?P<part>[\w.-]+)",
    re.I,
)
_DENIED = re.compile(
    r"permission denied|\bEACCES\b|\bEPERM\b|\bEROFS\b|errno[ =:]*13\b|operation not permitted|read-only file ?system|"
    r"AccessDeniedException|UnauthorizedAccessException|access to the path \S+ is denied|not writ(?:e)?able|"
    r"(?:has|have) (?:wrong ownership|invalid permissions)|read-only directory|(?:no|insufficient) permissions? to",
    re.I,
)
_OTHER_RIGHT = re.compile(
    r"\b(?:bind|listen|socket|dial|connect\w*|rpc|grpc)\b|permission denied (?:for|to set|on resource)|"
    r"(?:publickey|password)\b|\bRBAC\b|cannot (?:get|list|watch) resource",
    re.I,
)
"""Rights to ports, tables, machines and objects of the API: nothing of a volume."""
_OOM_INIT = re.compile(
    r"OOM-?killed|memory limit (?:\d+ )?(?:is )?too low|minimum memory limit|unable to set memory limit|"
    r"cannot allocate memory|memory\.(?:limit_in_bytes|max): (?:device or resource busy|invalid argument)",
    re.I,
)
_HEAP = re.compile(
    r"java\.lang\.OutOfMemoryError|insufficient memory for the Java Runtime|[Cc]ould not reserve enough space for|"
    r"JavaScript heap out of memory|fatal error: (?:runtime: )?(?:cannot allocate|out of) memory|"
    r"System\.OutOfMemoryException|\bMemoryError\b|NoMemoryError|std::bad_alloc|"
    r"Allowed memory size of \d+ bytes exhausted|memory allocation of \d+ bytes failed|"
    r"(?:eheap|binary)_alloc: Cannot allocate",
)
_TAKEN = re.compile(
    r"address (?:is )?already in use|\bEADDRINUSE\b|"
    r"port(?: \d+)? (?:is |was )?already (?:in use|being used|allocated|bound|taken)|"
    r"BindException|failed to bind|(?:cannot|unable to|could not|can't) bind|only one usage of each socket|"
    r"connection in use: \(|port \d+ (?:is )?(?:not available|unavailable)|another process .{0,30}port",
    re.I,
)
_NOT_TAKEN = re.compile(
    r"assign requested address|EADDRNOTAVAIL|permission denied|EACCES|no such (?:host|device)", re.I
)
_PROXIES = frozenset({"istio-proxy", "linkerd-proxy"})
_ISTIO_PORTS = frozenset({15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090})
_FAILING = frozenset({"CrashLoopBackOff", "Error", "RunContainerError", "CreateContainerError", "StartError"})


def secret_missing(cluster: Cluster) -> Iterator[Match]:
    """A pod that is not ready refers to a Secret, or a key of one, that is not there."""
    for pod in cluster.pods:
        if pod_is_ready(pod):
            continue
        waiting = [(f"{text(c, 'reason')} {text(c, 'message')}", pod.evidence) for c in pod.parts("containers")]
        events = cluster.events_of("Pod", pod.name, "Failed", "FailedMount")
        # What kept a container from starting is over once it has started.
        told = [] if _all_started(pod) else events
        said = [*waiting, *((e.said("message"), e.evidence) for e in told)]
        hit = next(((f, e) for message, e in said if (f := _SECRET.search(message))), None)
        if hit:
            yield _secret(pod, hit[0]["name"] or hit[0]["key"] or hit[0]["part"], (pod.evidence, hit[1]), 0.95)
    for reference in cluster.of("ConfigReference"):
        unready = [p for p in cluster.pods_of(reference.app) if not pod_is_ready(p)]
        if reference.said("kind") == "Secret" and reference.said("where") != "imagePullSecrets" and unready:
            yield _secret(unready[0], reference.said("ref"), (reference.evidence,), 0.9)


def _all_started(pod: Thing) -> bool:
    containers = plain_containers(pod)
    return bool(containers) and all(
        text(c, "state") == "running" or (number(c, "restarts") or 0) > 0 or "last_reason" in c for c in containers
    )


def _secret(pod: Thing, name: str, evidence: tuple[str, ...], confidence: float) -> Match:
    return Match(
        pod.component, "missing_secret_binding", confidence, _K.CONFIG_REFERENCE_MISSING,
        f"{pod.name} does not start: Secret {name} that it refers to does not exist or lacks a key",
        f"Secret {name} exists in the namespace with the key asked for.", evidence,
        {"object": pod.app, "ref": name, "pod": pod.name, "namespace": pod.item.namespace, "service": pod.app},
    )  # fmt: skip


def volume_not_permitted(cluster: Cluster) -> Iterator[Match]:
    """A container fails on its volume: its log says so, or it ends at once with nothing else to explain it."""
    for pod in cluster.pods:
        for container in plain_containers(pod):
            own = _own_mounts(pod, container)
            if not _keeps_failing(container) or not (own or _mounts(container)):
                continue
            told = _denied(cluster, pod, container)
            if told and (own or told[1]):
                yield _volume(pod, container, 0.93, (pod.evidence, told[0]))
            elif own and _ends_at_once(container):
                yield _volume(pod, container, 0.55, (pod.evidence,))


def _denied(cluster: Cluster, pod: Thing, container: JsonObject) -> tuple[str, bool] | None:
    """The evidence of a refusal in the log, the last words or an event of a pod, and whether it names a mount."""
    lines = [(line.line, line.evidence) for line in cluster.lines(_DENIED, service=pod.app)]
    last = [(text(container, key) or "", pod.evidence) for key in ("message", "last_message")]
    events = [(e.said("message"), e.evidence) for e in cluster.events_of("Pod", pod.name, "FailedMount", "Failed")]
    refused = [(w, e) for w, e in (*lines, *last, *events) if _DENIED.search(w) and not _OTHER_RIGHT.search(w)]
    named = [e for words, e in refused if any(path in words for path in _mounts(container))]
    return (named[0], True) if named else (refused[0][1], False) if refused else None


def _mounts(container: JsonObject) -> list[str]:
    paths = (text(m, "path") or "" for m in objects(container, "mounts"))
    return [path for path in paths if len(path) > 1 and not path.startswith("/var/run/secrets/")]


def _keeps_failing(container: JsonObject) -> bool:
    failing = text(container, "reason") in _FAILING or (number(container, "restarts") or 0) >= 2
    killed = {text(container, "reason"), text(container, "last_reason")} & {"OOMKilled"}
    return failing and not killed and not flag(container, "ready")


def _own_mounts(pod: Thing, container: JsonObject) -> list[str]:
    """Mounts of storage that can be written by somebody else: claims, paths of the node, network disks."""
    outside = {text(v, "name") for v in objects(mapping(pod.fields, "spec"), "volumes") if text(v, "kind") in _STORAGE}
    return [text(m, "path") or "" for m in objects(container, "mounts") if text(m, "volume") in outside]


_STORAGE = frozenset({"PersistentVolumeClaim", "hostPath", "nfs", "csi", "ephemeral", "cephfs", "glusterfs", "iscsi"})


def _ends_at_once(container: JsonObject) -> bool:
    """It ended by itself with an error, not by a probe or a signal."""
    code = number(container, "last_exit_code")
    return code is not None and 0 < code < 128


def _volume(pod: Thing, container: JsonObject, confidence: float, evidence: tuple[str, ...]) -> Match:
    path = ", ".join((_own_mounts(pod, container) or _mounts(container))[:2])
    user = mapping(container, "security").get("run_as_user") or mapping(pod.fields, "spec", "security").get(
        "run_as_user"
    )
    who = f" as user {user}" if user is not None else ""
    return Match(
        pod.component, "volume_mount_permission_denied", confidence, _K.CRASH_LOOPING,
        f"{pod.name} ends with exit code {number(container, 'last_exit_code') or 1} right after it starts{who} with "
        f"its volume at {path}, which it seems not to be allowed to use",
        "The same container runs with an empty directory owned by its user, and still ends.", evidence,
        {"object": pod.app, "pod": pod.name, "container": text(container, "name"), "path": path,
         "namespace": pod.item.namespace, "service": pod.app},
    )  # fmt: skip


def killed_for_memory(cluster: Cluster) -> Iterator[Match]:
    """The kernel killed a container of a pod that is not well, or its first process could not even start."""
    for pod in cluster.pods:
        for container in pod.parts("containers"):
            if "OOMKilled" in {text(container, "reason"), text(container, "last_reason")}:
                yield _oom(pod, container, _sure_of_kill(cluster, container), (pod.evidence,))
            elif _OOM_INIT.search(_last_words(container)) and not pod_is_ready(pod):
                yield _oom(pod, container, 0.95, (pod.evidence,))
            elif _killed_hard(cluster, pod, container):
                yield _oom(pod, container, 0.65, (pod.evidence,))
        events = cluster.events_of("Pod", pod.name, "FailedCreatePodSandBox", "Failed", "BackOff", "FailedStart")
        hit = next((e for e in events if _OOM_INIT.search(e.said("message"))), None)
        if hit and not pod_is_ready(pod) and plain_containers(pod):
            yield _oom(pod, _tightest(pod), 0.95, (pod.evidence, hit.evidence))


def _sure_of_kill(cluster: Cluster, container: JsonObject) -> float:
    """A container that came back and is well says less than one that is down; an old kill says little."""
    if not flag(container, "ready") and not _finished(container):
        return 0.95
    return 0.85 if ended_lately(cluster, container) else 0.35


def _finished(container: JsonObject) -> bool:
    """An init container that did its work."""
    return text(container, "state") == "terminated" and number(container, "exit_code") == 0


def _last_words(container: JsonObject) -> str:
    return " ".join(text(container, key) or "" for key in ("reason", "message", "last_reason", "last_message"))


def _killed_hard(cluster: Cluster, pod: Thing, container: JsonObject) -> bool:
    """Ended by SIGKILL again and again, and not by a probe; or a heap that was full, told by its own log."""
    restarted = (number(container, "restarts") or 0) >= 1 and ended_lately(cluster, container)
    if flag(container, "ready") or not restarted:
        return False
    probed = any(e.said("message").startswith("Liveness") for e in cluster.events_of("Pod", pod.name, "Unhealthy"))
    full = next(cluster.lines(_HEAP, service=pod.app), None)
    return full is not None or (number(container, "last_exit_code") == 137 and not probed)


def _tightest(pod: Thing) -> JsonObject:
    limited = [c for c in plain_containers(pod) if mapping(c, "limits").get("memory")]
    return limited[0] if limited else plain_containers(pod)[0]


def _oom(pod: Thing, container: JsonObject, confidence: float, evidence: tuple[str, ...]) -> Match:
    limit = mapping(container, "limits").get("memory") or "not set"
    return Match(
        pod.component, "oom_killed", confidence, _K.OOM_KILLED,
        f"a container of {pod.name} is killed for memory; its limit is {limit}",
        "The container stays up with the limit it has.", evidence,
        {"object": pod.app, "pod": pod.name, "container": text(container, "name"), "limit": limit,
         "namespace": pod.item.namespace, "service": pod.app, "count": pod.count("restarts")},
    )  # fmt: skip


def port_taken_in_pod(cluster: Cluster) -> Iterator[Match]:
    """Two containers of a pod want one port, or one of them says that its port is taken."""
    for pod in cluster.pods:
        containers = plain_containers(pod)
        clash = _clash(containers)
        line = next((n for n in cluster.lines(_TAKEN, service=pod.app) if not _NOT_TAKEN.search(n.line)), None)
        own = [c for c in containers if text(c, "name") not in _PROXIES]
        failing = any(_keeps_failing(c) and _ends_at_once(c) for c in containers)
        if pod_is_ready(pod) or len(containers) < 2 or not (clash or line or (failing and len(own) > 1)):
            continue
        confidence = _sure_of_clash(clash is not None, line is not None, failing)
        port = f"port {clash}" if clash else "the same port"
        known = " and ".join(text(c, "name") or "" for c in containers[:3])
        yield Match(
            pod.component, "service_sidecar_port_conflict", confidence, _K.CRASH_LOOPING,
            f"containers {known} of {pod.name} share one network and both want {port}",
            "Each container of the pod listens on a port of its own.",
            (pod.evidence, *((line.evidence,) if line else ())),
            {"object": pod.app, "pod": pod.name, "port": clash, "namespace": pod.item.namespace, "service": pod.app},
        )  # fmt: skip


def _sure_of_clash(clash: bool, line: bool, failing: bool) -> float:
    if line:
        return 0.95 if clash else 0.85
    if clash:
        return 0.85 if failing else 0.5
    return 0.4


def _clash(containers: list[JsonObject]) -> int | None:
    """A port that two containers declare or are told to use, or that the mesh's proxy keeps for itself."""
    seen: dict[int, str] = {}
    has_proxy = any(text(c, "name") == "istio-proxy" for c in containers)
    for container in containers:
        name = text(container, "name") or ""
        for port in wanted_ports(container):
            if port in seen and seen[port] != name:
                return port
            if has_proxy and name != "istio-proxy" and port in _ISTIO_PORTS:
                return port
            seen[port] = name
    return None


SIGNATURES = (secret_missing, volume_not_permitted, killed_for_memory, port_taken_in_pod)
