"""The Web API: authentication, scopes, rate tiers, outages, and the way to each method."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.demo.workspace.config import BOT_USER_ID
from bot.demo.workspace.core import Core
from bot.demo.workspace.ledger import CallRecord
from bot.demo.workspace.state import Channel
from bot.demo.workspace.wire import Json, SlackError

JSON_KEYS = frozenset({"blocks", "attachments", "metadata", "view", "chunks", "files", "prompts", "loading_messages"})


@dataclass
class Call:
    """One call of a method: its arguments, typed as they are asked for."""

    core: Core
    method: str
    arguments: Json

    def text(self, key: str, default: str = "") -> str:
        """An optional string."""
        value = self.arguments.get(key)
        return default if value is None else str(value)

    def need(self, key: str) -> str:
        """A required string."""
        value = self.text(key)
        if not value:
            raise SlackError("invalid_arguments", detail=_missing(key))
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """An optional boolean, as JSON or as a form field."""
        value = self.arguments.get(key)
        return default if value is None else str(value).lower() in {"1", "true"}

    def number(self, key: str, default: int, *, most: int) -> int:
        """An optional whole number, at most `most`."""
        value = self.text(key)
        if not value:
            return default
        if not value.isdigit():
            raise SlackError("invalid_limit" if key == "limit" else "invalid_arguments")
        return max(1, min(int(value), most))

    def channel(self, key: str = "channel") -> Channel:
        """The channel the call names, if the bot may see it."""
        if not self.text(key):
            raise SlackError("channel_not_found")
        channel = self.core.state.channel(self.text(key))
        if channel.is_private and BOT_USER_ID not in channel.members:
            raise SlackError("channel_not_found")
        return channel

    def own_channel(self, key: str = "channel") -> Channel:
        """The channel the call names, if the bot is a member."""
        channel = self.channel(key)
        if BOT_USER_ID not in channel.members:
            raise SlackError("not_in_channel")
        return channel


def _missing(key: str) -> Json:
    return {"response_metadata": {"messages": [f"[ERROR] missing required field: {key}"]}}


Handler = Callable[[Call], Json]


@dataclass(frozen=True)
class Method:
    """How one method is answered; `scopes` are alternatives, any of them will do."""

    handler: Handler
    scopes: tuple[str, ...] = ()
    app_token: bool = False


def read_json(text: str) -> Any:
    """JSON in a form field; Slack names the field's own error later."""
    try:
        return json.loads(text)
    except ValueError:
        return text


async def read_arguments(request: web.Request) -> Json:
    """Arguments from the query, a form or a JSON body."""
    arguments: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        arguments.update(body)
    elif request.method == "POST":
        arguments.update({key: value for key, value in (await request.post()).items() if isinstance(value, str)})
    for key in JSON_KEYS & arguments.keys():
        if isinstance(arguments[key], str):
            arguments[key] = read_json(arguments[key])
    return arguments


class WebApi:
    """Answers `/api/METHOD`."""

    def __init__(self, core: Core, methods: dict[str, Method]) -> None:
        self.core = core
        self.methods = methods

    async def serve(self, request: web.Request) -> web.Response:
        """One call, written to the ledger whatever happens to it."""
        name = request.match_info["method"]
        started = time.perf_counter()
        record = self.core.ledger.call(name, {})
        try:
            arguments = await read_arguments(request)
            token = str(arguments.pop("token", "")) or _bearer(request)
            record.arguments = arguments
            body = await self._answer(Call(self.core, name, arguments), token)
            record.ok = True
            # As Slack does on every answer; installers read the granted scopes from it.
            headers = {"x-oauth-scopes": ",".join(sorted(self.core.scopes))}
            return web.json_response({"ok": True, **body}, headers=headers)
        except SlackError as error:
            return _refused(record, error)
        except ConnectionResetError:
            record.error = "dropped"
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            record.duration_ms = round((time.perf_counter() - started) * 1000, 3)

    async def _answer(self, call: Call, token: str) -> Json:
        method = self.methods.get(call.method)
        if method is None:
            raise SlackError("unknown_method", detail={"req_method": call.method})
        self._authorize(method, token)
        self.core.tiers.admit(call.method, call.text("channel") or call.text("channel_id"))
        outage = self.core.faults.find(call.method)
        if outage is None:
            return method.handler(call)
        if outage.mode == "slow" or not outage.after:
            await outage.strike()
            return method.handler(call)
        body = method.handler(call)
        await outage.strike()
        return body

    def _authorize(self, method: Method, token: str) -> None:
        if not token:
            raise SlackError("not_authed")
        if token not in {self.core.bot_token, self.core.app_token}:
            raise SlackError("invalid_auth")
        if (token == self.core.app_token) != method.app_token:
            raise SlackError("not_allowed_token_type")
        if method.app_token or not method.scopes or self.core.scopes & set(method.scopes):
            return
        provided = ",".join(sorted(self.core.scopes))
        raise SlackError("missing_scope", detail={"needed": method.scopes[0], "provided": provided})


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _refused(record: CallRecord, error: SlackError) -> web.Response:
    body = error.body()
    record.error, record.status = error.error, error.status
    record.violation = bool(body.pop("violation", False))
    if "Retry-After" in error.headers:
        record.retry_after_s = int(error.headers["Retry-After"])
    return web.json_response(body, status=error.status, headers=error.headers)
