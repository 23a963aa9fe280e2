"""Messages by the bot: from the Web API, from an acknowledgement, from a response URL."""

from __future__ import annotations

from bot.demo.workspace.config import APP_ID, BOT_ID, BOT_USER_ID
from bot.demo.workspace.core import Core
from bot.demo.workspace.elements import fill_ids
from bot.demo.workspace.state import Channel
from bot.demo.workspace.validate import check_message_blocks
from bot.demo.workspace.wire import Json, SlackError

TEXT_CUT = 40_000


def bot_author() -> Json:
    """Who the bot is, on every message of its own."""
    profile = {"id": BOT_ID, "app_id": APP_ID, "name": "inquest", "icons": {}, "deleted": False}
    return {"user": BOT_USER_ID, "bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": profile}


def content(core: Core, body: Json) -> Json:
    """Checked text, blocks and attachments of a message; Slack's refusal when they break a rule."""
    text, blocks = body.get("text"), body.get("blocks")
    made: Json = {"text": str(text or "")[:TEXT_CUT]}
    if blocks:
        check_message_blocks(blocks, refused=core.refused_blocks, files=core.state.files)
        made["blocks"] = fill_ids(blocks)
    attachments = body.get("attachments")
    if attachments:
        if not isinstance(attachments, list) or len(attachments) > 100:
            raise SlackError("too_many_attachments")
        made["attachments"] = attachments
    if not (made["text"].strip() or blocks or attachments):
        raise SlackError("no_text")
    return made


def post(core: Core, channel: Channel, body: Json, *, thread_ts: str | None = None) -> Json:
    """Store a message of the bot and tell everybody."""
    message = {**bot_author(), **body}
    if thread_ts:
        message["thread_ts"] = thread_ts
    stored = core.state.add_message(channel, message)
    core.message_event(channel, stored)
    return stored


def edit(core: Core, channel: Channel, message: Json, changes: Json) -> Json:
    """Change a message of the bot in place."""
    before = dict(message)
    message.update(changes)
    message["edited"] = {"user": BOT_USER_ID, "ts": core.state.new_ts()}
    core.state.announce(channel, message["ts"])
    core.changed_event(channel, before, message)
    return message


def post_answer(core: Core, channel: Channel, user: str, body: Json, *, thread_ts: str | None = None) -> None:
    """What an acknowledgement or a response URL says: to one person unless `in_channel`."""
    made = content(core, body)
    if body.get("response_type") == "in_channel":
        post(core, channel, made, thread_ts=body.get("thread_ts") or thread_ts)
        return
    if body.get("thread_ts") or thread_ts:
        made["thread_ts"] = body.get("thread_ts") or thread_ts
    core.state.add_ephemeral(channel, user, made)


def answer_response_url(core: Core, token: str, body: Json) -> None:
    """One POST to a response URL."""
    url = core.state.use_response_url(token)
    channel = core.state.channel(url.channel)
    original = None
    if url.message_ts:
        original = channel.messages.get(url.message_ts) or core.state.ephemerals.get(url.message_ts)
    if body.get("delete_original") and original is not None:
        if url.is_ephemeral:
            core.state.drop_ephemeral(original["ts"])
        else:
            core.changed_event(channel, core.state.remove_message(channel, original["ts"]), None)
        return
    if body.get("replace_original") and original is not None:
        _replace(core, channel, original, body)
        return
    post_answer(core, channel, url.user, body)


def _replace(core: Core, channel: Channel, original: Json, body: Json) -> None:
    made = content(core, body)
    if original.get("is_ephemeral"):
        original.pop("blocks", None)
        original.update(made)
        core.feed.publish("ephemeral", {"ts": original["ts"], "message": original})
        return
    original.pop("blocks", None)
    edit(core, channel, original, made)
