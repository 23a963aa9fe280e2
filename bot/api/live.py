"""Live views of the event log: server-sent events and a WebSocket, both with replay from the last event seen.

SSE: https://html.spec.whatwg.org/multipage/server-sent-events.html (204 ends a client's reconnecting).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse

from bot.api.auth import PROTOCOL, Authenticate
from bot.api.names import public_event
from bot.domain.access import Principal
from bot.domain.events import Event
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.errors import BotError
from bot.services.investigations import Investigations
from bot.store import Store
from connectors.model import JsonObject

KEEP_ALIVE_S = 15.0
MOST_SUBSCRIPTIONS = 100
_ENDS = frozenset({"investigation.completed", "investigation.failed"})


class Wish(BaseModel):
    """What a client of the WebSocket sends: which investigation to follow or no longer to follow."""

    model_config = ConfigDict(extra="forbid")
    subscribe: str | None = Field(default=None, max_length=100)
    unsubscribe: str | None = Field(default=None, max_length=100)
    after: int = Field(default=0, ge=0)


async def told(store: Store, investigation_id: str, after: int) -> AsyncIterator[JsonObject]:
    """The events behind `after` as outsiders know them, then each as it comes, up to the one that ends it."""
    events = store.follow(investigation_stream(investigation_id), after=after)
    async for event in events:
        shown = public_event(event)
        yield shown
        if is_last(event, shown):
            return


def is_last(event: Event, shown: JsonObject) -> bool:
    """Nothing follows but what people think of it, or a retry."""
    return shown["event"] in _ENDS or (shown["event"] == "state.transition" and event.payload.get("to") == "cancelled")


def is_over(found: Investigation, after: int) -> bool:
    """Whether a client that has seen `after` has seen the end."""
    return found.state.is_settled and after >= found.seq


async def settled(store: Store, opened: Investigation, wait_s: float) -> Investigation:
    """The investigation when it is settled, or as it stands when the time is up."""

    async def ended() -> None:
        async for _ in told(store, opened.id, 0):
            pass

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended(), wait_s)
    return await store.investigation(opened.id)


def add_live_routes(
    router: APIRouter, *, investigations: Investigations, store: Store, authenticate: Authenticate
) -> None:
    """`…/stream` and `/ws`."""
    who: Principal = Depends(authenticate)

    @router.get("/investigations/{investigation_id}/stream", response_model=None)
    async def stream(
        investigation_id: str, _: Principal = who, last_event_id: Annotated[int | None, Header(ge=0)] = None
    ) -> Response:
        """Server-sent events from the log; `Last-Event-ID` continues where a client broke off, 204: it saw the end."""
        after = last_event_id or 0
        if is_over(await investigations.get(investigation_id), after):
            return Response(status_code=204)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        lines = _sse(store, investigation_id, after)
        return StreamingResponse(lines, media_type="text/event-stream", headers=headers)

    @router.websocket("/ws")
    async def websocket(socket: WebSocket) -> None:
        """Events of many investigations over one connection; see `Wish` for what to send."""
        try:
            await authenticate(socket)
        except HTTPException as refused:
            await socket.send_denial_response(JSONResponse({"detail": refused.detail}, status_code=401))
            return
        offered = socket.headers.get("sec-websocket-protocol", "")
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered.replace(" ", "").split(",") else None)
        await Conversation(socket, investigations, store).go()


async def _sse(store: Store, investigation_id: str, after: int) -> AsyncIterator[str]:
    """One block an event; a comment now and then, so that nothing on the way takes the silence for an end."""
    events = told(store, investigation_id, after)
    following: asyncio.Task[JsonObject] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({following}, timeout=KEEP_ALIVE_S)
            if not done:
                yield ": still here\n\n"
                continue
            try:
                shown = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield f"id: {shown['id']}\nevent: {shown['event']}\ndata: {json.dumps(shown)}\n\n"
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await events.aclose()  # type: ignore[attr-defined]  # an async generator


class Conversation:
    """One WebSocket: follows what the client asks for until either side hangs up."""

    def __init__(self, socket: WebSocket, investigations: Investigations, store: Store) -> None:
        self._socket = socket
        self._investigations = investigations
        self._store = store
        self._following: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def go(self) -> None:
        """Until the client is gone."""
        try:
            first = self._socket.query_params.get("investigation_id")
            if first:
                await self._hear({"subscribe": first, "after": self._socket.query_params.get("after", "0")})
            while True:
                await self._hear(_read(await self._socket.receive_text()))
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # gone, or it sent bytes
        finally:
            for task in self._following.values():
                task.cancel()
            await asyncio.gather(*self._following.values(), return_exceptions=True)

    async def _hear(self, said: Any) -> None:
        try:
            wish = Wish.model_validate(said)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            await self._say({"error": f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}."})
            return
        if wish.unsubscribe:
            await self._leave(wish.unsubscribe)
        if wish.subscribe:
            await self._join(wish.subscribe, wish.after)

    async def _join(self, investigation_id: str, after: int) -> None:
        await self._leave(investigation_id)
        if len(self._following) >= MOST_SUBSCRIPTIONS:
            await self._say({"error": f"One connection follows {MOST_SUBSCRIPTIONS} investigations at the most."})
            return
        try:
            found = await self._investigations.get(investigation_id)
        except BotError as error:
            await self._say({"error": str(error), "investigation_id": investigation_id[:100]})
            return
        begun: JsonObject = {"subscribed": investigation_id, "state": found.state.value, "latest": found.seq}
        await self._say(begun)
        self._following[investigation_id] = asyncio.create_task(self._follow(found, after))

    async def _leave(self, investigation_id: str) -> None:
        task = self._following.pop(investigation_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, found: Investigation, after: int) -> None:
        try:
            if not is_over(found, after):
                async for shown in told(self._store, found.id, after):
                    await self._say({**shown, "investigation_id": found.id})
            await self._say({"ended": found.id})
        except BotError as error:  # the database is away: the client subscribes again from where it is
            await self._say({"error": str(error), "investigation_id": found.id})
        self._following.pop(found.id, None)

    async def _say(self, message: JsonObject) -> None:
        async with self._sending:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self._socket.send_text(json.dumps(message))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
