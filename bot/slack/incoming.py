"""What a delivery says: who, where, which delivery, which words. Pure reading of Slack's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.model import JsonObject

Body = dict[str, Any]
SHORTCUT_TEXT = 3_500


@dataclass(frozen=True)
class Place:
    """Where an answer belongs. `thread_ts` None: at the top of the channel."""

    team: str
    channel: str
    thread_ts: str | None = None

    def origin(self) -> JsonObject:
        """What the investigation keeps, for the publisher."""
        kept: JsonObject = {"face": "slack", "team": self.team, "channel": self.channel}
        return {**kept, "thread_ts": self.thread_ts} if self.thread_ts else kept


def delivery_id(body: Body) -> str | None:
    """What names this delivery through all of Slack's retries; None when nothing does."""
    if body.get("event_id"):
        return f"event/{body['event_id']}"
    if body.get("trigger_id"):
        return f"trigger/{body['trigger_id']}"
    view = body.get("view") or {}
    if body.get("type") == "view_closed" and view.get("id"):
        return f"closed/{view['id']}/{view.get('hash', '')}"
    return None


def user_of(body: Body) -> str:
    """The id of the acting person; empty when a machine acts."""
    user = body.get("user")
    if isinstance(user, dict):
        return str(user.get("id", ""))
    return str(body.get("user_id") or (body.get("event") or {}).get("user") or "")


def team_of(body: Body) -> str:
    team = body.get("team")
    if isinstance(team, dict):
        return str(team.get("id", ""))
    return str(body.get("team_id") or "")


def place_of(body: Body) -> Place:
    """The channel and thread of a command, a click or a shortcut."""
    team = team_of(body)
    if "channel_id" in body:
        return Place(team, str(body["channel_id"]))
    container = body.get("container") or {}
    message = body.get("message") or {}
    channel = str((body.get("channel") or {}).get("id") or container.get("channel_id") or "")
    thread_ts = message.get("thread_ts") or container.get("thread_ts")
    if thread_ts == (message.get("ts") or container.get("message_ts")):
        thread_ts = None  # the root of a thread stands at the top of the channel
    return Place(team, channel, str(thread_ts) if thread_ts else None)


def action_of(body: Body) -> tuple[str, str]:
    """The action id and value of the first action."""
    action = (body.get("actions") or [{}])[0]
    return str(action.get("action_id", "")), str(action.get("value") or "")


def is_human_message(event: Body) -> bool:
    """A message a person wrote just now: no bot, no edit, no join notice."""
    if event.get("bot_id") or event.get("hidden") or not event.get("user"):
        return False
    return event.get("subtype") in (None, "file_share", "thread_broadcast", "me_message")


def without_mention(text: str, bot_user_id: str) -> str:
    """The words around our own name; other names stay."""
    for form in (f"<@{bot_user_id}>", f"@{bot_user_id}"):
        text = text.replace(form, " ")
    head, _, rest = text.partition(f"<@{bot_user_id}|")
    return (head + rest.partition(">")[2] if rest else text).strip()


def message_words(message: Body) -> str:
    """All words of a message, also of one that speaks only in attachments or blocks (alerts of other bots do)."""
    found = [str(message.get("text") or "")]
    for attachment in message.get("attachments") or []:
        found += [str(attachment.get(k) or "") for k in ("pretext", "title", "text")]
        if not attachment.get("text"):
            found.append(str(attachment.get("fallback") or ""))
        found += [f"{f.get('title', '')}: {f.get('value', '')}" for f in attachment.get("fields") or []]
        found += _block_words(attachment.get("blocks") or [])
    if not found[0].strip():
        found += _block_words(message.get("blocks") or [])
    lines = dict.fromkeys(part.strip() for part in found if part.strip(" :"))
    return "\n".join(lines)[:SHORTCUT_TEXT]


def _block_words(blocks: list[Body]) -> list[str]:
    words = []
    for block in blocks:
        texts = [block.get("text"), *(block.get("fields") or []), *(block.get("elements") or [])]
        words += [str(t["text"]) for t in texts if isinstance(t, dict) and isinstance(t.get("text"), str)]
    return words


def looks_like_question(text: str) -> bool:
    """Whether a reply after the end asks something, so that people may also just talk in the thread."""
    words = text.strip().lower()
    if words.endswith("?"):
        return True
    first = words.split(" ", 1)[0] if words else ""
    return first in ("why", "what", "when", "where", "which", "who", "how", "is", "are", "did", "does", "was", "were")
