"""Modals and the Home tab: the stack a person sees, and what the app may do with it."""

from __future__ import annotations

import copy
import secrets

from bot.demo.workspace.config import APP_ID, BOT_ID, TEAM_ID
from bot.demo.workspace.core import Core
from bot.demo.workspace.elements import fill_ids
from bot.demo.workspace.validate import check_view
from bot.demo.workspace.wire import Json, SlackError

STACK = 3


def make_view(core: Core, body: Json, *, kind: str, old: Json | None = None) -> Json:
    """A checked view with Slack's own fields around it."""
    check_view(body, kind=kind, refused=core.refused_blocks, files=core.state.files)
    view = {
        "callback_id": "", "private_metadata": "", "external_id": "", "clear_on_close": False,
        "notify_on_close": False, "title": None, "submit": None, "close": None, "submit_disabled": False,
        **copy.deepcopy(body),
    }  # fmt: skip
    fill_ids(view["blocks"])
    view_id = old["id"] if old else core.state.new_id("V")
    view |= {"id": view_id, "team_id": TEAM_ID, "app_id": APP_ID, "bot_id": BOT_ID, "state": {"values": {}}}
    view |= {"app_installed_team_id": TEAM_ID, "hash": f"{core.state.new_ts()}.{secrets.token_hex(4)}"}
    view |= {"root_view_id": old["root_view_id"] if old else view_id}
    view |= {"previous_view_id": old["previous_view_id"] if old else None}
    return view


def show(core: Core, user: str) -> None:
    """Tell followers what a person's stack looks like now."""
    core.feed.publish("modals", {"user": user, "views": core.state.modals.get(user, [])})


def open_view(core: Core, user: str, body: Json) -> Json:
    """Put one modal in front of a person, in place of any stack."""
    view = make_view(core, body, kind="modal")
    core.state.modals[user] = [view]
    show(core, user)
    return view


def push_view(core: Core, user: str, body: Json) -> Json:
    """Put one more modal on top; three at most."""
    stack = core.state.modals.setdefault(user, [])
    if not stack:
        raise SlackError("not_found")
    if len(stack) >= STACK:
        raise SlackError("push_limit_reached")
    view = make_view(core, body, kind="modal")
    view |= {"root_view_id": stack[0]["id"], "previous_view_id": stack[-1]["id"]}
    stack.append(view)
    show(core, user)
    return view


def update_view(core: Core, ref: Json, body: Json) -> Json:
    """Replace a view found by `view_id` or `external_id`; `hash` guards against a lost race."""
    for user, stack in core.state.modals.items():
        for place, view in enumerate(stack):
            wanted = (
                ref.get("view_id") == view["id"] if ref.get("view_id") else ref["external_id"] == view["external_id"]
            )
            if not wanted:
                continue
            if ref.get("hash") and ref["hash"] != view["hash"]:
                raise SlackError("hash_conflict")
            stack[place] = make_view(core, body, kind="modal", old=view)
            show(core, user)
            return stack[place]
    raise SlackError("not_found")


def publish_home(core: Core, user: str, body: Json, *, expected: str | None) -> Json:
    """Set a person's Home tab."""
    if user not in core.state.people:
        raise SlackError("not_found")
    old = core.state.homes.get(user)
    if expected and old and expected != old["hash"]:
        raise SlackError("hash_conflict")
    view = make_view(core, body, kind="home", old=old)
    core.state.homes[user] = view
    core.feed.publish("home", {"user": user, "view": view})
    return view


def answer_view(core: Core, user: str, view: Json, payload: Json | None) -> Json:
    """Do what the acknowledgement of a submission asks for; field errors come back to the person."""
    action = (payload or {}).get("response_action")
    stack = core.state.modals.get(user, [])
    if action == "errors":
        return {"error": None, "errors": (payload or {}).get("errors", {})}
    if action == "clear":
        stack.clear()
    elif action in {"update", "push"}:
        return _follow(core, user, view, payload or {})
    else:
        core.state.modals[user] = [v for v in stack if v["id"] != view["id"]]
    show(core, user)
    return {"error": None, "errors": {}}


def _follow(core: Core, user: str, view: Json, payload: Json) -> Json:
    try:
        if payload["response_action"] == "update":
            update_view(core, {"view_id": view["id"]}, payload["view"])
        else:
            push_view(core, user, payload["view"])
    except SlackError as error:
        return {"error": error.error, "text": "We had some trouble connecting. Try again?"}
    return {"error": None, "errors": {}}


def closed_view(core: Core, user: str, *, is_cleared: bool) -> list[Json]:
    """Take the topmost view away (or all); those whose app wants to hear of it."""
    stack = core.state.modals.get(user, [])
    gone: list[Json] = []
    if stack:
        top = stack[-1]
        count = len(stack) if is_cleared or top.get("clear_on_close") else 1
        gone = [stack.pop() for _ in range(count)]
    show(core, user)
    return [view for view in gone if view.get("notify_on_close")]
