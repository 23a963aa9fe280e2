"""Socket Mode: WebSocket connections the bot opens, envelopes sent over them, acknowledgements read back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from aiohttp import WSMsgType, web

from bot.demo.workspace.config import APP_ID, WorkspaceConfig
from bot.demo.workspace.ledger import DeliveryRecord
from bot.demo.workspace.wire import Json, SlackError

CONNECTION_LIFE_S = 18_060
PING_EVERY_S = 10.0


@dataclass
class Answer:
    """How one delivery attempt ended; `payload` is what the bot sent along with its acknowledgement."""

    ok: bool
    reason: str = ""
    payload: Json | None = None
    retry: bool = True


@dataclass
class Waiting:
    """One envelope on its way."""

    record: DeliveryRecord
    answer: asyncio.Future[Answer]


@dataclass(eq=False)
class Connection:
    """One WebSocket. `deaf` answers pings but delivers nothing; `half_open` does not even answer pings."""

    id: str
    socket: web.WebSocketResponse
    request: web.Request
    deaf: bool = False
    half_open: bool = False
    draining: bool = False
    waiting: dict[str, list[Waiting]] = field(default_factory=dict)


@dataclass
class SocketMode:
    """All connections; every envelope goes to exactly one of them, chosen at random."""

    config: WorkspaceConfig
    rng: Random
    connections: list[Connection] = field(default_factory=list)
    tickets: set[str] = field(default_factory=set)
    deny: bool = False
    say_hello: bool = True
    ack_timeout_s: float = 3.0
    grace_s: float = 10.0
    opened: int = 0
    changed: Callable[[], None] = lambda: None
    closers: set[asyncio.Task[None]] = field(default_factory=set)

    def new_ticket(self) -> str:
        """A single-use ticket for one WebSocket URL."""
        ticket = secrets.token_hex(12)
        self.tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Hold one WebSocket until either side closes it."""
        ticket = request.query.get("ticket", "")
        if self.deny or ticket not in self.tickets:
            return web.Response(status=408 if self.deny else 401)
        self.tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        self.opened += 1
        connection = Connection(f"conn-{self.opened}", socket, request)
        if len(self.connections) >= self.config.max_connections:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        self.connections.append(connection)
        self.changed()
        pinger = asyncio.create_task(self._ping(connection))
        try:
            if self.say_hello:
                await socket.send_json(self._hello())
            await self._read(connection)
        finally:
            pinger.cancel()
            self._forget(connection)
        return socket

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "connection_info": {"app_id": APP_ID},
            "debug_info": {
                "host": "simulation",
                "build_number": 1,
                "approximate_connection_time": CONNECTION_LIFE_S,
            },
        }

    async def _ping(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                await asyncio.sleep(PING_EVERY_S)
                if not connection.half_open:
                    await connection.socket.ping(b"simulation")

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            if connection.half_open:
                continue
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT and not connection.deaf:
                self._acknowledged(connection, message.data)

    def _acknowledged(self, connection: Connection, data: str) -> None:
        try:
            body = json.loads(data)
        except ValueError:
            return
        queue = connection.waiting.get(str(body.get("envelope_id")))
        if not queue:
            return
        waiting = queue.pop(0)
        if not queue:
            del connection.waiting[str(body["envelope_id"])]
        if waiting.answer.done():
            waiting.record.close("late")
            return
        waiting.record.close("acked")
        payload = body.get("payload")
        waiting.answer.set_result(Answer(ok=True, payload=payload if isinstance(payload, dict) else None))

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
            self.changed()
        for waiting in itertools.chain.from_iterable(connection.waiting.values()):
            if not waiting.answer.done():
                waiting.answer.set_result(Answer(ok=False, reason="connection_failed"))

    async def attempt(self, record: DeliveryRecord, payload: Json, *, envelope_id: str | None = None) -> Answer:
        """Send one envelope and wait for its acknowledgement for three seconds."""
        ready = [c for c in self.connections if not c.draining]
        if not ready:
            return Answer(ok=False, reason="connection_failed")
        connection = self.rng.choice(ready)
        record.envelope_id = envelope_id or str(uuid.uuid4())
        record.connection = connection.id
        waiting = Waiting(record, asyncio.get_running_loop().create_future())
        connection.waiting.setdefault(record.envelope_id, []).append(waiting)
        if not (connection.deaf or connection.half_open):
            try:
                await connection.socket.send_json(_envelope(record, payload))
            except (ConnectionError, RuntimeError):
                connection.waiting[record.envelope_id].remove(waiting)
                return Answer(ok=False, reason="connection_failed")
        try:
            return await asyncio.wait_for(asyncio.shield(waiting.answer), self.ack_timeout_s)
        except TimeoutError:
            waiting.answer.cancel()
            return Answer(ok=False, reason="timeout")

    async def command(self, action: str, connection_id: str | None = None) -> int:
        """Do something to one connection or to all; the number of connections struck."""
        if action in {"deny", "allow", "no_hello", "hello"}:
            self.deny = {"deny": True, "allow": False}.get(action, self.deny)
            self.say_hello = {"no_hello": False, "hello": True}.get(action, self.say_hello)
            return 0
        struck = [c for c in self.connections if connection_id in {None, c.id}]
        for connection in struck:
            await self._strike(connection, action)
        return len(struck)

    async def _strike(self, connection: Connection, action: str) -> None:
        if action in {"warning", "refresh_requested", "link_disabled", "too_many_websockets"}:
            notice = {"type": "disconnect", "reason": action, "debug_info": {"host": "simulation"}}
            await connection.socket.send_json(notice)
            if action != "warning":
                connection.draining = True
                task = asyncio.create_task(self._close_later(connection, immediate=action == "link_disabled"))
                self.closers.add(task)
                task.add_done_callback(self.closers.discard)
        elif action == "close":
            await connection.socket.close()
        elif action == "abort":
            if connection.request.transport is not None:
                connection.request.transport.abort()
        elif action in {"deaf", "half_open", "heal"}:
            connection.deaf = action == "deaf"
            connection.half_open = action == "half_open"
        else:
            raise SlackError("unknown_socket_action")

    async def _close_later(self, connection: Connection, *, immediate: bool) -> None:
        # Slack leaves a while between the notice and the end, so that the next socket can be open first.
        await asyncio.sleep(0 if immediate else self.grace_s)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await connection.socket.close()

    async def stop(self) -> None:
        """Close every connection."""
        for task in list(self.closers):
            task.cancel()
        for connection in list(self.connections):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await connection.socket.close()


def _envelope(record: DeliveryRecord, payload: Json) -> Json:
    body: Json = {
        "envelope_id": record.envelope_id,
        "type": record.kind,
        "payload": payload,
        "accepts_response_payload": record.kind != "events_api",
    }
    if record.kind == "events_api":
        body.update(retry_attempt=record.attempt, retry_reason=record.reason)
    return body
