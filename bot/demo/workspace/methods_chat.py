"""Web API methods that write messages: chat.*, reactions.*."""

from __future__ import annotations

import json
from typing import Any

from bot.demo.workspace.config import BOT_ID, BOT_USER_ID
from bot.demo.workspace.core import without_metadata
from bot.demo.workspace.posting import content, edit, post
from bot.demo.workspace.state import Channel
from bot.demo.workspace.validate import check_message_blocks
from bot.demo.workspace.web_api import Call, Method
from bot.demo.workspace.wire import Json, SlackError

METADATA_LIMIT_BYTES = 16_384
UPDATE_TEXT_LIMIT = 4_000
MARKDOWN_LIMIT = 12_000


def metadata_of(value: Any) -> Json:
    """Checked message metadata."""
    if not isinstance(value, dict) or not isinstance(value.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if not isinstance(value.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(value).encode()) > METADATA_LIMIT_BYTES:
        raise SlackError("metadata_too_large")
    return {"event_type": value["event_type"], "event_payload": value["event_payload"]}


def own_message(call: Call, channel: Channel, *, refusal: str) -> Json:
    """The message the call names, if it is the bot's own."""
    message = channel.messages.get(call.text("ts"))
    if message is None or message.get("subtype") == "tombstone":
        raise SlackError("message_not_found")
    if message.get("bot_id") != BOT_ID:
        raise SlackError(refusal)
    return message


def _arguments(call: Call) -> Json:
    """Content, with `markdown_text` turned into the block it stands for."""
    arguments = dict(call.arguments)
    markdown = arguments.pop("markdown_text", None)
    if markdown is None:
        return arguments
    if arguments.get("text") or arguments.get("blocks"):
        raise SlackError("markdown_text_conflict")
    if len(str(markdown)) > MARKDOWN_LIMIT:
        raise SlackError("msg_too_long")
    return {**arguments, "text": str(markdown), "blocks": [{"type": "markdown", "text": str(markdown)}]}


def post_message(call: Call) -> Json:
    """chat.postMessage."""
    channel = call.own_channel()
    made = content(call.core, _arguments(call))
    if call.arguments.get("metadata") is not None:
        made["metadata"] = metadata_of(call.arguments["metadata"])
    if call.flag("reply_broadcast") and call.text("thread_ts"):
        made["subtype"] = "thread_broadcast"
    message = post(call.core, channel, made, thread_ts=call.text("thread_ts") or None)
    return {"channel": channel.id, "ts": message["ts"], "message": without_metadata(message)}


def update(call: Call) -> Json:
    """chat.update: blocks that are not given stay, as documented; an empty list takes them away."""
    channel = call.channel()
    message = own_message(call, channel, refusal="cant_update_message")
    if "streaming" in message:
        raise SlackError("streaming_state_conflict")
    arguments = _arguments(call)
    if len(str(arguments.get("text") or "")) > UPDATE_TEXT_LIMIT:
        raise SlackError("msg_too_long")
    given = {key: arguments[key] for key in ("text", "blocks", "attachments") if arguments.get(key) is not None}
    if not given:
        raise SlackError("no_text")
    changes = {k: v for k, v in content(call.core, {**_kept(message), **given}).items() if k in given}
    if given.get("blocks") == []:
        changes["blocks"] = []
    if isinstance(call.arguments.get("metadata"), dict):
        changes["metadata"] = metadata_of(call.arguments["metadata"]) if call.arguments["metadata"] else None
    message = edit(call.core, channel, message, changes)
    answer = {"channel": channel.id, "ts": message["ts"], "text": message.get("text", "")}
    return {**answer, "message": without_metadata(message)}


def _kept(message: Json) -> Json:
    return {"text": message.get("text", "")} if message.get("text") else {}


def delete(call: Call) -> Json:
    """chat.delete."""
    channel = call.channel()
    message = own_message(call, channel, refusal="cant_delete_message")
    call.core.changed_event(channel, call.core.state.remove_message(channel, message["ts"]), None)
    return {"channel": channel.id, "ts": message["ts"]}


def post_ephemeral(call: Call) -> Json:
    """chat.postEphemeral: only one person sees it, and only while they are there."""
    channel = call.own_channel()
    user = call.need("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    made = content(call.core, _arguments(call))
    if call.text("thread_ts"):
        made["thread_ts"] = call.text("thread_ts")
    return {"message_ts": call.core.state.add_ephemeral(channel, user, made)["ts"]}


def permalink(call: Call) -> Json:
    """chat.getPermalink: points into the page of this workspace."""
    channel = call.channel()
    ts = call.need("message_ts")
    if ts not in channel.messages:
        raise SlackError("message_not_found")
    link = f"{call.core.base_url}/archives/{channel.id}/p{ts.replace('.', '')}"
    thread_ts = channel.messages[ts].get("thread_ts")
    if thread_ts and thread_ts != ts:
        link += f"?thread_ts={thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def validate_blocks(call: Call) -> Json:
    """blocks.validate."""
    check_message_blocks(call.arguments.get("blocks"), refused=call.core.refused_blocks, files=call.core.state.files)
    return {}


def add_reaction(call: Call) -> Json:
    """reactions.add."""
    channel, message = _target(call)
    name = call.need("name").strip(":")
    reactions: list[Json] = message.setdefault("reactions", [])
    found = next((r for r in reactions if r["name"] == name), None)
    if found is None:
        reactions.append({"name": name, "users": [BOT_USER_ID], "count": 1})
    elif BOT_USER_ID in found["users"]:
        raise SlackError("already_reacted")
    else:
        found["users"].append(BOT_USER_ID)
        found["count"] += 1
    call.core.state.announce(channel, message["ts"])
    return {}


def remove_reaction(call: Call) -> Json:
    """reactions.remove."""
    channel, message = _target(call)
    name = call.need("name").strip(":")
    found = next((r for r in message.get("reactions", []) if r["name"] == name), None)
    if found is None or BOT_USER_ID not in found["users"]:
        raise SlackError("no_reaction")
    found["users"].remove(BOT_USER_ID)
    found["count"] -= 1
    message["reactions"] = [r for r in message["reactions"] if r["users"]]
    call.core.state.announce(channel, message["ts"])
    return {}


def _target(call: Call) -> tuple[Channel, Json]:
    channel = call.channel()
    message = channel.messages.get(call.text("timestamp"))
    if message is None:
        raise SlackError("message_not_found")
    return channel, message


METHODS = {
    "chat.postMessage": Method(post_message, ("chat:write",)),
    "chat.update": Method(update, ("chat:write",)),
    "chat.delete": Method(delete, ("chat:write",)),
    "chat.postEphemeral": Method(post_ephemeral, ("chat:write",)),
    "chat.getPermalink": Method(permalink),
    "blocks.validate": Method(validate_blocks),
    "reactions.add": Method(add_reaction, ("reactions:write",)),
    "reactions.remove": Method(remove_reaction, ("reactions:write",)),
}
