"""Careful reading of API objects: every field may be absent, null or of another shape than expected."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import JsonValue

from connectors.model import JsonObject

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIX = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}
_QUANTITY = re.compile(r"^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
_FRACTION = re.compile(r"\.(\d{6})\d+")


def at(obj: JsonValue, *path: str) -> JsonValue:
    """The value at a path, or None."""
    for part in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj


def text(obj: JsonValue, *path: str) -> str | None:
    value = at(obj, *path)
    return value if isinstance(value, str) else None


def number(obj: JsonValue, *path: str) -> int | None:
    value = at(obj, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(obj: JsonValue, *path: str) -> bool | None:
    value = at(obj, *path)
    return value if isinstance(value, bool) else None


def mapping(obj: JsonValue, *path: str) -> JsonObject:
    value = at(obj, *path)
    return value if isinstance(value, dict) else {}


def objects(obj: JsonValue, *path: str) -> list[JsonObject]:
    """The objects in a list; anything else in it is left out."""
    value = at(obj, *path)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def texts(obj: JsonValue, *path: str) -> list[str]:
    value = at(obj, *path)
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def labels_of(obj: JsonValue, *path: str) -> dict[str, str]:
    """A map of text to text, such as labels or a selector."""
    return {key: value for key, value in mapping(obj, *path).items() if isinstance(value, str)}


def name_of(obj: JsonObject) -> str:
    return text(obj, "metadata", "name") or ""


def namespace_of(obj: JsonObject) -> str | None:
    return text(obj, "metadata", "namespace")


def stamp(value: JsonValue) -> datetime | None:
    """An RFC 3339 time as aware UTC; fractions finer than a microsecond are cut. None when it is not one."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r".\1", value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def stamp_text(value: JsonValue | datetime) -> str | None:
    """The same time as text that sorts: `2026-01-10T08:48:10Z`."""
    moment = value if isinstance(value, datetime) else stamp(value)
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def quantity(value: JsonValue) -> float | None:
    """A Kubernetes quantity in base units (cores, bytes, counts): `250m` is 0.25, `1Gi` is 1073741824."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    found = _QUANTITY.match(value) if isinstance(value, str) else None
    if not found:
        return None
    try:
        return float(found[1]) * _SUFFIX[found[2] or ""]
    except ValueError:
        return None


def compact(fields: JsonObject) -> JsonObject:
    """The fields that say something: without None, empty text, empty lists and empty maps."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", [], {})}


def listed(values: Iterable[JsonValue]) -> list[JsonValue]:
    """A list typed as JSON holds it."""
    return list(values)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a plain map selector chooses these labels. An empty selector chooses nothing here."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def label_selects(selector: JsonObject, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels and matchExpressions) chooses these labels; an empty one chooses all."""
    plain = labels_of(selector, "matchLabels")
    if any(labels.get(key) != value for key, value in plain.items()):
        return False
    return all(_expression_holds(entry, labels) for entry in objects(selector, "matchExpressions"))


def _expression_holds(entry: JsonObject, labels: dict[str, str]) -> bool:
    key, values = text(entry, "key") or "", texts(entry, "values")
    match text(entry, "operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
