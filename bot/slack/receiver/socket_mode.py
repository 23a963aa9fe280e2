"""Socket Mode with supervision: several connections, deaf ones found by pings, the next one open before the old ends.

Bolt's own client sends acknowledgements over whichever connection is newest; here each goes back where its
delivery came from. https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Sequence
from typing import Any

import aiohttp
from slack_bolt.request.async_request import AsyncBoltRequest

from bot.slack.publisher.limiter import Limiter, Priority
from bot.slack.receiver.dispatch import Receiver
from bot.slack.web import SlackRefused, SlackUnreachable, SlackWeb

log = logging.getLogger(__name__)
HEARTBEAT_S = 8.0
HELLO_WITHIN_S = 10.0
DRAIN_S = 5.0
BACKOFF_MOST_S = 30.0


class _Lost(Exception):
    """The connection ended; `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SocketReceiver:
    """Keeps `connections` WebSockets to Slack open until closed."""

    def __init__(self, receiver: Receiver, *, app_token: str, api_base_url: str, connections: int = 2) -> None:
        self._receiver = receiver
        self._web = SlackWeb(token=app_token, base_url=api_base_url, limiter=Limiter())
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._drains: set[asyncio.Task[None]] = set()
        self._up = asyncio.Event()
        self.live = 0

    async def start(self, *, wait_s: float = 10.0) -> bool:
        """Begin to connect; True when the first connection said hello within `wait_s`."""
        self._session = aiohttp.ClientSession()
        for number in range(self._connections):
            self._tasks.add(asyncio.create_task(self._keep(number), name=f"socket mode {number}"))
        try:
            await asyncio.wait_for(self._up.wait(), wait_s)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop taking deliveries; those already taken are answered first."""
        await self._receiver.drain(2.0)
        for task in (*self._tasks, *self._drains):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._drains, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self._web.close()

    async def _keep(self, number: int) -> None:
        """One connection after the other; the next is opened when the old one is about to end."""
        failures = 0
        if number:
            await self._up.wait()
        while True:
            try:
                socket = await self._connect()
                failures = 0
                await self._listen(socket)
                reason = "asked to move"
            except _Lost as lost:
                reason = lost.reason
            except SlackRefused as refused:
                log.error("slack refuses socket mode: %s", refused)
                reason, failures = refused.error, max(failures + 1, 5)
            except (SlackUnreachable, aiohttp.ClientError, OSError, TimeoutError) as error:
                reason, failures = f"{type(error).__name__}: {error}", failures + 1
            except Exception:  # the border of this task: a connection must come back whatever happened
                log.exception("socket mode failed unexpectedly")
                reason, failures = "unexpected", failures + 1
            log.info("socket mode reconnects", extra={"reason": reason, "failures": failures})
            if reason in ("too_many_websockets", "link_disabled"):
                failures = max(failures, 5)
            if failures:
                await asyncio.sleep(min(BACKOFF_MOST_S, 0.25 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        """Open, and wait for the hello that says deliveries will come."""
        assert self._session is not None
        answer = await self._web.call("apps.connections.open", {}, priority=Priority.CLICK)
        async with asyncio.timeout(HELLO_WITHIN_S):
            socket = await self._session.ws_connect(str(answer["url"]), heartbeat=HEARTBEAT_S, max_msg_size=8 << 20)
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                while True:
                    message = await self._message(socket)
                    if message.get("type") == "hello":
                        return socket
                    if message.get("type") == "disconnect":
                        raise _Lost(str(message.get("reason", "disconnect")))
        except BaseException:
            await socket.close()
            raise

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take deliveries until Slack announces the end; then leave the old connection to drain by itself."""
        self.live += 1
        self._up.set()
        handed_over = False
        try:
            while True:
                message = await self._message(socket)
                if message.get("type") == "disconnect":
                    reason = str(message.get("reason", ""))
                    if reason in ("link_disabled", "too_many_websockets"):
                        raise _Lost(reason)
                    handed_over = True
                    self._spawn(self._drain(socket))
                    return
                self._deliver(socket, message)
        finally:
            self.live -= 1
            if not handed_over:
                await socket.close()

    async def _drain(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Go on answering on a connection that is about to end."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while True:
                    self._deliver(socket, await self._message(socket))
        except (_Lost, TimeoutError):
            pass
        finally:
            await socket.close()

    async def _message(self, socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise _Lost(f"closed ({message.type.name.lower()}, {socket.close_code})")
        try:
            found = json.loads(message.data)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _deliver(self, socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
        if message.get("envelope_id") and isinstance(message.get("payload"), dict):
            self._spawn(self._handle(socket, message))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)

    async def _handle(self, socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
        """Run one delivery; only what is stored is acknowledged."""
        headers: dict[str, str | Sequence[str]] = {}
        if message.get("retry_attempt"):
            headers["x-slack-retry-num"] = str(message["retry_attempt"])
        request = AsyncBoltRequest(mode="socket_mode", body=message["payload"], headers=headers)
        answer = await self._receiver.take(request)
        if answer.status != 200:
            log.warning("a delivery is not acknowledged", extra={"status": answer.status})
            return
        reply: dict[str, Any] = {"envelope_id": message["envelope_id"]}
        if answer.payload is not None and message.get("accepts_response_payload"):
            reply["payload"] = answer.payload
        try:
            await socket.send_str(json.dumps(reply))
        except (ConnectionError, RuntimeError, aiohttp.ClientError):
            log.warning("an acknowledgement came too late for its connection")
