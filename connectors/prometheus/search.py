"""Finding metrics by words."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_MOST = 100


class Found(NamedTuple):
    name: str
    type: str | None
    unit: str | None
    help: str | None


def search(words: str, names: list[str], about: dict[str, Any]) -> list[Found]:
    """The metrics that hold most of the words, best first; a word in the name counts more than one in the help."""
    wanted = [word for word in re.split(r"[^a-z0-9]+", words.lower()) if len(word) > 1]
    scored = []
    for name in names:
        found = _found(name, about)
        score = sum(_score(word, found) for word in wanted)
        if score:
            scored.append((-score, len(name), found))
    scored.sort(key=lambda entry: entry[:2])
    return [found for _, _, found in scored[:_MOST]]


def _found(name: str, about: dict[str, Any]) -> Found:
    entries = about.get(name) or about.get(re.sub(r"_(?:bucket|sum|count|total)$", "", name))
    first = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
    return Found(name, first.get("type") or None, first.get("unit") or None, first.get("help") or None)


def _score(word: str, found: Found) -> int:
    stem = word[:-1] if word.endswith("s") and len(word) > 3 else word
    parts = found.name.lower().split("_")
    if any(part.startswith(stem) for part in parts):
        return 3
    if stem in found.name.lower():
        return 2
    return 1 if found.help and stem in found.help.lower() else 0
