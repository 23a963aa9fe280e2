"""Claims, volumes and storage classes as typed items, with why no volume fits a pending claim. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from connectors.kubernetes.objects import conditions_of, item
from connectors.kubernetes.reading import (
    compact,
    flag,
    label_selects,
    labels_of,
    listed,
    mapping,
    name_of,
    namespace_of,
    objects,
    quantity,
    stamp_text,
    text,
    texts,
)
from connectors.model import Item, JsonObject

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def storage_items(
    claims: Sequence[JsonObject],
    volumes: Sequence[JsonObject],
    classes: Sequence[JsonObject],
    pods: Iterable[JsonObject] = (),
) -> list[Item]:
    """Claims first (pending ones before bound ones), then volumes, then classes."""
    users = _users(pods)
    waiting_first = sorted(claims, key=lambda claim: text(claim, "status", "phase") == "Bound")
    found = [
        claim_item(claim, volumes, users.get((namespace_of(claim), name_of(claim)), ())) for claim in waiting_first
    ]
    return found + [volume_item(volume) for volume in volumes] + [class_item(entry) for entry in classes]


def _users(pods: Iterable[JsonObject]) -> dict[tuple[str | None, str], list[str]]:
    users: dict[tuple[str | None, str], list[str]] = {}
    for pod in pods:
        for volume in objects(pod, "spec", "volumes"):
            if claim := text(volume, "persistentVolumeClaim", "claimName"):
                users.setdefault((namespace_of(pod), claim), []).append(name_of(pod))
    return users


def claim_item(obj: JsonObject, volumes: Sequence[JsonObject] = (), used_by: Sequence[str] = ()) -> Item:
    """A claim; while it is not bound, `candidates` tells for each volume what does not fit."""
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    pending = text(status, "phase") != "Bound"
    fields: JsonObject = {
        "phase": text(status, "phase"),
        "requested": text(spec, "resources", "requests", "storage"),
        "requested_bytes": quantity(mapping(spec, "resources", "requests").get("storage")),
        "capacity": text(status, "capacity", "storage"),
        "access_modes": listed(texts(spec, "accessModes")),
        "storage_class": text(spec, "storageClassName"),
        "volume_mode": text(spec, "volumeMode"),
        "volume": text(spec, "volumeName"),
        "selector": mapping(spec, "selector"),
        "conditions": listed(conditions_of(obj)),
        "used_by": listed(used_by),
        "candidates": listed(_candidate(obj, volume) for volume in volumes) if pending else None,
        "created_at": stamp_text(text(obj, "metadata", "creationTimestamp")),
    }
    kept = item(obj, fields, kind="PersistentVolumeClaim")
    return kept.model_copy(update={"fields": kept.fields | {"storage_class": fields["storage_class"]}})


def _candidate(claim: JsonObject, volume: JsonObject) -> JsonValue:
    return {"volume": name_of(volume), "mismatches": listed(mismatches(claim, volume))}


def mismatches(claim: JsonObject, volume: JsonObject) -> list[str]:
    """Why a volume cannot be bound to a claim: capacity, access_modes, storage_class, selector, mode, name, occupied.

    The rules are those of the volume binder: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
    """
    wants, has = mapping(claim, "spec"), mapping(volume, "spec")
    asked = quantity(mapping(wants, "resources", "requests").get("storage")) or 0.0
    room = quantity(mapping(has, "capacity").get("storage")) or 0.0
    selector, named = mapping(wants, "selector"), text(wants, "volumeName")
    wrong = {
        "capacity": asked > room,
        "access_modes": not set(texts(wants, "accessModes")) <= set(texts(has, "accessModes")),
        "storage_class": (text(wants, "storageClassName") or "") != (text(has, "storageClassName") or ""),
        "selector": bool(selector) and not label_selects(selector, labels_of(volume, "metadata", "labels")),
        "volume_mode": (text(wants, "volumeMode") or "Filesystem") != (text(has, "volumeMode") or "Filesystem"),
        "name": bool(named) and named != name_of(volume),
        "occupied": _occupied(claim, volume),
    }
    return [reason for reason, is_wrong in wrong.items() if is_wrong]


def _occupied(claim: JsonObject, volume: JsonObject) -> bool:
    holder = mapping(volume, "spec", "claimRef")
    if not holder:
        return text(volume, "status", "phase") in ("Released", "Failed")
    return (text(holder, "namespace"), text(holder, "name")) != (namespace_of(claim), name_of(claim))


_NOT_A_SOURCE = frozenset(
    {
        "capacity",
        "accessModes",
        "persistentVolumeReclaimPolicy",
        "volumeMode",
        "storageClassName",
        "claimRef",
        "nodeAffinity",
        "mountOptions",
        "volumeAttributesClassName",
    }
)


def volume_item(obj: JsonObject) -> Item:
    spec = mapping(obj, "spec")
    holder = mapping(spec, "claimRef")
    fields: JsonObject = {
        "phase": text(obj, "status", "phase"),
        "reason": text(obj, "status", "reason"),
        "message": text(obj, "status", "message"),
        "capacity": text(spec, "capacity", "storage"),
        "access_modes": listed(texts(spec, "accessModes")),
        "storage_class": text(spec, "storageClassName"),
        "claim": f"{text(holder, 'namespace')}/{text(holder, 'name')}" if holder else None,
        "reclaim_policy": text(spec, "persistentVolumeReclaimPolicy"),
        "volume_mode": text(spec, "volumeMode"),
        "source": next((key for key in spec if key not in _NOT_A_SOURCE), None),
        "labels": dict(labels_of(obj, "metadata", "labels")),
        "node_terms": listed(objects(spec, "nodeAffinity", "required", "nodeSelectorTerms")),
    }
    kept = item(obj, fields, kind="PersistentVolume")
    return kept.model_copy(update={"fields": kept.fields | {"storage_class": fields["storage_class"]}})


def class_item(obj: JsonObject) -> Item:
    fields: JsonObject = compact(
        {
            "provisioner": text(obj, "provisioner"),
            "binding_mode": text(obj, "volumeBindingMode"),
            "reclaim_policy": text(obj, "reclaimPolicy"),
            "expandable": flag(obj, "allowVolumeExpansion"),
            "default": labels_of(obj, "metadata", "annotations").get(_DEFAULT_CLASS) == "true",
        }
    )
    return item(obj, fields, kind="StorageClass")
