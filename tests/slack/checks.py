"""What every message of ours must keep, whatever it shows; judged from the payload alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from bot.demo.workspace.validate import check_message_blocks, check_view
from bot.slack.blocks.elements import Message
from bot.slack.blocks.limits import MESSAGE_BLOCKS, weight
from bot.slack.blocks.text import units

HOSTS = frozenset({"grafana.test"})
_NOTATION = re.compile(r"<([^<>]*)>")
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e0fff]"
)


def mrkdwn_texts(value: Any) -> Iterator[str]:
    """Every text Slack reads notation in."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        for child in value.values():
            yield from mrkdwn_texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from mrkdwn_texts(child)


def every_text(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from every_text(child)
    elif isinstance(value, list):
        for child in value:
            yield from every_text(child)


def every_url(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            if key == "url" and isinstance(child, str):
                yield child
            yield from every_url(child)
    elif isinstance(value, list):
        for child in value:
            yield from every_url(child)


def check_text(text: str, *, mentions: int = 0) -> None:
    """No live mention beyond those allowed, no live link to a foreign host, no fence left open."""
    for inner in _NOTATION.findall(text):
        if mentions and re.fullmatch(r"@[UW][A-Z0-9]+", inner):
            mentions -= 1
            continue
        address = inner.partition("|")[0]
        assert urlsplit(address).hostname in HOSTS, f"live: {inner!r}"
    rest = _NOTATION.sub("", text)
    assert "<" not in rest, rest
    assert ">" not in rest.replace("\n> ", "").removeprefix("> "), rest
    assert not re.search(r"[a-zA-Z]://|\bwww\.\w|mailto:", rest), rest
    assert text.count("```") % 2 == 0


def check_message(message: Message, *, mentions: int = 0) -> None:
    """Within every limit, safe, and meaningful without blocks."""
    check_message_blocks(message.blocks, refused=set(), files={})
    assert len(message.blocks) <= MESSAGE_BLOCKS
    assert weight(message.blocks) <= 13_200
    assert message.text.strip()
    assert units(message.text) <= 4_000
    check_text(message.text)
    for text in mrkdwn_texts(message.blocks):
        check_text(text, mentions=mentions)
    check_foreign(message.blocks)


def check_modal(view: dict[str, Any]) -> None:
    check_view(view, kind=view["type"], refused=set(), files={})
    for text in mrkdwn_texts(view["blocks"]):
        check_text(text)
    check_foreign(view["blocks"])


def check_foreign(blocks: list[dict[str, Any]]) -> None:
    """Nothing invisible, and no address of a host that is not ours."""
    for text in every_text(blocks):
        assert not _FORBIDDEN.search(text), repr(text[:200])
    for url in every_url(blocks):
        assert urlsplit(url).hostname in HOSTS, url
