"""Validation of rich_text (https://docs.slack.dev/reference/block-kit/blocks/rich-text-block)."""

from __future__ import annotations

from typing import Any

from bot.demo.workspace import rules
from bot.demo.workspace.rules import Problems

_INLINE = {
    "text": ("text", "text style"),
    "link": ("url", "url text style unsafe"),
    "emoji": ("name", "name unicode skin_tone style"),
    "user": ("user_id", "user_id style"),
    "usergroup": ("usergroup_id", "usergroup_id style"),
    "channel": ("channel_id", "channel_id style"),
    "broadcast": ("range", "range style"),
    "date": ("timestamp format", "timestamp format url fallback style"),
    "color": ("value", "value style"),
}
_OUTER = {
    "rich_text_section": "elements",
    "rich_text_preformatted": "elements border language",
    "rich_text_quote": "elements border",
    "rich_text_list": "elements style indent offset border",
}


def rich_text(body: Any, path: str, problems: Problems) -> None:
    """A rich_text block, also where it is a cell or a task's details."""
    if not rules.is_object(body, path, problems):
        return
    if body.get("type") != "rich_text":
        problems.add(f"unsupported type: {body.get('type')}", path + "/type")
        return
    rules.known_keys(body, path, problems, keys="elements block_id")
    for place, outer in enumerate(rules.items(body, "elements", path, problems, most=1_000, least=0)):
        _outer(outer, f"{path}/elements/{place}", problems)


def _outer(body: Any, path: str, problems: Problems) -> None:
    if not rules.is_object(body, path, problems):
        return
    kind = body.get("type")
    if kind not in _OUTER:
        problems.add(f"unsupported type: {kind}", path + "/type")
        return
    rules.known_keys(body, path, problems, keys=_OUTER[kind])
    if kind == "rich_text_list":
        rules.one_of(body, "style", path, problems, allowed="bullet ordered")
        rules.whole(body, "indent", path, problems, least=0, most=8)
    for place, inner in enumerate(rules.items(body, "elements", path, problems, most=10_000, least=0)):
        where = f"{path}/elements/{place}"
        if kind == "rich_text_list":
            _outer(inner, where, problems)
        else:
            _inline(inner, where, problems)


def _inline(body: Any, path: str, problems: Problems) -> None:
    if not rules.is_object(body, path, problems):
        return
    kind = body.get("type")
    if kind not in _INLINE:
        problems.add(f"unsupported type: {kind}", path + "/type")
        return
    needed, known = _INLINE[kind]
    rules.known_keys(body, path, problems, keys=known)
    rules.required(body, path, problems, keys=needed)
    if kind == "text":
        rules.string(body, "text", path, problems, most=100_000)
    if kind == "link":
        rules.url(body, "url", path, problems)
    if kind == "broadcast":
        rules.one_of(body, "range", path, problems, allowed="here channel everyone")
