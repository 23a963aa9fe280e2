"""A judged kubectl line or GET path as one of our own reads. Pure; nothing is ever executed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from connectors.errors import Rejected
from connectors.kubernetes.reader import RESOURCES

_ALIASES: dict[str, str] = {
    "po": "pods",
    "ev": "events",
    "svc": "services",
    "ep": "endpoints",
    "cm": "configmaps",
    "sa": "serviceaccounts",
    "pvc": "persistentvolumeclaims",
    "pv": "persistentvolumes",
    "quota": "resourcequotas",
    "limits": "limitranges",
    "no": "nodes",
    "ns": "namespaces",
    "deploy": "deployments",
    "rs": "replicasets",
    "sts": "statefulsets",
    "ds": "daemonsets",
    "cj": "cronjobs",
    "netpol": "networkpolicies",
    "sc": "storageclasses",
    "hpa": "horizontalpodautoscalers",
}
_ALL = ("pods", "services", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs")
_PATH = re.compile(
    r"^/(?:api/v1|apis/[a-z0-9.]+/v\d\w*)(?:/namespaces/(?P<ns>[^/]+))?/(?P<many>[a-z]+)(?:/(?P<name>[^/]+)(?P<log>/log)?)?$"
)


class Reading(NamedTuple):
    """What a line asks for: objects of kinds or, with `log`, the log of one pod."""

    plurals: tuple[str, ...]
    names: tuple[str, ...] = ()
    namespace: str = ""
    labels: str = ""
    fields: str = ""
    log: bool = False
    container: str = ""
    previous: bool = False
    tail: int = 500


def reading_of(line: str) -> Reading:
    """The read that a line which the guard allowed stands for; Rejected when we have no such read."""
    if line.startswith("GET "):
        return _from_path(line[4:])
    words = shlex.split(line)[1:]
    flags = dict(_flag(word) for word in words if word.startswith("--"))
    verb, *rest = [word for word in words if not word.startswith("--")]
    namespace = "" if "all-namespaces" in flags else flags.get("namespace", "")
    if verb in ("get", "describe"):
        if "raw" in flags:
            return _from_path(flags["raw"])
        plurals, names = _targets(rest)
        return Reading(plurals, names, namespace, flags.get("selector", ""), flags.get("field-selector", ""))
    if verb == "events":
        return Reading(("events",), (), namespace)
    if verb == "logs" and rest:
        tail = flags.get("tail", "500")
        return Reading(
            ("pods",),
            (rest[0].removeprefix("pod/").removeprefix("pods/"),),
            namespace,
            log=True,
            container=flags.get("container", rest[1] if len(rest) > 1 else ""),
            previous=flags.get("previous", "false") == "true",
            tail=min(5_000, max(1, int(tail))) if tail.isdigit() else 500,
        )
    raise Rejected(f"kubectl {verb} has no counterpart here. Use the tools of this source.")


def _flag(word: str) -> tuple[str, str]:
    name, has_value, value = word[2:].partition("=")
    return name, value if has_value else "true"


def _targets(rest: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if any("/" in word for word in rest):
        pairs = [word.split("/", 1) for word in rest]
        return tuple(dict.fromkeys(plural_of(kind) for kind, _ in pairs)), tuple(name for _, name in pairs)
    kinds = [plural for kind in rest[0].split(",") for plural in (_ALL if kind == "all" else (plural_of(kind),))]
    return tuple(dict.fromkeys(kinds)), tuple(rest[1:])


def plural_of(kind: str) -> str:
    """The plural under which we list a kind, from any of its usual names."""
    bare = kind.lower().split(".")[0]
    for name in (bare, _ALIASES.get(bare, ""), f"{bare}s", f"{bare}es", re.sub("y$", "ies", bare)):
        if name in RESOURCES:
            return name
    raise Rejected(f"Objects of kind {kind[:40]!r} are not read here.")


def _from_path(path: str) -> Reading:
    parts = urlsplit(path)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    found = _PATH.match(parts.path)
    if found is None:
        raise Rejected("This path has no counterpart here. Ask for a list, one object or a pod's log.")
    names = (found["name"],) if found["name"] else ()
    if found["log"]:
        tail = query.get("tailLines", "500")
        return Reading(
            ("pods",),
            names,
            found["ns"] or "",
            log=True,
            container=query.get("container", ""),
            previous=query.get("previous", "false") == "true",
            tail=min(5_000, max(1, int(tail))) if tail.isdigit() else 500,
        )
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    return Reading((plural_of(found["many"]),), names, found["ns"] or "", labels, fields)
