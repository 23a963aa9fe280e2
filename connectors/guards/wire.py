"""Reading JSON text strictly: one object, no duplicate keys, no NaN, depth capped before parsing."""

from __future__ import annotations

import json
from typing import Any

from connectors.guards.model import GuardLimits, RefusalError

JsonObject = dict[str, Any]


def read_object(text: str, *, limits: GuardLimits, what: str) -> JsonObject:
    """Return the one JSON object in `text`; `what` names it in the refusal."""
    _check_depth(text, limits.max_depth)
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"The {what} is not one JSON object. Write it as JSON.") from error
    if not isinstance(value, dict):
        raise RefusalError(f"The {what} is not one JSON object. Write it as JSON.")
    check_strings(value)
    return value


def _check_depth(text: str, max_depth: int) -> None:
    depth = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            escaped, in_string = (char == "\\" and not escaped), (char != '"' or escaped)
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > max_depth:
                raise RefusalError(f"The JSON is nested deeper than {max_depth}. Simplify it.")
        elif char in "]}":
            depth -= 1


def _no_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    found: JsonObject = {}
    for key, value in pairs:
        if key in found:
            raise RefusalError(f"The key '{key[:40]}' appears twice, which servers read differently. Write it once.")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise RefusalError(f"{name} is not JSON. Write a number.")


def check_strings(value: object) -> None:
    """Refuse NUL and broken characters in keys and strings, however they were escaped."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str) and ("\x00" in item or any("\ud800" <= char <= "\udfff" for char in item)):
            raise RefusalError("A string holds a NUL or a broken character. Remove it.")


def integer(value: object, *, what: str, most: int) -> int:
    """Return a whole number between 0 and `most`."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RefusalError(f"'{what}' must be a whole number from 0 to {most}.")
    if value > most:
        raise RefusalError(f"'{what}' is {value}; at most {most} is allowed.")
    return value


def write(value: object) -> str:
    """JSON text of a judged value."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
