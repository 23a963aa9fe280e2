"""Names, arguments and results between MCP and us. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from connectors._json import text
from connectors.model import Item, JsonObject, Objects, Payload, Text

_MOST_TEXT = 1_000_000


def tool_name(name: str) -> str:
    """A server's name in our form: `searchDocs` → `search_docs`, `search` → `call_search`."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    plain = re.sub(r"[^a-z0-9]+", "_", split).strip("_") or "tool"
    plain = plain if plain[0].isalpha() else f"call_{plain}"
    first = plain.partition("_")[0]
    return plain if "_" in plain and first.isalpha() else f"call_{plain}"


def payload_of(structured: JsonValue, content: Sequence[Any]) -> Payload:
    """Structured content as objects, else the words of the content."""
    if isinstance(structured, dict):
        inner = structured.get("result") if set(structured) == {"result"} else structured
        listed = _only_list(inner)
        if listed is not None:
            return Objects(items=tuple(_item(entry, place) for place, entry in enumerate(listed, start=1)))
        if isinstance(inner, dict):
            return Objects(items=(_item(inner, 1),)) if inner else Objects(items=())
        if inner is not None:
            return Text(text=str(inner)[:_MOST_TEXT])
    return Text(text=words_of(content)[:_MOST_TEXT])


def _only_list(value: JsonValue) -> list[JsonObject] | None:
    """A list of maps: the value itself, or the only member of a map."""
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return [entry for entry in value if isinstance(entry, dict)]
    return None


def _item(entry: JsonObject, place: int) -> Item:
    name = next((found for key in ("name", "title", "key", "id") if (found := text(entry, key))), str(place))
    return Item(api_kind=text(entry, "kind") or "Result", name=name[:500], uid=text(entry, "id"), fields=entry)


def words_of(content: Sequence[Any]) -> str:
    """The texts of a result; what is no text is named, not shown."""
    parts = []
    for block in content:
        held = getattr(block, "text", None)
        parts.append(held if isinstance(held, str) else f"[{getattr(block, 'type', 'content')} left out]")
    return "\n".join(parts)
