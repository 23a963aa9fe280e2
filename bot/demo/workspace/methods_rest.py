"""Web API methods for views, files and the assistant's thread."""

from __future__ import annotations

from bot.demo.workspace.config import BOT_USER_ID
from bot.demo.workspace.posting import post
from bot.demo.workspace.views import open_view, publish_home, push_view, update_view
from bot.demo.workspace.web_api import Call, Method
from bot.demo.workspace.wire import Json, SlackError

FILE_LIMIT_BYTES = 1 << 30
PROMPTS_LIMIT = 4


def _trigger(call: Call) -> str:
    trigger_id = call.text("trigger_id")
    if not trigger_id:
        raise SlackError("invalid_arguments")
    return call.core.state.use_trigger(trigger_id)


def views_open(call: Call) -> Json:
    """views.open."""
    return {"view": open_view(call.core, _trigger(call), call.arguments.get("view") or {})}


def views_push(call: Call) -> Json:
    """views.push."""
    return {"view": push_view(call.core, _trigger(call), call.arguments.get("view") or {})}


def views_update(call: Call) -> Json:
    """views.update."""
    ref = {key: call.text(key) for key in ("view_id", "external_id", "hash")}
    if not (ref["view_id"] or ref["external_id"]):
        raise SlackError("invalid_arguments")
    return {"view": update_view(call.core, ref, call.arguments.get("view") or {})}


def views_publish(call: Call) -> Json:
    """views.publish."""
    view = call.arguments.get("view") or {}
    return {"view": publish_home(call.core, call.need("user_id"), view, expected=call.text("hash") or None)}


def upload_url(call: Call) -> Json:
    """files.getUploadURLExternal."""
    name, length = call.need("filename"), call.text("length")
    if not length.isdigit() or not 0 < int(length) <= FILE_LIMIT_BYTES:
        raise SlackError("invalid_arguments")
    file_id = call.core.state.new_id("F")
    url = f"{call.core.base_url}/files/{file_id}/{name}"
    call.core.state.files[file_id] = {
        "id": file_id, "name": name, "title": name, "size": int(length), "user": BOT_USER_ID, "alt_txt":
        call.text("alt_txt"), "mimetype": "application/octet-stream", "filetype": name.rpartition(".")[2],
        "url_private": url, "permalink": url, "is_external": False, "mode": "pending", "channels": [],
    }  # fmt: skip
    return {"upload_url": f"{call.core.base_url}/upload/{file_id}", "file_id": file_id}


def complete_upload(call: Call) -> Json:
    """files.completeUploadExternal: shares the files when a channel is given."""
    wanted = call.arguments.get("files")
    if not isinstance(wanted, list) or not wanted:
        raise SlackError("invalid_arguments")
    files = []
    for item in wanted:
        file = call.core.state.files.get(str(item.get("id")))
        if file is None or file["id"] not in call.core.state.contents:
            raise SlackError("file_not_found")
        file.update(mode="hosted", title=item.get("title") or file["name"])
        files.append(file)
    if call.text("channel_id"):
        _share(call, files)
    return {"files": files}


def _share(call: Call, files: list[Json]) -> None:
    channel = call.own_channel("channel_id")
    message = {"text": call.text("initial_comment"), "files": files, "subtype": "file_share", "upload": True}
    stored = post(call.core, channel, message, thread_ts=call.text("thread_ts") or None)
    for file in files:
        file["channels"].append(channel.id)
        shares = file.setdefault("shares", {"public": {}})["public"].setdefault(channel.id, [])
        shares.append({"ts": stored["ts"], "thread_ts": stored.get("thread_ts")})


def files_info(call: Call) -> Json:
    """files.info."""
    file = call.core.state.files.get(call.need("file"))
    if file is None:
        raise SlackError("file_not_found")
    return {"file": file, "comments": [], "response_metadata": {"next_cursor": ""}}


def set_status(call: Call) -> Json:
    """assistant.threads.setStatus: the line under a thread while the bot works; empty takes it away."""
    channel = call.own_channel("channel_id")
    thread_ts, status = call.need("thread_ts"), call.text("status")
    key = f"{channel.id}/{thread_ts}"
    if status:
        call.core.state.statuses[key] = {"channel": channel.id, "thread_ts": thread_ts, "status": status}
    else:
        call.core.state.statuses.pop(key, None)
    call.core.feed.publish("status", {"channel": channel.id, "thread_ts": thread_ts, "status": status})
    return {}


def set_title(call: Call) -> Json:
    """assistant.threads.setTitle."""
    call.own_channel("channel_id")
    call.need("thread_ts")
    call.need("title")
    return {}


def set_prompts(call: Call) -> Json:
    """assistant.threads.setSuggestedPrompts: at most four."""
    channel = call.own_channel("channel_id")
    prompts = call.arguments.get("prompts")
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= PROMPTS_LIMIT:
        raise SlackError("invalid_arguments")
    if any(not isinstance(p, dict) or not p.get("title") or not p.get("message") for p in prompts):
        raise SlackError("invalid_arguments")
    body = {"channel": channel.id, "title": call.text("title"), "prompts": prompts}
    call.core.state.prompts[channel.id] = body
    call.core.feed.publish("prompts", body)
    return {}


ASSISTANT = ("assistant:write", "chat:write")
METHODS = {
    "views.open": Method(views_open),
    "views.push": Method(views_push),
    "views.update": Method(views_update),
    "views.publish": Method(views_publish),
    "files.getUploadURLExternal": Method(upload_url, ("files:write",)),
    "files.completeUploadExternal": Method(complete_upload, ("files:write",)),
    "files.info": Method(files_info, ("files:read",)),
    "assistant.threads.setStatus": Method(set_status, ASSISTANT),
    "assistant.threads.setTitle": Method(set_title, ASSISTANT),
    "assistant.threads.setSuggestedPrompts": Method(set_prompts, ASSISTANT),
}
