"""Placeholders in paths, queries and bodies: `{name}` and nothing else. There is no language in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue

from connectors.errors import Rejected
from connectors.model import TimeWindow

_PLACE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
WINDOW_NAMES = frozenset(f"window.{edge}{unit}" for edge in ("start", "end") for unit in ("", "_s", "_ms"))


def placeholders(template: Any) -> Iterator[str]:
    """The names used anywhere in a template of texts, lists and maps."""
    if isinstance(template, str):
        yield from _PLACE.findall(template)
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from placeholders(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from placeholders(value)


def window_values(window: TimeWindow | None) -> dict[str, JsonValue]:
    """The edges of the window as RFC 3339, seconds and milliseconds."""
    if window is None:
        return {}
    found: dict[str, JsonValue] = {}
    for name, at in (("start", window.start), ("end", window.end)):
        found[f"window.{name}"] = at.isoformat(timespec="seconds").replace("+00:00", "Z")
        found[f"window.{name}_s"] = int(at.timestamp())
        found[f"window.{name}_ms"] = int(at.timestamp() * 1000)
    return found


def fill_path(template: str, values: Mapping[str, JsonValue]) -> str:
    """A path in which every value is one segment, or part of one: nothing in it can begin another."""
    filled = _PLACE.sub(lambda match: quote(_text(_value(match[1], values)), safe=""), template)
    for segment in filled.split("/")[1:]:
        if segment.replace("%2E", ".").replace("%2e", ".") in {".", ".."}:
            raise Rejected("A value of '.' or '..' cannot be part of an address. Give a name.")
    if "//" in filled:
        raise Rejected("A value that is part of the address is empty. Give one.")
    return filled


def fill_query(template: Mapping[str, str], values: Mapping[str, JsonValue]) -> dict[str, str | list[str]]:
    """Parameters by name; one whose only placeholder has no value is left out, a list is sent as many."""
    found: dict[str, str | list[str]] = {}
    for key, text in template.items():
        names = _PLACE.findall(text)
        if names and all(values.get(name) in (None, []) for name in names):
            continue
        only = values.get(names[0]) if len(names) == 1 and text == f"{{{names[0]}}}" else None
        found[key] = [_text(one) for one in only] if isinstance(only, list) else _fill(text, values)
    return found


def fill_body(template: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """A body in which a text that is one placeholder takes the typed value; keys are never filled."""
    if isinstance(template, str):
        whole = _PLACE.fullmatch(template)
        return _value(whole[1], values) if whole else _fill(template, values)
    if isinstance(template, list):
        return [fill_body(one, values) for one in template]
    if isinstance(template, dict):
        return {key: fill_body(one, values) for key, one in template.items()}
    return template


def _fill(text: str, values: Mapping[str, JsonValue]) -> str:
    return _PLACE.sub(lambda match: _text(_value(match[1], values)), text)


def _value(name: str, values: Mapping[str, JsonValue]) -> JsonValue:
    if name not in values:
        raise Rejected("This question needs a time window.")
    return values[name]


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
