"""Where a container listens: what it declares, what it is told, where it is probed. Pure."""

from __future__ import annotations

import re

from connectors.kubernetes.reading import mapping, number, objects, text
from connectors.model import JsonObject

_PORT_NAMES = re.compile(r"^(?:(?:[A-Z0-9]+_)?(?:SERVER|HTTPS?|LISTEN|APP|WEB|BIND|GRPC|ADMIN)_)?PORT$")
_ELSEWHERE = re.compile(r"DB|SQL|REDIS|MONGO|KAFKA|RABBIT|MQ|_HOST|REMOTE|TARGET|UPSTREAM|SMTP|_SERVICE_PORT", re.I)
"""Variables that tell the port of another party; `X_SERVICE_PORT` is what Kubernetes itself tells of Services."""
_PORT_FLAG = re.compile(
    r"(?:-(?:D|-)?(?:[\w-]+[.-])*port[= ]|\s-[lp] ?|(?:listen|bind|addr|address)(?:-address)?[= ]\S*:|LISTEN:|"
    r"\blisten |\bhttp\.server |\b(?:nc|ncat|netcat)\s+(?:-\S+\s+)*(?:0\.0\.0\.0\s+)?)(\d{2,5})\b",
    re.I,
)


def wanted_ports(container: JsonObject) -> set[int]:
    """Ports a container declares, or is told to listen on by its variables or its command line."""
    found = {number(p, "port") or 0 for p in objects(container, "ports")}
    for entry in objects(container, "env"):
        value = text(entry, "value") or ""
        name = text(entry, "name") or ""
        if _PORT_NAMES.match(name) and value.isdigit() and not _ELSEWHERE.search(name):
            found.add(int(value))
    words = " ".join(str(w) for key in ("command", "args") for w in _words(container, key))
    found.update(int(m[1]) for m in _PORT_FLAG.finditer(words) if not _ELSEWHERE.search(m[0]))
    return found - {0}


def _words(container: JsonObject, key: str) -> list[object]:
    value = container.get(key)
    return list(value) if isinstance(value, list) else []


def probed_ports(container: JsonObject) -> set[int]:
    """Ports on which the kubelet asks a container whether it is well."""
    probes = mapping(container, "probes")
    return {number(probes, kind, "port_number") or 0 for kind in probes} - {0}
