"""Reading other people's JSON without trusting its shape. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from pydantic import JsonValue

from connectors.errors import Malformed
from connectors.model import JsonObject


def mapping(value: JsonValue, *path: str) -> JsonObject:
    """The map at a path, or an empty one."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listed(value: JsonValue) -> list[JsonObject]:
    """The maps of a list; an empty list for anything else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def need_mapping(value: JsonValue, name: str, *keys: str) -> JsonObject:
    """A map that has at least one of the keys, or Malformed."""
    if not isinstance(value, dict) or (keys and not any(key in value for key in keys)):
        raise Malformed(f"{name} answered JSON of an unexpected shape.")
    return value


def need_list(value: JsonValue, name: str) -> list[JsonObject]:
    """A list of maps, or Malformed."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Malformed(f"{name} answered a list of an unexpected shape.")
    return listed(value)


def text(value: JsonValue, *path: str) -> str | None:
    """The text at a path; numbers as text, nothing for maps, lists, null and the empty text."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, dict | list | bool) or value == "":
        return None
    return str(value)


def number(value: JsonValue) -> float | None:
    """A finite number, also one that was sent as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def whole(value: JsonValue) -> int:
    """A count; zero when there is none."""
    found = number(value)
    return max(0, round(found)) if found is not None else 0


def moment(value: JsonValue, *, unit_s: float = 1.0) -> datetime | None:
    """A date in UTC: ISO 8601 text, or a number of units (one second unless told) since 1970."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value * unit_s, UTC)
        found = datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError, OSError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def iso(at: datetime | None) -> str | None:
    """RFC 3339 text with milliseconds."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def web(url: JsonValue) -> str | None:
    """The address if it is one a person can open."""
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else None
