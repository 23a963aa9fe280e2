"""Streamed messages: chat.startStream, chat.appendStream, chat.stopStream and what their chunks draw."""

from __future__ import annotations

import copy
from typing import Any

from bot.demo.workspace import rules_data
from bot.demo.workspace.config import TEAM_ID
from bot.demo.workspace.core import without_metadata
from bot.demo.workspace.elements import fill_ids
from bot.demo.workspace.methods_chat import metadata_of, own_message
from bot.demo.workspace.posting import post
from bot.demo.workspace.rules import Problems
from bot.demo.workspace.validate import MESSAGE_BLOCKS, check_message_blocks, refuse
from bot.demo.workspace.web_api import Call, Method
from bot.demo.workspace.wire import Json, SlackError

TEXT_LIMIT = 12_000
CHUNKS = frozenset({"markdown_text", "task_update", "plan_update", "blocks"})


def start(call: Call) -> Json:
    """chat.startStream: in channels the recipient must be named."""
    channel = call.own_channel()
    thread_ts = call.need("thread_ts")
    if thread_ts not in channel.messages:
        raise SlackError("thread_not_found" if not channel.is_im else "message_not_found")
    if not channel.is_im:
        _recipient(call)
    mode = call.text("task_display_mode", "timeline")
    if mode not in {"plan", "timeline"}:
        raise SlackError("invalid_arguments")
    stream: Json = {"mode": mode, "parts": [], "plan_title": ""}
    _take(call, stream)
    drawn = _drawn(call, stream)
    message = post(call.core, channel, {**drawn, "streaming": stream, "is_streaming": True}, thread_ts=thread_ts)
    return {"channel": channel.id, "ts": message["ts"]}


def _recipient(call: Call) -> None:
    if not call.text("recipient_team_id"):
        raise SlackError("missing_recipient_team_id")
    if not call.text("recipient_user_id"):
        raise SlackError("missing_recipient_user_id")
    person = call.core.state.people.get(call.text("recipient_user_id"))
    if person is None or call.text("recipient_team_id") not in {TEAM_ID, person.team_id}:
        raise SlackError("user_not_found")


def append(call: Call) -> Json:
    """chat.appendStream."""
    channel = call.own_channel()
    message = own_message(call, channel, refusal="message_not_owned_by_app")
    stream = _stream(message)
    if call.arguments.get("markdown_text") is None and not call.arguments.get("chunks"):
        raise SlackError("no_text")
    _take(call, stream)
    message.update(_drawn(call, stream), streaming=stream)
    call.core.state.announce(channel, message["ts"])
    return {"channel": channel.id, "ts": message["ts"]}


def stop(call: Call) -> Json:
    """chat.stopStream: the last words, then blocks below what was streamed."""
    channel = call.own_channel()
    message = own_message(call, channel, refusal="message_not_owned_by_app")
    stream = _stream(message)
    _take(call, stream)
    final = call.arguments.get("blocks") or []
    if final:
        check_message_blocks(final, refused=call.core.refused_blocks, files=call.core.state.files)
        stream["parts"].append({"type": "blocks", "blocks": final})
    if call.arguments.get("metadata") is not None:
        message["metadata"] = metadata_of(call.arguments["metadata"])
    message.update(_drawn(call, stream), is_streaming=False)
    message.pop("streaming", None)
    call.core.state.announce(channel, message["ts"])
    return {"channel": channel.id, "ts": message["ts"], "message": without_metadata(message)}


def _stream(message: Json) -> Json:
    stream = message.get("streaming")
    if not isinstance(stream, dict):
        raise SlackError("message_not_in_streaming_state")
    return copy.deepcopy(stream)


def _take(call: Call, stream: Json) -> None:
    chunks = call.arguments.get("chunks") or []
    if not isinstance(chunks, list):
        raise SlackError("invalid_chunks")
    text = call.arguments.get("markdown_text")
    if text:
        chunks = [{"type": "markdown_text", "text": str(text)}, *chunks]
    written = sum(
        len(str(c.get("text", ""))) for c in chunks if isinstance(c, dict) and c.get("type") == "markdown_text"
    )
    if written > TEXT_LIMIT:
        raise SlackError("msg_too_long")
    for place, chunk in enumerate(chunks):
        _chunk(call, stream, chunk, f"/chunks/{place}")


def _chunk(call: Call, stream: Json, chunk: Any, path: str) -> None:
    problems = Problems("message", call.core.refused_blocks, call.core.state.files)
    kind = chunk.get("type") if isinstance(chunk, dict) else None
    if kind not in CHUNKS:
        problems.add(f"unsupported type: {kind}", path)
    elif kind == "plan_update":
        stream["plan_title"] = str(chunk.get("title", ""))
    elif kind == "task_update":
        _task(stream, chunk, path, problems)
    elif kind == "blocks":
        blocks = chunk.get("blocks")
        check_message_blocks(blocks, refused=call.core.refused_blocks, files=call.core.state.files)
        stream["parts"].append({"type": "blocks", "blocks": blocks})
    elif stream["parts"] and stream["parts"][-1]["type"] == "markdown":
        stream["parts"][-1]["text"] += str(chunk.get("text", ""))
    else:
        stream["parts"].append({"type": "markdown", "text": str(chunk.get("text", ""))})
    refuse(problems, error="invalid_chunks")


def _task(stream: Json, chunk: Json, path: str, problems: Problems) -> None:
    card: Json = {"type": "task_card", "task_id": chunk.get("id"), "title": chunk.get("title")}
    card["status"] = chunk.get("status", "pending")
    for key in ("details", "output"):
        if chunk.get(key):
            card[key] = _rich(str(chunk[key]))
    if chunk.get("sources"):
        card["sources"] = chunk["sources"]
    rules_data.task_card(card, path, problems)
    old = next((p for p in stream["parts"] if p.get("task_id") == card["task_id"] and p["type"] == "task_card"), None)
    if old is None:
        stream["parts"].append(card)
        return
    for key in ("details", "output"):
        # Text of a task is added to what is there; everything else is replaced.
        if key in card and key in old:
            card[key]["elements"] = old[key]["elements"] + card[key]["elements"]
    old.update(card)


def _rich(text: str) -> Json:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


def _drawn(call: Call, stream: Json) -> Json:
    """Text and blocks as they stand now."""
    blocks: list[Json] = []
    tasks = [part for part in stream["parts"] if part["type"] == "task_card"]
    if stream["mode"] == "plan" and (tasks or stream["plan_title"]):
        blocks.append({"type": "plan", "title": stream["plan_title"] or "Plan", "tasks": tasks})
    for part in stream["parts"]:
        if part["type"] == "blocks":
            blocks.extend(part["blocks"])
        elif part["type"] == "markdown":
            blocks.append({"type": "markdown", "text": part["text"]})
        elif stream["mode"] == "timeline":
            blocks.append(part)
    if len(blocks) > MESSAGE_BLOCKS + 50:
        raise SlackError("msg_blocks_too_long")
    text = "".join(part["text"] for part in stream["parts"] if part["type"] == "markdown")
    return {"text": text, "blocks": fill_ids(copy.deepcopy(blocks))}


METHODS = {
    "chat.startStream": Method(start, ("chat:write",)),
    "chat.appendStream": Method(append, ("chat:write",)),
    "chat.stopStream": Method(stop, ("chat:write",)),
}
