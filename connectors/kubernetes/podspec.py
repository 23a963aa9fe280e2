"""The parts of a pod's spec that decide whether it starts, stays up and is reached, as plain typed fields."""

from __future__ import annotations

import re

from pydantic import JsonValue

from connectors.kubernetes.reading import (
    at,
    compact,
    flag,
    labels_of,
    listed,
    mapping,
    number,
    objects,
    text,
    texts,
)
from connectors.model import JsonObject

_SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase)?|pwd|secret|token|api_?key|private_?key|access_?key|credential|dsn|auth)", re.IGNORECASE
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_MOST_TEXT = 512


def spec_fields(spec: JsonObject) -> JsonObject:
    """Placement, identity, DNS and volumes of a pod spec."""
    return compact(
        {
            "service_account": text(spec, "serviceAccountName") or text(spec, "serviceAccount"),
            "pull_secrets": listed(text(entry, "name") for entry in objects(spec, "imagePullSecrets")),
            "node_selector": dict(labels_of(spec, "nodeSelector")),
            "affinity": _affinity(mapping(spec, "affinity")),
            "tolerations": listed(_toleration(entry) for entry in objects(spec, "tolerations")),
            "topology_spread": listed(
                compact(
                    {
                        "key": text(entry, "topologyKey"),
                        "max_skew": number(entry, "maxSkew"),
                        "when_unsatisfiable": text(entry, "whenUnsatisfiable"),
                    }
                )
                for entry in objects(spec, "topologySpreadConstraints")
            ),
            "dns_policy": text(spec, "dnsPolicy"),
            "dns_config": _dns(mapping(spec, "dnsConfig")),
            "host_network": flag(spec, "hostNetwork"),
            "host_aliases": listed(objects(spec, "hostAliases")),
            "restart_policy": text(spec, "restartPolicy"),
            "priority_class": text(spec, "priorityClassName"),
            "scheduler": text(spec, "schedulerName"),
            "termination_grace_s": number(spec, "terminationGracePeriodSeconds"),
            "security": security_fields(mapping(spec, "securityContext")),
            "volumes": listed(_volume(entry) for entry in objects(spec, "volumes")),
        }
    )


def containers_of(spec: JsonObject) -> list[tuple[JsonObject, bool]]:
    """Every container of a spec, with whether it is an init container; init containers come last."""
    plain = [(entry, False) for entry in objects(spec, "containers")]
    return plain + [(entry, True) for entry in objects(spec, "initContainers")]


def container_fields(container: JsonObject, *, init: bool = False) -> JsonObject:
    """What a container is told to be; its state is not in the spec."""
    probes: JsonObject = {
        kind: _probe(mapping(container, f"{kind}Probe"), container)
        for kind in ("liveness", "readiness", "startup")
        if mapping(container, f"{kind}Probe")
    }
    return compact(
        {
            "name": text(container, "name"),
            "init": init or None,
            "image": text(container, "image"),
            "image_pull_policy": text(container, "imagePullPolicy"),
            "command": _cut_all(texts(container, "command")),
            "args": _cut_all(texts(container, "args")),
            "requests": mapping(container, "resources", "requests"),
            "limits": mapping(container, "resources", "limits"),
            "probes": probes,
            "ports": listed(_port(entry) for entry in objects(container, "ports")),
            "env": listed(env_fields(entry) for entry in objects(container, "env")),
            "env_from": listed(_env_from(entry) for entry in objects(container, "envFrom")),
            "mounts": listed(_mount(entry) for entry in objects(container, "volumeMounts")),
            "security": security_fields(mapping(container, "securityContext")),
            "lifecycle": listed(sorted(mapping(container, "lifecycle"))),
        }
    )


def env_fields(entry: JsonObject) -> JsonObject:
    """One environment variable: its value, or where it comes from. Values under secret-looking names are masked."""
    name = text(entry, "name") or ""
    source = mapping(entry, "valueFrom")
    for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if found := mapping(source, key):
            return compact(
                {
                    "name": name,
                    "from": kind,
                    "ref": text(found, "name"),
                    "key": text(found, "key"),
                    "optional": flag(found, "optional"),
                }
            )
    if field := text(source, "fieldRef", "fieldPath") or text(source, "resourceFieldRef", "resource"):
        return {"name": name, "from": "field", "ref": field}
    value, masked = shown_value(name, text(entry, "value") or "")
    return compact({"name": name, "value": value, "masked": masked or None})


def shown_value(name: str, value: str) -> tuple[str, bool]:
    """A value fit to show, and whether something was hidden: secret-looking names and passwords inside URLs."""
    if _SECRET_NAME.search(name) and value and value.lower() not in ("true", "false"):
        return "", True
    shown = _USERINFO.sub("", value)
    return shown[:_MOST_TEXT], shown != value


def security_fields(context: JsonObject) -> JsonObject:
    return compact(
        {
            "run_as_user": number(context, "runAsUser"),
            "run_as_group": number(context, "runAsGroup"),
            "run_as_non_root": flag(context, "runAsNonRoot"),
            "fs_group": number(context, "fsGroup"),
            "supplemental_groups": at(context, "supplementalGroups"),
            "read_only_root": flag(context, "readOnlyRootFilesystem"),
            "privileged": flag(context, "privileged"),
            "allow_privilege_escalation": flag(context, "allowPrivilegeEscalation"),
            "add": listed(texts(context, "capabilities", "add")),
            "drop": listed(texts(context, "capabilities", "drop")),
            "seccomp": text(context, "seccompProfile", "type"),
        }
    )


def _probe(probe: JsonObject, container: JsonObject) -> JsonObject:
    kind = next((name for name in ("httpGet", "tcpSocket", "grpc", "exec") if mapping(probe, name)), None)
    action = mapping(probe, kind) if kind else {}
    port = at(action, "port")
    return compact(
        {
            "kind": {"httpGet": "http", "tcpSocket": "tcp"}.get(kind or "", kind),
            "port": port,
            "port_number": port_number(port, container),
            "path": text(action, "path"),
            "scheme": text(action, "scheme"),
            "service": text(action, "service"),
            "command": _cut_all(texts(action, "command")),
            "initial_delay_s": number(probe, "initialDelaySeconds"),
            "timeout_s": number(probe, "timeoutSeconds"),
            "period_s": number(probe, "periodSeconds"),
            "failure_threshold": number(probe, "failureThreshold"),
            "success_threshold": number(probe, "successThreshold"),
        }
    )


def port_number(port: JsonValue, container: JsonObject) -> int | None:
    """The number behind a port given by number or by name; None when the container has no port of that name."""
    if isinstance(port, int) and not isinstance(port, bool):
        return port
    if not isinstance(port, str):
        return None
    if port.isdigit():
        return int(port)
    named = (entry for entry in objects(container, "ports") if text(entry, "name") == port)
    return next((number(entry, "containerPort") for entry in named), None)


def _port(entry: JsonObject) -> JsonObject:
    return compact(
        {
            "name": text(entry, "name"),
            "port": number(entry, "containerPort"),
            "protocol": text(entry, "protocol") or "TCP",
            "host_port": number(entry, "hostPort"),
        }
    )


def _env_from(entry: JsonObject) -> JsonObject:
    kind = "Secret" if mapping(entry, "secretRef") else "ConfigMap"
    found = mapping(entry, "secretRef") or mapping(entry, "configMapRef")
    return compact(
        {
            "from": kind,
            "ref": text(found, "name"),
            "prefix": text(entry, "prefix"),
            "optional": flag(found, "optional"),
        }
    )


def _mount(entry: JsonObject) -> JsonObject:
    return compact(
        {
            "volume": text(entry, "name"),
            "path": text(entry, "mountPath"),
            "read_only": flag(entry, "readOnly"),
            "sub_path": text(entry, "subPath"),
        }
    )


_VOLUME_REFS = {
    "configMap": ("ConfigMap", "name"),
    "secret": ("Secret", "secretName"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    "hostPath": ("hostPath", "path"),
    "nfs": ("nfs", "server"),
    "csi": ("csi", "driver"),
}


def _volume(entry: JsonObject) -> JsonObject:
    source = next((key for key in entry if key != "name"), "emptyDir")
    body = mapping(entry, source)
    kind, ref_key = _VOLUME_REFS.get(source, (source, "name"))
    return compact(
        {
            "name": text(entry, "name"),
            "kind": kind,
            "ref": text(body, ref_key),
            "keys": listed(text(item, "key") for item in objects(body, "items")),
            "optional": flag(body, "optional"),
            "read_only": flag(body, "readOnly"),
            "default_mode": number(body, "defaultMode"),
            "sources": listed(_projected(part) for part in objects(body, "sources")),
        }
    )


def _projected(part: JsonObject) -> JsonObject:
    kind = next(iter(part), "")
    body = mapping(part, kind)
    label = {"configMap": "ConfigMap", "secret": "Secret"}.get(kind, kind)
    return compact({"kind": label, "ref": text(body, "name"), "optional": flag(body, "optional")})


def _toleration(entry: JsonObject) -> JsonObject:
    return compact(
        {
            "key": text(entry, "key"),
            "operator": text(entry, "operator") or "Equal",
            "value": text(entry, "value"),
            "effect": text(entry, "effect"),
            "seconds": number(entry, "tolerationSeconds"),
        }
    )


def _dns(config: JsonObject) -> JsonObject:
    options = (compact({"name": text(o, "name"), "value": text(o, "value")}) for o in objects(config, "options"))
    return compact(
        {
            "nameservers": listed(texts(config, "nameservers")),
            "searches": listed(texts(config, "searches")),
            "options": listed(options),
        }
    )


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _affinity(affinity: JsonObject) -> JsonObject:
    """Only what is required can keep a pod from being placed; what is preferred is counted."""
    terms = objects(affinity, "nodeAffinity", _REQUIRED, "nodeSelectorTerms")
    preferred = sum(
        len(objects(affinity, kind, _PREFERRED)) for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity")
    )
    return compact(
        {
            "node_required": listed(
                listed(objects(term, "matchExpressions") + objects(term, "matchFields")) for term in terms
            ),
            "pod_required": listed(_pod_term(term) for term in objects(affinity, "podAffinity", _REQUIRED)),
            "pod_anti_required": listed(_pod_term(term) for term in objects(affinity, "podAntiAffinity", _REQUIRED)),
            "preferred": preferred or None,
        }
    )


def _pod_term(term: JsonObject) -> JsonObject:
    return compact(
        {
            "labels": dict(labels_of(term, "labelSelector", "matchLabels")),
            "expressions": listed(objects(term, "labelSelector", "matchExpressions")),
            "topology_key": text(term, "topologyKey"),
            "namespaces": listed(texts(term, "namespaces")),
        }
    )


_FLAG = re.compile(r"^(--?[\w.-]*(?:pass(?:word|wd)?|secret|token|api-?key|credential)[\w.-]*)(=.*)?$", re.I | re.S)


def _cut_all(values: list[str]) -> list[JsonValue]:
    """Words of a command line, without the values of secret-looking flags and passwords in addresses."""
    found: list[JsonValue] = []
    hide_next = False
    for value in values[:40]:
        flag_ = _FLAG.match(value)
        if hide_next and not value.startswith("-"):
            found.append("[masked]")
        elif flag_ and flag_[2]:
            found.append(f"{flag_[1]}=[masked]")
        else:
            found.append(shown_value("", value)[0])
        hide_next = bool(flag_ and not flag_[2])
    return found
