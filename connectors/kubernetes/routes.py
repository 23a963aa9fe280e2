"""Routes that a gateway keeps in a ConfigMap: where each leads, and what its name or path says it is for. Pure.

Reads Spring Cloud Gateway YAML (`routes: [{id, uri, predicates}]`) and the `location … proxy_pass` of nginx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from connectors.kubernetes.reading import compact
from connectors.model import JsonObject

_MOST_CHARS, _MOST_ROUTES = 200_000, 500
_URI = re.compile(r"^[a-z][a-z0-9+.-]*://(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?")
_LOCATION = re.compile(r"location\s+(?:[=~^*]+\s*)?(?P<path>\S+)\s*\{[^{}]*?proxy_pass\s+(?P<uri>[^;\s]+)\s*;", re.S)
_UPSTREAM = re.compile(r"upstream\s+(?P<name>[\w.-]+)\s*\{[^{}]*?\bserver\s+(?P<server>[\w.-]+(?::\d+)?)")
_PATH = re.compile(r"^Path=(?P<path>[^,]+)")


def routes_of(text: str) -> list[JsonObject]:
    """Routes as {id, path, host, port}; empty for text that holds none or cannot be read."""
    text = text[:_MOST_CHARS]
    found: list[JsonObject] = []
    if "proxy_pass" in text:
        groups = {m["name"]: m["server"] for m in _UPSTREAM.finditer(text)}
        found += [_route(None, m["path"], _resolved(m["uri"], groups)) for m in _LOCATION.finditer(text)]
    if "routes" in text and "uri" in text:
        found += _spring(text)
    return [route for route in found if route.get("host")][:_MOST_ROUTES]


def _resolved(uri: str, groups: dict[str, str]) -> str:
    """The address behind a `proxy_pass` that names an `upstream` group of the same file."""
    scheme, _, rest = uri.partition("://")
    name, slash, path = rest.partition("/")
    return f"{scheme}://{groups.get(name, name)}{slash}{path}"


def _spring(text: str) -> list[JsonObject]:
    try:
        documents = list(yaml.load_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        return []
    return [_from_yaml(entry) for document in documents for entry in _entries(document)]


def _entries(value: object, depth: int = 0) -> Iterator[dict[object, object]]:
    """Maps under a key `routes`, at any depth that a configuration has."""
    if depth > 8:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if str(key).endswith("routes") and isinstance(inner, list):
                yield from (entry for entry in inner if isinstance(entry, dict))
            else:
                yield from _entries(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner, depth + 1)


def _from_yaml(entry: dict[object, object]) -> JsonObject:
    predicates = entry.get("predicates")
    paths = [_PATH.match(str(p)) for p in predicates] if isinstance(predicates, list) else []
    path = next((p["path"] for p in paths if p), None)
    return _route(str(entry["id"]) if entry.get("id") else None, path, str(entry.get("uri") or ""))


def _route(name: str | None, path: str | None, uri: str) -> JsonObject:
    found = _URI.match(uri)
    port = int(found["port"]) if found and found["port"] else None
    return compact({"id": name, "path": path, "host": found["host"] if found else None, "port": port})
