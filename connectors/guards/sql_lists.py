"""Long lists of plain values are set aside before parsing and put back, as they were lexed, afterwards.

`x IN (1, 2, …)` with hundreds of values is the commonest long query, and a parser learns nothing from the values.
Two of them stay: the largest number (or the first text), which the cost rules look at, and a marker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.guards.lexer import Token

MIN_ITEMS = 16
_PLAIN_TEXT = re.compile(r"'[^'\\;\x00-\x1f]*+'")
_PLAIN_NUMBER = re.compile(r"[0-9]{1,18}")
_MARK = "values set aside"


def fold(tokens: Sequence[Token], clean: str) -> tuple[str, dict[str, str]]:
    """Return the text to parse and, per marker as it will be written, the values that belong in its place."""
    if len(tokens) < 2 * MIN_ITEMS or _MARK in clean.lower():
        return clean, {}
    kept: list[str] = []
    aside: dict[str, str] = {}
    at = done = 0
    while at < len(tokens) - 2 * MIN_ITEMS:
        items = _items(tokens, at) if tokens[at].text == "(" and at and _is_in(tokens[at - 1]) else []
        if len(items) >= MIN_ITEMS:
            marker = f"'{_MARK} {len(aside)}'"
            first = max(items, key=int) if items[0].isdigit() else items[0]
            items.remove(first)
            aside[marker] = ", ".join(items)
            kept += [*map(_written, tokens[done : at + 1]), first, f", {marker}"]
            at = done = at + 2 * (len(items) + 1)
        at += 1
    kept += map(_written, tokens[done:])
    return ("".join(kept).strip() if aside else clean), aside


def unfold(text: str, aside: dict[str, str]) -> str | None:
    """Put the values back; None when a marker is not there exactly once."""
    for marker, values in aside.items():
        if text.count(marker) != 1:
            return None
        text = text.replace(marker, values)
    return text


def _written(token: Token) -> str:
    return f" {token.text}" if token.spaced else token.text


def _is_in(token: Token) -> bool:
    return token.kind == "word" and token.value.lower() == "in"


def _items(tokens: Sequence[Token], start: int) -> list[str]:
    """The values between the bracket at `start` and its end; empty when anything else stands there."""
    kind = tokens[start + 1].kind
    plain = {"number": _PLAIN_NUMBER, "string": _PLAIN_TEXT}.get(kind)
    if plain is None:
        return []
    items: list[str] = []
    for at in range(start + 1, len(tokens) - 1, 2):
        if tokens[at].kind != kind or plain.fullmatch(tokens[at].text) is None:
            return []
        items.append(tokens[at].text)
        if tokens[at + 1].text != ",":
            return items if tokens[at + 1].text == ")" else []
    return []
