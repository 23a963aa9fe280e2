"""What people do in the workspace: say, run a command, press, submit, open. Each becomes a delivery."""

from __future__ import annotations

import uuid
from typing import Any

from bot.demo.workspace.config import APP_ID, TEAM_ID, Person
from bot.demo.workspace.core import Core, without_metadata
from bot.demo.workspace.elements import action_of, default_state, find_element
from bot.demo.workspace.posting import post_answer
from bot.demo.workspace.socket_mode import Answer
from bot.demo.workspace.state import Channel
from bot.demo.workspace.views import answer_view, closed_view
from bot.demo.workspace.wire import Json, SlackError

TIMED_OUT = "operation_timeout"
UNREACHABLE = "app_unreachable"


class People:
    """Actions of members, as the control API and the page ask for them."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def say(self, body: Json) -> Json:
        """Post a message as a person; mentions may be written `@inquest` or as `<@U…>`."""
        person = self.core.state.person(body["user"])
        channel = self._visible(body["channel"], person)
        text = str(body.get("text", ""))
        message = {"user": person.id, "text": text, "client_msg_id": str(uuid.uuid4())}
        if body.get("thread_ts"):
            message["thread_ts"] = body["thread_ts"]
        for key in ("blocks", "attachments", "subtype", "username", "bot_id"):
            if body.get(key):
                message[key] = body[key]
        message = self.core.state.add_message(channel, message)
        self.core.message_event(channel, message)
        return message

    def _visible(self, ref: str, person: Person) -> Channel:
        channel = self.core.state.channel(ref)
        if person.id not in channel.members:
            raise SlackError("channel_not_found")
        return channel

    async def command(self, body: Json) -> Json:
        """Run a slash command; the error a person would see comes back as `error`."""
        person = self.core.state.person(body["user"])
        channel = self._visible(body["channel"], person)
        name = str(body["command"])
        if name not in {c.name for c in self.core.config.commands}:
            return {"error": "unknown_command", "text": f"{name} is not a valid command."}
        url = self.core.state.new_response_url(channel.id, person.id)
        payload: Json = {
            "token": self.core.verification_token,
            "team_id": TEAM_ID,
            "team_domain": self.core.config.team_domain,
            "channel_id": channel.id,
            "channel_name": "directmessage" if channel.is_im else channel.name,
            "user_id": person.id,
            "user_name": person.name,
            "command": name,
            "text": str(body.get("text", "")),
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": self._response_url(url.token),
            "trigger_id": self.core.state.new_trigger(person.id),
        }
        answer = await self._deliver("slash_commands", payload)
        if not answer.ok:
            return self._failed(answer, person, f"{name} failed with the error “{_error(answer)}”")
        if answer.payload and (answer.payload.get("text") or answer.payload.get("blocks")):
            post_answer(self.core, channel, person.id, answer.payload)
        return {"error": None, "trigger_id": payload["trigger_id"]}

    async def click(self, body: Json) -> Json:
        """Use an element of a message, an ephemeral message or the Home tab.

        `seen`: the blocks as this person's client still shows them, when the message was edited meanwhile.
        """
        person = self.core.state.person(body["user"])
        if body.get("view_id"):
            return await self._click_view(person, body)
        channel, message = self._message(body)
        shown = body.get("seen") or message.get("blocks", [])
        element, block_id = find_element(shown, body["action_id"], body.get("block_id"))
        url = self.core.state.new_response_url(channel.id, person.id, message=message)
        ephemeral = bool(message.get("is_ephemeral"))
        container = {"type": "message", "message_ts": message["ts"], "channel_id": channel.id}
        container["is_ephemeral"] = ephemeral
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        payload = self._interaction("block_actions", person) | {
            "container": container,
            "channel": {"id": channel.id, "name": "directmessage" if channel.is_im else channel.name},
            "state": {"values": body.get("state") or default_state(message.get("blocks", []))},
            "response_url": self._response_url(url.token),
            "actions": [action_of(element, block_id, body, self.core.state.new_ts())],
        }
        if not ephemeral:
            payload["message"] = without_metadata(message)
        return await self._interact(payload, person)

    def _message(self, body: Json) -> tuple[Channel, Json]:
        channel = self.core.state.channel(body["channel"])
        ts = str(body["ts"])
        message = channel.messages.get(ts) or self.core.state.ephemerals.get(ts)
        if message is None:
            raise SlackError("message_not_found")
        return channel, message

    async def _click_view(self, person: Person, body: Json) -> Json:
        view = self._view(person, body["view_id"])
        element, block_id = find_element(view["blocks"], body["action_id"], body.get("block_id"))
        shown = {**view, "state": {"values": body.get("state") or default_state(view["blocks"])}}
        payload = self._interaction("block_actions", person) | {
            "container": {"type": "view", "view_id": view["id"]},
            "view": shown,
            "actions": [action_of(element, block_id, body, self.core.state.new_ts())],
        }
        return await self._interact(payload, person)

    def _view(self, person: Person, view_id: str) -> Json:
        home = self.core.state.homes.get(person.id)
        stack = self.core.state.modals.get(person.id, [])
        for view in (*stack, *([home] if home else [])):
            if view["id"] == view_id:
                return view
        raise SlackError("view_not_found")

    async def submit(self, body: Json) -> Json:
        """Send the topmost modal; `errors` by block id come back when the app refuses the input.

        `forge` replaces fields of the view, as an attacker would.
        """
        person = self.core.state.person(body["user"])
        stack = self.core.state.modals.get(person.id, [])
        if not stack:
            raise SlackError("view_not_found")
        view = self._view(person, body["view_id"]) if body.get("view_id") else stack[-1]
        values = default_state(view["blocks"])
        for block_id, actions in (body.get("values") or {}).items():
            values.setdefault(block_id, {}).update(actions)
        payload = self._interaction("view_submission", person)
        forged = dict(body.get("forge") or {})
        payload |= {"view": {**view, "state": {"values": values}, **forged}, "response_urls": []}
        answer = await self._deliver("interactive", payload)
        if not answer.ok:
            text = "We had some trouble connecting. Try again?"
            return {"error": _error(answer), "text": text}
        return answer_view(self.core, person.id, view, answer.payload)

    async def close(self, body: Json) -> Json:
        """Dismiss the topmost modal, or all of them with `clear`."""
        person = self.core.state.person(body["user"])
        for view in closed_view(self.core, person.id, is_cleared=bool(body.get("clear"))):
            payload = self._interaction("view_closed", person)
            payload.pop("trigger_id")
            payload |= {"view": view, "is_cleared": bool(body.get("clear"))}
            await self._deliver("interactive", payload)
        return {"error": None}

    async def shortcut(self, body: Json) -> Json:
        """Use a message shortcut."""
        person = self.core.state.person(body["user"])
        channel, message = self._message(body)
        url = self.core.state.new_response_url(channel.id, person.id, message=message)
        payload = self._interaction("message_action", person) | {
            "callback_id": body.get("callback_id") or self.core.config.shortcuts[0].callback_id,
            "action_ts": self.core.state.new_ts(),
            "message_ts": message["ts"],
            "channel": {"id": channel.id, "name": "directmessage" if channel.is_im else channel.name},
            "message": without_metadata(message),
            "response_url": self._response_url(url.token),
        }
        payload.pop("container", None)
        return await self._interact(payload, person)

    def open_home(self, body: Json) -> Json:
        """Open the app: `tab` is home or messages."""
        person = self.core.state.person(body["user"])
        event: Json = {"type": "app_home_opened", "user": person.id, "channel": person.dm_id}
        event["tab"] = body.get("tab", "home")
        home = self.core.state.homes.get(person.id)
        if home and event["tab"] == "home":
            event["view"] = home
        self.core.event("app_home_opened", event)
        return {"view": home}

    def react(self, body: Json) -> Json:
        """Add a reaction as a person."""
        person = self.core.state.person(body["user"])
        channel, message = self._message(body)
        name = str(body["name"]).strip(":")
        reaction = _reaction(message, name)
        if person.id not in reaction["users"]:
            reaction["users"].append(person.id)
            reaction["count"] = len(reaction["users"])
            item = {"type": "message", "channel": channel.id, "ts": message["ts"]}
            event = {"type": "reaction_added", "user": person.id, "reaction": name, "item": item}
            self.core.event("reaction_added", {**event, "item_user": message["user"]})
        self.core.state.announce(channel, message["ts"])
        return {"error": None}

    def _interaction(self, kind: str, person: Person) -> Json:
        user = {"id": person.id, "username": person.name, "name": person.name, "team_id": person.team_id}
        return {
            "type": kind,
            "token": self.core.verification_token,
            "api_app_id": APP_ID,
            "team": {"id": TEAM_ID, "domain": self.core.config.team_domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": user,
            "trigger_id": self.core.state.new_trigger(person.id),
        }

    def _response_url(self, token: str) -> str:
        return f"{self.core.base_url}/response/{token}"

    async def _deliver(self, kind: str, payload: Json) -> Answer:
        return await self.core.courier.once(kind, payload, delivery_id=str(uuid.uuid4()))

    async def _interact(self, payload: Json, person: Person) -> Json:
        answer = await self._deliver("interactive", payload)
        if not answer.ok:
            return self._failed(answer, person, "This app did not answer in time. Try again?")
        return {"error": None, "trigger_id": payload["trigger_id"]}

    def _failed(self, answer: Answer, person: Person, text: str) -> Json:
        error = _error(answer)
        self.core.feed.publish("toast", {"user": person.id, "error": error, "text": text})
        return {"error": error, "text": text}


def _error(answer: Answer) -> str:
    if answer.reason in {"timeout", "http_timeout"}:
        return TIMED_OUT
    return UNREACHABLE if answer.reason == "connection_failed" else "dispatch_failed"


def _reaction(message: Json, name: str) -> dict[str, Any]:
    reactions: list[Json] = message.setdefault("reactions", [])
    for reaction in reactions:
        if reaction["name"] == name:
            return reaction
    reactions.append({"name": name, "users": [], "count": 0})
    return reactions[-1]
