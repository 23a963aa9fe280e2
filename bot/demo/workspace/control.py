"""The control API: drives the workspace from tests and from its page. JSON in, JSON out, loopback only."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.demo.workspace.config import BOT_ID, BOT_USER_ID, TEAM_ID, Person
from bot.demo.workspace.core import Core, without_metadata
from bot.demo.workspace.methods_read import user_wire
from bot.demo.workspace.people import People
from bot.demo.workspace.wire import Json, SlackError

Action = Callable[[Json], Json | Awaitable[Json]]
POLL_LIMIT_S = 60.0
HEARTBEAT_S = 15.0


class Control:
    """Every route under `/control`."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.people = People(core)
        self.actions: dict[str, Action] = {
            "say": self.people.say,
            "command": self.people.command,
            "click": self.people.click,
            "submit": self.people.submit,
            "close": self.people.close,
            "shortcut": self.people.shortcut,
            "home": self.people.open_home,
            "react": self.people.react,
            "outage": self.outage,
            "tiers": self.tiers,
            "clock": self.clock,
            "scopes": self.scopes,
            "blocks": self.blocks,
            "delivery": self.delivery,
            "sockets": self.sockets,
            "redeliver": self.redeliver,
            "members": self.members,
            "person": self.person,
            "forget": self.forget,
            "dismiss": self.dismiss,
            "ledger/clear": self.clear_ledger,
        }

    def routes(self) -> list[web.RouteDef]:
        """What aiohttp serves."""
        return [
            web.post("/control/{action:[a-z/]+}", self.act),
            web.get("/control/state", self.read_state),
            web.get("/control/messages", self.read_messages),
            web.get("/control/ledger", self.read_ledger),
            web.get("/control/changes", self.read_changes),
            web.get("/control/stream", self.stream),
        ]

    async def act(self, request: web.Request) -> web.Response:
        """One action; a refusal is answered with status 400 and Slack's error name."""
        action = self.actions.get(request.match_info["action"])
        if action is None:
            return web.json_response({"ok": False, "error": "unknown_action"}, status=404)
        if request.content_type != "application/json":
            # A form could be sent here by any page in the same browser; JSON cannot without permission.
            return web.json_response({"ok": False, "error": "json_wanted"}, status=415)
        try:
            body = await request.json()
            answer = action(body)
            result = answer if isinstance(answer, dict) else await answer
        except SlackError as error:
            return web.json_response(error.body(), status=400)
        except (KeyError, ValueError, TypeError) as error:
            return web.json_response({"ok": False, "error": "bad_request", "detail": repr(error)}, status=400)
        return web.json_response({"ok": True, **result})

    def outage(self, body: Json) -> Json:
        """`{mode, methods, after, status, error, delay_s, times}` or `{clear: true}`."""
        if body.get("clear"):
            self.core.faults.clear()
            return {}
        self.core.faults.add(body)
        return {}

    def tiers(self, body: Json) -> Json:
        """`{on, overrides: {method: per_minute}, reset}`."""
        tiers = self.core.tiers
        tiers.on = bool(body.get("on", tiers.on))
        self.core.courier.limit_events = tiers.on
        tiers.overrides.update(body.get("overrides") or {})
        if body.get("reset"):
            tiers.reset()
        return {"on": tiers.on}

    def clock(self, body: Json) -> Json:
        """`{scale}`: Slack seconds in one second of the wall; `{ack_timeout_s}` in seconds of the wall."""
        if "scale" in body:
            self.core.clock.rescale(float(body["scale"]))
        if "ack_timeout_s" in body:
            self.core.sockets.ack_timeout_s = self.core.http.ack_timeout_s = float(body["ack_timeout_s"])
        return {"scale": self.core.clock.scale, "ack_timeout_s": self.core.sockets.ack_timeout_s}

    def scopes(self, body: Json) -> Json:
        """`{set: [...]}`, `{add: [...]}` or `{remove: [...]}`."""
        if "set" in body:
            self.core.scopes.clear()
        self.core.scopes.update(body.get("set") or [], body.get("add") or [])
        self.core.scopes.difference_update(body.get("remove") or [])
        return {"scopes": sorted(self.core.scopes)}

    def blocks(self, body: Json) -> Json:
        """`{refuse: [block types]}`: what this workspace does not know yet."""
        self.core.refused_blocks.clear()
        self.core.refused_blocks.update(body.get("refuse") or [])
        return {"refused": sorted(self.core.refused_blocks)}

    def delivery(self, body: Json) -> Json:
        """`{request_url}`: signed HTTP there (a list: one of them at random), or Socket Mode when null.

        `{copies, jitter_s}`: deliver everything that many times more, each after up to `jitter_s` wall seconds.
        """
        courier = self.core.courier
        if "request_url" in body:
            courier.request_urls = _texts(body["request_url"])
            self.core.bot_changed()
        courier.copies = int(body.get("copies", courier.copies))
        courier.jitter_s = float(body.get("jitter_s", courier.jitter_s))
        return {"request_urls": courier.request_urls, "copies": courier.copies, "jitter_s": courier.jitter_s}

    async def sockets(self, body: Json) -> Json:
        """`{action, connection}`: warning, refresh_requested, link_disabled, close, abort, deaf, half_open, …"""
        struck = 0
        if body.get("action"):
            struck = await self.core.sockets.command(body["action"], body.get("connection"))
        alive = [{"id": c.id, "deaf": c.deaf, "half_open": c.half_open} for c in self.core.sockets.connections]
        return {"struck": struck, "connections": alive, "opened": self.core.sockets.opened}

    async def redeliver(self, body: Json) -> Json:
        """`{delivery_id, times}`: the same delivery again, as at-least-once allows."""
        answers = await self.core.courier.again(body["delivery_id"], int(body.get("times", 1)))
        return {"acked": sum(a.ok for a in answers)}

    def members(self, body: Json) -> Json:
        """`{channel, add: [...], remove: [...]}`; the bot's name is `inquest`."""
        channel = self.core.state.channel(body["channel"])
        for user in body.get("add") or []:
            user_id = self._user_id(user)
            if user_id not in channel.members:
                channel.members.add(user_id)
                event = {"type": "member_joined_channel", "user": user_id, "channel": channel.id}
                self.core.event("member_joined_channel", {**event, "channel_type": "C", "team": TEAM_ID})
        for user in body.get("remove") or []:
            channel.members.discard(self._user_id(user))
        self.core.feed.publish("channel", {"channel": channel.id})
        return {"members": sorted(channel.members)}

    def _user_id(self, ref: str) -> str:
        return BOT_USER_ID if ref in {"inquest", BOT_USER_ID} else self.core.state.person(ref).id

    def person(self, body: Json) -> Json:
        """Add somebody: the fields of `Person`."""
        fields = {f.name for f in dataclasses.fields(Person)}
        person = Person(**{key: value for key, value in body.items() if key in fields})
        self.core.state.add_person(person)
        self.core.feed.publish("people", {"user": person.id})
        return {"user": user_wire(person)}

    def forget(self, body: Json) -> Json:
        """`{channel, ts}`: a message vanishes with no trace, as by retention or an admin."""
        channel = self.core.state.channel(body["channel"])
        self.core.state.forget(channel, body["ts"])
        self.core.state.announce(channel, body["ts"])
        return {}

    def dismiss(self, body: Json) -> Json:
        """`{ts}`: a person closes an ephemeral message."""
        self.core.state.drop_ephemeral(body["ts"])
        return {}

    def clear_ledger(self, _body: Json) -> Json:
        """Start a new measurement."""
        self.core.ledger.clear()
        return {}

    async def read_state(self, _request: web.Request) -> web.Response:
        """Everything the page shows."""
        state = self.core.state
        return web.json_response(
            {
                "seq": self.core.feed.seq,
                "team": {"id": TEAM_ID, "name": self.core.config.team_name},
                "bot": {"id": BOT_USER_ID, "bot_id": BOT_ID, "name": "inquest"},
                "people": [user_wire(p) for p in state.people.values()],
                "usergroups": [{"id": g, "handle": h} for g, h, _ in self.core.config.usergroups],
                "channels": [
                    {**c.wire(), "members": sorted(c.members), "topic": c.topic, "user": c.user}
                    for c in state.channels.values()
                ],
                "commands": [dataclasses.asdict(c) for c in self.core.config.commands],
                "shortcuts": [dataclasses.asdict(s) for s in self.core.config.shortcuts],
                "messages": {c.id: [without_metadata(m) for m in c.messages.values()] for c in state.channels.values()},
                "ephemerals": list(state.ephemerals.values()),
                "modals": state.modals,
                "homes": state.homes,
                "statuses": list(state.statuses.values()),
                "prompts": list(state.prompts.values()),
                "connections": len(self.core.sockets.connections),
                "request_url": next(iter(self.core.courier.request_urls), None),
            }
        )

    async def read_messages(self, request: web.Request) -> web.Response:
        """`?channel=&thread_ts=`: messages with their metadata, oldest first."""
        try:
            channel = self.core.state.channel(request.query.get("channel", ""))
        except SlackError as error:
            return web.json_response(error.body(), status=400)
        thread_ts = request.query.get("thread_ts")
        found = self.core.state.thread(channel, thread_ts) if thread_ts else list(channel.messages.values())
        ephemerals = [m for m in self.core.state.ephemerals.values() if m["channel"] == channel.id]
        return web.json_response({"ok": True, "messages": found, "ephemerals": ephemerals})

    async def read_ledger(self, request: web.Request) -> web.Response:
        """`?after=&method=`: what was called and delivered; `?tally=1` for the counts alone."""
        if request.query.get("tally"):
            return web.json_response({"ok": True, "tally": self.core.ledger.tally()})
        after = int(request.query.get("after", "0"))
        return web.json_response({"ok": True, **self.core.ledger.read(after=after, method=request.query.get("method"))})

    async def read_changes(self, request: web.Request) -> web.Response:
        """`?after=&wait_s=`: long poll of the change feed."""
        after = int(request.query.get("after", "0"))
        wait_s = min(float(request.query.get("wait_s", "0")), POLL_LIMIT_S)
        await self.core.feed.wait(after, timeout_s=wait_s)
        changes, lost = self.core.feed.since(after)
        body = [{"seq": seq, **change} for seq, change in changes]
        return web.json_response({"ok": True, "seq": self.core.feed.seq, "lost": lost, "changes": body})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events of the change feed, resumable by Last-Event-ID."""
        after = int(request.headers.get("Last-Event-ID") or request.query.get("after", str(self.core.feed.seq)))
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(b": simulation\n\n")
        try:
            while True:
                if not await self.core.feed.wait(after, timeout_s=HEARTBEAT_S):
                    await response.write(b": still here\n\n")
                    continue
                changes, lost = self.core.feed.since(after)
                if lost:
                    await response.write(b"event: reset\ndata: {}\n\n")
                for seq, change in changes:
                    await response.write(f"id: {seq}\ndata: {json.dumps(change)}\n\n".encode())
                after = self.core.feed.seq
        except (ConnectionResetError, asyncio.CancelledError):
            return response


def _texts(value: str | list[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
