"""Web API methods that read: auth.*, conversations.*, users.*, usergroups.*, bots.*."""

from __future__ import annotations

import base64
from typing import Any

from bot.demo.workspace.config import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID, Person
from bot.demo.workspace.core import without_metadata
from bot.demo.workspace.web_api import Call, Method
from bot.demo.workspace.wire import Json, SlackError

READ = ("channels:read", "groups:read", "im:read", "mpim:read")
HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")


def auth_test(call: Call) -> Json:
    """auth.test."""
    return {
        "url": call.core.base_url + "/", "team": call.core.config.team_name, "team_id": TEAM_ID, "user": "inquest",
        "user_id": BOT_USER_ID, "bot_id": BOT_ID, "is_enterprise_install": False,
    }  # fmt: skip


def connections_open(call: Call) -> Json:
    """apps.connections.open: a fresh single-use WebSocket address."""
    if call.core.sockets.deny:
        raise SlackError("internal_error")
    base = call.core.base_url.replace("http", "ws", 1)
    return {"url": f"{base}/link/?ticket={call.core.sockets.new_ticket()}&app_id={APP_ID}"}


def page(call: Call, values: list[Any], *, default: int, most: int) -> tuple[list[Any], Json]:
    """One page of a list and the cursor of the next."""
    limit = call.number("limit", default, most=most)
    start = 0
    if call.text("cursor"):
        try:
            start = int(base64.b64decode(call.text("cursor"), validate=True).decode().removeprefix("offset:"))
        except ValueError:
            raise SlackError("invalid_cursor") from None
    more = start + limit < len(values)
    cursor = base64.b64encode(f"offset:{start + limit}".encode()).decode() if more else ""
    return values[start : start + limit], {"response_metadata": {"next_cursor": cursor}}


def conversations_list(call: Call) -> Json:
    """conversations.list."""
    kinds = call.text("types", "public_channel").replace(" ", "").split(",")
    found = []
    for channel in call.core.state.channels.values():
        kind = "im" if channel.is_im else "private_channel" if channel.is_private else "public_channel"
        hidden = channel.is_private and BOT_USER_ID not in channel.members
        if kind in kinds and not hidden:
            found.append(channel.wire())
    shown, meta = page(call, found, default=100, most=1_000)
    return {"channels": shown, **meta}


def conversations_info(call: Call) -> Json:
    """conversations.info."""
    return {"channel": call.channel().wire()}


def conversations_members(call: Call) -> Json:
    """conversations.members."""
    shown, meta = page(call, sorted(call.channel().members), default=100, most=1_000)
    return {"members": shown, **meta}


def conversations_join(call: Call) -> Json:
    """conversations.join."""
    channel = call.channel()
    if channel.is_im or channel.is_private:
        raise SlackError("method_not_supported_for_channel_type")
    known = BOT_USER_ID in channel.members
    channel.members.add(BOT_USER_ID)
    call.core.feed.publish("channel", {"channel": channel.id})
    return {"channel": channel.wire(), **({"warning": "already_in_channel"} if known else {})}


def conversations_open(call: Call) -> Json:
    """conversations.open: the direct conversation with one person."""
    users = [user for user in call.text("users").split(",") if user]
    if len(users) != 1:
        raise SlackError("users_list_not_supplied" if not users else "too_many_users")
    if users[0] not in call.core.state.people:
        raise SlackError("user_not_found")
    channel = call.core.state.channel(users[0])
    return {"channel": channel.wire() if call.flag("return_im") else {"id": channel.id}, "already_open": True}


def _seen(call: Call, message: Json) -> Json:
    if call.flag("include_all_metadata"):
        return {k: v for k, v in message.items() if k != "streaming" and v is not None}
    return without_metadata(message)


def _in_window(call: Call, messages: list[Json]) -> list[Json]:
    oldest, latest = call.text("oldest", "0"), call.text("latest") or "9" * 10
    if call.flag("inclusive"):
        return [m for m in messages if float(oldest) <= float(m["ts"]) <= float(latest)]
    return [m for m in messages if float(oldest) < float(m["ts"]) < float(latest)]


def history(call: Call) -> Json:
    """conversations.history: newest first, without replies."""
    channel = call.own_channel()
    top = [
        m for m in channel.messages.values()
        if m.get("thread_ts", m["ts"]) == m["ts"] or m.get("subtype") == "thread_broadcast"
    ]  # fmt: skip
    shown, meta = page(call, list(reversed(_in_window(call, top))), default=100, most=999)
    return {
        "messages": [_seen(call, m) for m in shown],
        "has_more": bool(meta["response_metadata"]["next_cursor"]),
        "pin_count": 0,
        **meta,
    }


def replies(call: Call) -> Json:
    """conversations.replies: the parent, then the replies, oldest first."""
    channel = call.own_channel()
    thread = call.core.state.thread(channel, call.need("ts"))
    if call.need("ts") not in channel.messages:
        raise SlackError("thread_not_found")
    found = [_seen(call, m) for m in [thread[0], *_in_window(call, thread[1:])]]
    shown, meta = page(call, found, default=1_000, most=1_000)
    return {"messages": shown, "has_more": bool(meta["response_metadata"]["next_cursor"]), **meta}


def user_wire(person: Person) -> Json:
    """The user object of the Web API."""
    profile = {"real_name": person.real_name, "display_name": person.name, "title": person.title}
    profile |= {"email": f"{person.name}@acme.example", "team": person.team_id}
    return {
        "id": person.id, "team_id": person.team_id, "name": person.name, "real_name": person.real_name,
        "deleted": False, "tz": person.tz, "tz_label": person.tz, "tz_offset": 0, "profile": profile,
        "is_admin": person.is_admin, "is_owner": False, "is_primary_owner": False, "is_restricted": person.is_guest,
        "is_ultra_restricted": False, "is_bot": False, "is_app_user": False, "is_email_confirmed": True,
        "is_stranger": person.team_id != TEAM_ID, "locale": "en-GB", "updated": 1_700_000_000,
    }  # fmt: skip


def _bot_user() -> Json:
    robot = Person(BOT_USER_ID, "inquest", "Inquest")
    return {**user_wire(robot), "is_bot": True, "is_app_user": False}


def users_info(call: Call) -> Json:
    """users.info."""
    user = call.need("user")
    if user == BOT_USER_ID:
        return {"user": _bot_user()}
    if user not in call.core.state.people:
        raise SlackError("user_not_found")
    return {"user": user_wire(call.core.state.people[user])}


def users_list(call: Call) -> Json:
    """users.list."""
    everybody = [*map(user_wire, call.core.state.people.values()), _bot_user()]
    shown, meta = page(call, everybody, default=1_000, most=1_000)
    return {"members": shown, "cache_ts": int(call.core.clock.now_s()), **meta}


def users_by_email(call: Call) -> Json:
    """users.lookupByEmail."""
    for person in map(user_wire, call.core.state.people.values()):
        if person["profile"]["email"] == call.need("email"):
            return {"user": person}
    raise SlackError("users_not_found")


def usergroups_list(call: Call) -> Json:
    """usergroups.list."""
    groups = []
    for group_id, handle, users in call.core.config.usergroups:
        group: Json = {"id": group_id, "team_id": TEAM_ID, "is_usergroup": True, "handle": handle, "name": handle}
        if call.flag("include_users"):
            group["users"] = list(users)
        groups.append({**group, "user_count": len(users), "date_delete": 0})
    return {"usergroups": groups}


def usergroup_users(call: Call) -> Json:
    """usergroups.users.list."""
    wanted = call.need("usergroup")
    for group_id, _, users in call.core.config.usergroups:
        if group_id == wanted:
            return {"users": list(users)}
    raise SlackError("no_such_subteam")


def bots_info(call: Call) -> Json:
    """bots.info."""
    if call.text("bot", BOT_ID) != BOT_ID:
        raise SlackError("bot_not_found")
    bot = {"id": BOT_ID, "app_id": APP_ID, "user_id": BOT_USER_ID, "name": "inquest", "deleted": False}
    return {"bot": {**bot, "updated": 1_700_000_000, "icons": {}}}


METHODS = {
    "auth.test": Method(auth_test),
    "apps.connections.open": Method(connections_open, app_token=True),
    "conversations.list": Method(conversations_list, READ),
    "conversations.info": Method(conversations_info, READ),
    "conversations.members": Method(conversations_members, READ),
    "conversations.join": Method(conversations_join, ("channels:join",)),
    "conversations.open": Method(conversations_open, ("im:write",)),
    "conversations.history": Method(history, HISTORY),
    "conversations.replies": Method(replies, HISTORY),
    "users.info": Method(users_info, ("users:read",)),
    "users.list": Method(users_list, ("users:read",)),
    "users.lookupByEmail": Method(users_by_email, ("users:read.email",)),
    "usergroups.list": Method(usergroups_list, ("usergroups:read",)),
    "usergroups.users.list": Method(usergroup_users, ("usergroups:read",)),
    "bots.info": Method(bots_info, ("users:read",)),
}
