"""Slack's limits, and the helpers that keep every message inside them.

Figures: https://docs.slack.dev/reference/block-kit/blocks and, for the sum over all blocks, bolt-js#2509.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from bot.slack.blocks.text import units

Block: TypeAlias = dict[str, Any]

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
SECTION_TEXT = 3_000
CONTEXT_TEXT = 2_000
CONTEXT_ELEMENTS = 10
HEADER_TEXT = 150
BUTTON_TEXT = 75
BUTTON_VALUE = 2_000
URL = 3_000
ACTION_ID = 255
VIEW_TITLE = 24
PRIVATE_METADATA = 3_000
MESSAGE_SUM = 13_200
MESSAGE_TEXT = 3_000
TABLE_ROWS = 100
CHART_SERIES = 6
CHART_POINTS = 20
CHART_LABEL = 20
CHART_TITLE = 50

PAGE_SUM = 11_500
PAGE_BLOCKS = 44
REST_IN_THREAD = "Some parts did not fit here; the thread has them."


def weight(value: Any) -> int:
    """How much of the sum a block uses: the length of every string in it, numbers included."""
    if isinstance(value, str):
        return units(value)
    if isinstance(value, dict):
        return sum(weight(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(weight(v) for v in value)
    return len(str(value))


def fit(blocks: list[Block], *, tail: int = 0, note: str = REST_IN_THREAD) -> list[Block]:
    """The blocks, or as many from the front as fit together with the last `tail` ones and a note."""
    if len(blocks) <= MESSAGE_BLOCKS and weight(blocks) <= MESSAGE_SUM:
        return blocks
    kept_tail = blocks[len(blocks) - tail :] if tail else []
    said = {"type": "context", "elements": [{"type": "mrkdwn", "text": note}]}
    room, kept = MESSAGE_SUM - weight(kept_tail) - weight(said), list[Block]()
    for block in blocks[: len(blocks) - tail]:
        room -= weight(block)
        if room < 0 or len(kept) + 1 + len(kept_tail) >= MESSAGE_BLOCKS:
            break
        kept.append(block)
    return [*kept, said, *kept_tail]


def pages(blocks: list[Block]) -> list[list[Block]]:
    """The blocks in as many messages as they need, each inside every limit."""
    made: list[list[Block]] = []
    page: list[Block] = []
    used = 0
    for block in blocks:
        cost = weight(block)
        if page and (used + cost > PAGE_SUM or len(page) >= PAGE_BLOCKS):
            made.append(page)
            page, used = [], 0
        page.append(block)
        used += cost
    return [*made, page] if page else made
