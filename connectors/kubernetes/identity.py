"""Who an object belongs to: its service, its owner, the workload behind it."""

from __future__ import annotations

import re

from connectors.kubernetes.reading import flag, labels_of, name_of, objects, text
from connectors.model import JsonObject

# https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/ first, then what charts used before.
SERVICE_LABELS = ("app.kubernetes.io/name", "app", "k8s-app", "name")

_GENERATED = re.compile(r"^(?P<base>.+?)(?:-[a-f0-9]{6,10})?-[a-z0-9]{5}$")
_REPLICA_SET = re.compile(r"^(?P<base>.+)-[bcdfghjklmnpqrstvwxz0-9a-f]{6,10}$")
_CRON_RUN = re.compile(r"^(?P<base>.+)-\d{8,10}$")
_ORDINAL = re.compile(r"^(?P<base>.+)-\d+$")


def owner_of(obj: JsonObject) -> tuple[str, str] | None:
    """Kind and name of the controlling owner."""
    references = objects(obj, "metadata", "ownerReferences")
    for reference in sorted(references, key=lambda entry: not flag(entry, "controller")):
        kind, name = text(reference, "kind"), text(reference, "name")
        if kind and name:
            return kind, name
    return None


def workload_of(obj: JsonObject) -> tuple[str, str]:
    """Kind and name of the workload a person would name: a pod's Deployment rather than its ReplicaSet."""
    own = text(obj, "kind") or "", name_of(obj)
    owner = owner_of(obj)
    if owner is None:
        return own
    kind, name = owner
    if kind == "ReplicaSet":
        return "Deployment", _without_hash(name, labels_of(obj, "metadata", "labels").get("pod-template-hash"))
    if kind == "Job" and (run := _CRON_RUN.match(name)):
        return "CronJob", run["base"]
    return kind, name


def _without_hash(name: str, template_hash: str | None) -> str:
    if template_hash and name.endswith("-" + template_hash):
        return name[: -len(template_hash) - 1]
    found = _REPLICA_SET.match(name)
    return found["base"] if found else name


def service_of(obj: JsonObject) -> str:
    """The service an object belongs to, by its labels (its template's too), else its workload's name."""
    for path in (("metadata", "labels"), ("spec", "template", "metadata", "labels")):
        labels = labels_of(obj, *path)
        for label in SERVICE_LABELS:
            if labels.get(label):
                return labels[label]
    return workload_of(obj)[1]


def service_of_name(kind: str, name: str) -> str:
    """The best guess from a name alone, for an object that is gone: `web-6f89c99b76-jqhhw` was of `web`."""
    patterns = {"Pod": (_GENERATED, _ORDINAL), "ReplicaSet": (_REPLICA_SET,), "Job": (_CRON_RUN,)}
    for pattern in patterns.get(kind, ()):
        if found := pattern.match(name):
            return found["base"]
    return name


def reference(pair: tuple[str, str] | None) -> str | None:
    """`Kind/name`, the way owners are written in fields."""
    return f"{pair[0]}/{pair[1]}" if pair else None
