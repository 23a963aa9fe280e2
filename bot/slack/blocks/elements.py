"""The few Block Kit shapes everything else is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bot.slack.blocks.limits import (
    ACTION_ID,
    BUTTON_TEXT,
    BUTTON_VALUE,
    CONTEXT_ELEMENTS,
    CONTEXT_TEXT,
    HEADER_TEXT,
    SECTION_TEXT,
    URL,
    Block,
)
from bot.slack.blocks.text import chunks, clip, one_line, visible
from connectors.model import TimeWindow


@dataclass(frozen=True)
class Message:
    """What one Slack message shows: `text` for notifications and readers of screens, `blocks` for the rest."""

    text: str
    blocks: list[Block] = field(default_factory=list)


def mrkdwn(text: str) -> Block:
    """A text object; `verbatim` keeps Slack from turning names and addresses into links."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": clip(one_line(text), limit) or " ", "emoji": True}


def section(text: str, accessory: Block | None = None) -> Block:
    """One paragraph; the caller has escaped what is foreign."""
    block: Block = {"type": "section", "text": mrkdwn(clip(text, SECTION_TEXT) or " ")}
    if accessory:
        block["accessory"] = accessory
    return block


def sections(text: str) -> list[Block]:
    """A text of any length in as many sections as it needs; nothing is cut."""
    return [section(piece) for piece in chunks(text, SECTION_TEXT - 50)]


def context(*texts: str) -> Block:
    kept = [t for t in texts if t][:CONTEXT_ELEMENTS] or [" "]
    return {"type": "context", "elements": [mrkdwn(clip(t, CONTEXT_TEXT)) for t in kept]}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, HEADER_TEXT)}


def divider() -> Block:
    return {"type": "divider"}


def button(label: str, action_id: str, value: str, *, style: str | None = None, confirm: Block | None = None) -> Block:
    made: Block = {"type": "button", "text": plain(label, BUTTON_TEXT), "action_id": action_id[:ACTION_ID]}
    made["value"] = value[:BUTTON_VALUE]
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = confirm
    return made


def link_button(label: str, action_id: str, url: str) -> Block:
    return {"type": "button", "text": plain(label, BUTTON_TEXT), "action_id": action_id[:ACTION_ID], "url": url}


def actions(block_id: str, *elements: Block) -> list[Block]:
    """A row of buttons, or nothing when there is none."""
    made = [e for e in elements if e]
    return [{"type": "actions", "block_id": block_id[:255], "elements": made}] if made else []


def confirm(title: str, text: str, yes: str, no: str = "Back") -> Block:
    """The question asked before a click counts."""
    made: Block = {"title": plain(title, 100), "text": plain(text, 300)}
    return made | {"confirm": plain(yes, 30), "deny": plain(no, 30)}


def preformatted(text: str, limit: int = 2_800) -> Block:
    """Text exactly as it is, in one fixed-width box; Slack reads no notation in it."""
    shown: Any = clip(visible(text), limit) or " "
    inner = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": shown}]}
    return {"type": "rich_text", "elements": [inner]}


def rich(text: str, limit: int = 500) -> Block:
    """One rich-text paragraph of foreign text; Slack reads no notation in it."""
    shown = clip(one_line(text), limit) or " "
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": shown}]}],
    }


def live_url(url: str | None, hosts: frozenset[str] | None = None) -> str | None:
    """The address when it may be a link: http(s), of a known host (None: any host), free of notation, not too long."""
    if not url or len(url) > URL or any(c in url for c in "<>|\"' \\\n\r\t") or visible(url) != url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return None
    return url if hosts is None or host.lower() in hosts else None


def link(url: str | None, label: str) -> str:
    """A live link, or the label alone when there is no address; the label is ours and safe."""
    return f"<{url.replace('&', '&amp;')}|{label}>" if url else label


def clock_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M")


def span(window: TimeWindow | None) -> str:
    """`13:45–14:20 UTC`, with dates when it crosses a day."""
    if window is None:
        return ""
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    if start.date() == end.date():
        return f"{start:%d %b %H:%M}–{end:%H:%M} UTC"
    return f"{start:%d %b %H:%M} – {end:%d %b %H:%M} UTC"


def seconds(duration_ms: float | None) -> str:
    """`0.6 s`, `14 s`, `2 min 5 s`."""
    if duration_ms is None:
        return ""
    value = duration_ms / 1000
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{int(value // 60)} min {int(value % 60)} s"


def elapsed(value_s: float) -> str:
    """`00:07`, `1:02:09`."""
    whole = max(0, int(value_s))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"
