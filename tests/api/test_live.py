"""Live views over a real server: WebSocket and server-sent events, with replay from the last event seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from bot.api.app import make_app
from bot.api.auth import bearer
from bot.api.routes import ApiParts
from bot.services.catalogue import Catalogue
from bot.telemetry import Metrics
from connectors.model import SystemClock
from connectors.testing import free_port
from tests.support.doubles import Behaviour
from tests.support.house import House, house

TOKEN = "a-token-for-tests"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
Json = dict[str, Any]


@contextlib.asynccontextmanager
async def served(parts: House) -> AsyncIterator[str]:
    catalogue = Catalogue(execute=parts.execute, infos=[], squads=())
    wired = ApiParts(parts.investigations, parts.store, catalogue, SystemClock(), bearer(TOKEN))
    port = free_port()
    config = uvicorn.Config(make_app(wired, Metrics()), port=port, log_config=None, lifespan="off", ws="auto")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[House]:
    async with house(f"sqlite:///{tmp_path / 'api.db'}", {"double/a": Behaviour()}) as made:
        yield made


@pytest.fixture
async def client(parts: House) -> AsyncIterator[aiohttp.ClientSession]:
    async with served(parts) as url, aiohttp.ClientSession(base_url=url, headers=AUTH) as session:
        yield session


async def opened(client: aiohttp.ClientSession, *, wait_s: int = 0) -> str:
    async with client.post(f"/api/v1/investigate?wait={wait_s}", json={"query": "why?"}) as answer:
        return str((await answer.json())["investigation_id"])


async def until_the_end(socket: aiohttp.ClientWebSocketResponse) -> list[Json]:
    found: list[Json] = []
    while not found or "ended" not in found[-1]:
        found.append(await socket.receive_json(timeout=20))
    return found


async def test_a_websocket_tells_everything_until_the_end(client: aiohttp.ClientSession) -> None:
    one = await opened(client)
    async with client.ws_connect("/api/v1/ws") as socket:
        await socket.send_json({"subscribe": one})
        said = await until_the_end(socket)
    assert said[0]["subscribed"] == one
    events = said[1:-1]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event"], events[-1]["event"]) == ("investigation.started", "investigation.completed")
    assert {event["investigation_id"] for event in events} == {one}


async def test_a_websocket_goes_on_behind_the_last_event_seen(client: aiohttp.ClientSession) -> None:
    one = await opened(client, wait_s=30)
    async with client.ws_connect(f"/api/v1/ws?investigation_id={one}&after=5") as socket:
        said = await until_the_end(socket)
        assert said[1]["id"] == 6
        await socket.send_json({"subscribe": one, "after": said[0]["latest"]})
        assert [set(line) for line in await until_the_end(socket)] == [{"subscribed", "state", "latest"}, {"ended"}]


async def test_one_websocket_follows_several(client: aiohttp.ClientSession) -> None:
    both = {await opened(client), await opened(client)}
    async with client.ws_connect("/api/v1/ws") as socket:
        for one in both:
            await socket.send_json({"subscribe": one})
        ended: set[str] = set()
        while ended != both:
            said = await socket.receive_json(timeout=20)
            ended |= {said["ended"]} if "ended" in said else set()


async def test_what_cannot_be_followed_is_said_and_the_connection_stays(client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/api/v1/ws") as socket:
        for wrong in ("not JSON", "[]", '{"subscribe": 7}', '{"after": -1}', '{"surprise": 1}'):
            await socket.send_str(wrong)
            assert "error" in await socket.receive_json(timeout=20), wrong
        await socket.send_json({"subscribe": "inv_unknown"})
        assert "inv_unknown" in (await socket.receive_json(timeout=20))["error"]
        await socket.send_json({"subscribe": await opened(client)})
        assert "subscribed" in await socket.receive_json(timeout=20)


async def test_a_websocket_wants_the_token_in_a_header_or_a_subprotocol(parts: House) -> None:
    async with served(parts) as url, aiohttp.ClientSession(base_url=url) as nobody:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await nobody.ws_connect("/api/v1/ws")
        assert refused.value.status == 401
        for wrong in ("bearer.wrong", "bearer.", TOKEN):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await nobody.ws_connect("/api/v1/ws", protocols=("inquest", wrong))
        async with nobody.ws_connect("/api/v1/ws", protocols=("inquest", f"bearer.{TOKEN}")) as socket:
            assert socket.protocol == "inquest", "the token is not sent back"


async def test_a_client_that_saw_the_end_is_told_not_to_come_again(client: aiohttp.ClientSession) -> None:
    one = await opened(client, wait_s=30)
    async with client.get(f"/api/v1/investigations/{one}/stream", headers={"Last-Event-ID": "3"}) as stream:
        text = await stream.text()
    last = [line.removeprefix("id: ") for line in text.splitlines() if line.startswith("id: ")]
    assert last[0] == "4"
    data = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert data[-1]["event"] == "investigation.completed"
    async with client.get(f"/api/v1/investigations/{one}/stream", headers={"Last-Event-ID": last[-1]}) as stream:
        assert stream.status == 204
