"""Answers as evidence, by the paths of the configuration. Pure."""

from __future__ import annotations

import json
import re

from pydantic import JsonValue

from connectors._json import moment, text, web
from connectors.errors import Malformed, NotFound
from connectors.http_tools.config import Shape
from connectors.model import Change, ChangeKind, Changes, Column, Item, JsonObject, Objects, Payload, Rows, Text

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_KINDS: tuple[ChangeKind, ...] = ("deployment", "config", "scale", "flag", "restart", "other")


def at_path(value: JsonValue, path: str) -> JsonValue:
    """The value at a path such as `data.items[0].name`; None when it is not there."""
    for name, index in _STEP.findall(path):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def shaped(document: JsonValue, shape: Shape, *, name: str) -> Payload:
    """The document as the configured kind of evidence."""
    found = at_path(document, shape.items)
    if found is None and shape.items:
        if isinstance(document, dict | list) and document:
            raise NotFound(f"{name}: the answer has nothing at {shape.items!r}. Correct the tool's `items`.")
        raise Malformed(f"{name} answered an empty document.")
    if shape.kind == "text":
        return Text(text=found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, indent=1))
    entries = found if isinstance(found, list) else [found]
    if isinstance(found, str | int | float | None) or not (isinstance(found, list) or found):
        raise Malformed(f"{name} answered something that is no list of things.")
    maps: list[JsonObject] = [entry if isinstance(entry, dict) else {"value": entry} for entry in entries]
    if shape.kind == "rows":
        return _rows(maps, shape)
    if shape.kind == "objects":
        return Objects(items=tuple(_item(entry, shape) for entry in maps))
    return Changes(items=tuple(change for entry in maps if (change := _change(entry, shape)) is not None))


def _rows(maps: list[JsonObject], shape: Shape) -> Rows:
    names = list(shape.fields) or list(dict.fromkeys(key for entry in maps for key in entry))
    paths = [(name, shape.fields.get(name)) for name in names]
    rows = tuple(tuple(at_path(entry, path) if path else entry.get(name) for name, path in paths) for entry in maps)
    return Rows(columns=tuple(Column(name=name) for name in names), rows=rows)


def _item(entry: JsonObject, shape: Shape) -> Item:
    fields: JsonObject = {name: at_path(entry, path) for name, path in shape.fields.items()} or dict(entry)
    name = at_path(entry, shape.name)
    return Item(api_kind=shape.api_kind, name=str(name) if name is not None else "unnamed", fields=fields)


def _change(entry: JsonObject, shape: Shape) -> Change | None:
    """A change; None without a time or a service."""
    held = {name: at_path(entry, path) for name, path in shape.fields.items()}
    at = moment(held.get("at"))
    service, kind = text(held.get("service")), text(held.get("change")) or "deployment"
    if at is None or service is None:
        return None
    return Change(
        at=at,
        service=service,
        what=(text(held.get("what")) or "changed")[:500],
        change=next((known for known in _KINDS if known == kind.lower()), "other"),
        version=text(held.get("version")),
        by=text(held.get("by")),
        url=web(held.get("url")),
    )
