"""References of workloads that lead nowhere: config, secrets, accounts, claims, and addresses in the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from connectors.kubernetes.identity import reference, service_of, workload_of
from connectors.kubernetes.podspec import containers_of
from connectors.kubernetes.reading import compact, flag, mapping, name_of, namespace_of, number, objects, text
from connectors.model import Item, JsonObject

# host:port as services are addressed inside a cluster: a bare name, or name.namespace with an optional .svc suffix.
_ADDRESS = re.compile(
    r"^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@\s]*@)?"
    r"(?P<host>[a-z]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+(\.svc(\.cluster\.local)?)?)?\.?)"
    r":(?P<port>\d{1,5})(?:/.*)?$"
)
_LOCAL = frozenset({"localhost", "host.docker.internal", "metadata.google.internal"})

Keys = Mapping[str, Set[str] | None]
"""Names that exist, each with its keys; None for keys that are not known."""


class Existing(NamedTuple):
    """What a namespace has. None instead of a map: it could not be read, so nothing is called missing."""

    config_maps: Keys | None = None
    secrets: Keys | None = None
    service_accounts: Set[str] | None = None
    claims: Set[str] | None = None
    services: Mapping[str, Set[int]] | None = None


class Reference(NamedTuple):
    """One mention of another object in a pod spec."""

    kind: str
    name: str
    key: str | None = None
    where: str = ""
    optional: bool = False


def existing_in(
    namespace: str,
    *,
    config_maps: Iterable[JsonObject] | None = None,
    secret_keys: Keys | None = None,
    service_accounts: Iterable[JsonObject] | None = None,
    claims: Iterable[JsonObject] | None = None,
    services: Iterable[JsonObject] | None = None,
) -> Existing:
    """What a namespace has, from listed objects (None: not readable). Secrets come as names and key names only."""

    def here(found: Iterable[JsonObject]) -> list[JsonObject]:
        return [entry for entry in found if namespace_of(entry) == namespace]

    def names(found: Iterable[JsonObject] | None) -> Set[str] | None:
        return None if found is None else {name_of(entry) for entry in here(found)}

    return Existing(
        config_maps=None if config_maps is None else {name_of(m): _map_keys(m) for m in here(config_maps)},
        secrets=secret_keys,
        service_accounts=names(service_accounts),
        claims=names(claims),
        services=None if services is None else {name_of(s): _ports(s) for s in here(services)},
    )


def _map_keys(config_map: JsonObject) -> Set[str] | None:
    # A metadata-only listing carries no data at all: its keys are then not known.
    if "data" not in config_map and "binaryData" not in config_map and text(config_map, "kind") != "ConfigMap":
        return None
    return {*mapping(config_map, "data"), *mapping(config_map, "binaryData")}


def _ports(service: JsonObject) -> Set[int]:
    if text(service, "spec", "type") == "ExternalName":
        return set()
    return {port for entry in objects(service, "spec", "ports") if (port := number(entry, "port"))}


def pod_spec_of(workload: JsonObject) -> JsonObject:
    """The pod spec inside any workload, or the pod's own."""
    for path in (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec")):
        if found := mapping(workload, *path):
            return found
    return mapping(workload, "spec")


def references_of(spec: JsonObject) -> Iterator[Reference]:
    """Every mention of a ConfigMap, Secret, ServiceAccount or claim in a pod spec."""
    if account := text(spec, "serviceAccountName"):
        yield Reference("ServiceAccount", account, where="serviceAccountName")
    for entry in objects(spec, "imagePullSecrets"):
        yield Reference("Secret", text(entry, "name") or "", where="imagePullSecrets")
    for volume in objects(spec, "volumes"):
        yield from _volume_references(volume)
    for container, _ in containers_of(spec):
        yield from _env_references(container)


def _volume_references(volume: JsonObject) -> Iterator[Reference]:
    where = f"volume {text(volume, 'name')}"
    if claim := text(volume, "persistentVolumeClaim", "claimName"):
        yield Reference("PersistentVolumeClaim", claim, where=where)
    sources = [volume, *objects(volume, "projected", "sources")]
    for source in sources:
        for field, kind, name_key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
            body = mapping(source, field)
            name = text(body, name_key) or text(body, "name")
            if not name:
                continue
            optional = flag(body, "optional") or False
            keys = [text(entry, "key") for entry in objects(body, "items")] or [None]
            for key in keys:
                yield Reference(kind, name, key=key, where=where, optional=optional)


def _env_references(container: JsonObject) -> Iterator[Reference]:
    inside = text(container, "name") or ""
    for entry in objects(container, "envFrom"):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            body = mapping(entry, field)
            if name := text(body, "name"):
                yield Reference(kind, name, where=f"{inside} envFrom", optional=flag(body, "optional") or False)
    for entry in objects(container, "env"):
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            body = mapping(entry, "valueFrom", field)
            if name := text(body, "name"):
                where = f"{inside} env {text(entry, 'name')}"
                optional = flag(body, "optional") or False
                yield Reference(kind, name, key=text(body, "key"), where=where, optional=optional)


def reference_items(workload: JsonObject, existing: Existing) -> list[Item]:
    """The references of one workload (or bare pod) that do not resolve, as ConfigReference items."""
    spec = pod_spec_of(workload)
    found = [_broken(workload, ref, reason) for ref in references_of(spec) if (reason := why_missing(ref, existing))]
    return _distinct(found + list(_broken_addresses(workload, spec, existing)))


def why_missing(ref: Reference, existing: Existing) -> str | None:
    """`object` or `key` when the reference leads nowhere; None when it resolves, is optional or cannot be known."""
    if ref.optional:
        return None
    if ref.kind == "ServiceAccount":
        known: Set[str] | None = existing.service_accounts
    elif ref.kind == "PersistentVolumeClaim":
        known = existing.claims
    else:
        keyed = existing.config_maps if ref.kind == "ConfigMap" else existing.secrets
        if keyed is None:
            return None
        keys = keyed.get(ref.name)
        if ref.name in keyed:
            return "key" if ref.key and keys is not None and ref.key not in keys else None
        return "object"
    return None if known is None or ref.name in known else "object"


def _broken(workload: JsonObject, ref: Reference, missing: str) -> Item:
    return _item(workload, kind=ref.kind, ref=ref.name, key=ref.key, where=ref.where, missing=missing)


def _item(
    workload: JsonObject,
    *,
    kind: str,
    ref: str,
    key: str | None,
    where: str,
    missing: str,
) -> Item:
    fields: JsonObject = compact(
        {
            "owner": reference(workload_of(workload)),
            "service": service_of(workload),
            "kind": kind,
            "ref": ref,
            "key": key,
            "where": where,
            "missing": True,
            "missing_part": missing,
        }
    )
    name = f"{workload_of(workload)[1]}:{kind}/{ref}" + (f"[{key}]" if key else "")
    return Item(api_kind="ConfigReference", name=name, namespace=namespace_of(workload), fields=fields)


def _distinct(items: list[Item]) -> list[Item]:
    return list({(entry.name, str(entry.fields.get("where"))): entry for entry in items}.values())


def _broken_addresses(workload: JsonObject, spec: JsonObject, existing: Existing) -> Iterator[Item]:
    """Environment variables that hold the address of a Service that is not there, or a port it does not have."""
    if existing.services is None:
        return
    for container, _ in containers_of(spec):
        for entry in objects(container, "env"):
            found = _ADDRESS.match(text(entry, "value") or "")
            if not found:
                continue
            missing = _why_unreachable(found["host"], int(found["port"]), workload, existing.services)
            if missing:
                where = f"{text(container, 'name')} env {text(entry, 'name')}"
                ref = f"{found['host']}:{found['port']}"
                yield _item(workload, kind="ServiceAddress", ref=ref, key=None, where=where, missing=missing)


def _why_unreachable(host: str, port: int, workload: JsonObject, services: Mapping[str, Set[int]]) -> str | None:
    name, _, rest = host.rstrip(".").partition(".")
    namespace = rest.partition(".")[0]
    if host in _LOCAL or (namespace and namespace != namespace_of(workload)):
        return None
    if name not in services:
        return "object"
    ports = services[name]
    return "port" if ports and port not in ports else None
