"""What a dry run would change, as lines a person can read: `path: before → after`. Pure; secrets masked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import JsonValue

from connectors.kubernetes.objects import RESTARTED_AT
from connectors.model import JsonObject
from connectors.redaction import redact_text

_OWN = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"})
_SECRET_NAME = re.compile(r"(?i)pass|secret|token|credential|api_?key|private")
_MOST_LINES, _LONGEST = 200, 300


def difference(before: JsonObject, after: JsonObject) -> str:
    """Line by line, in the order of the paths; status and what the server keeps for itself are left out."""
    lines = [_line(path, old, new) for path, old, new in _walk("", before, after)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more lines"]
    return "\n".join(lines) or "(nothing changes)"


def _line(path: str, old: JsonValue, new: JsonValue) -> str:
    if RESTARTED_AT in path:
        return f"{path}: the time of the change"  # so that two dry runs a minute apart are equal
    return f"{path}: {_shown(path, old)} → {_shown(path, new)}"


def _walk(path: str, before: JsonValue, after: JsonValue) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            if (path == "metadata" and key in _OWN) or (not path and key == "status"):
                continue
            yield from _walk(_join(path, key), before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and _is_named(before) and _is_named(after):
        old, new = ({str(e["name"]): e for e in side if isinstance(e, dict)} for side in (before, after))
        for name in dict.fromkeys([*old, *new]):
            yield from _walk(f"{path}[{name}]", old.get(name), new.get(name))
    elif isinstance(before, dict) and after is None:
        yield path, before, None
    elif isinstance(after, dict) and before is None and after:
        for key in sorted(after):
            yield from _walk(_join(path, key), None, after[key])
    else:
        yield path, before, after


def _join(path: str, key: str) -> str:
    key = f"[{key}]" if "." in key or "/" in key else key
    return f"{path}.{key}" if path and not key.startswith("[") else f"{path}{key}"


def _is_named(values: list[JsonValue]) -> bool:
    return all(isinstance(value, dict) and "name" in value for value in values)


def _shown(path: str, value: JsonValue) -> str:
    if value is None:
        return "none"
    name = re.search(r"env\[([^\]]+)\]", path)
    if name and _SECRET_NAME.search(name.group(1)):
        return "(hidden)"
    text = " ".join(redact_text(str(value)).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
