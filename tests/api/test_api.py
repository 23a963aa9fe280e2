"""The HTTP API over a real engine and store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.api.app import make_app
from bot.api.auth import bearer
from bot.api.routes import ApiParts
from bot.services.catalogue import Catalogue, SourceInfo
from bot.telemetry import Metrics
from connectors.errors import Unauthorized
from connectors.model import SystemClock
from tests.support.doubles import Behaviour
from tests.support.house import House, house

TOKEN = "a-token-for-tests"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


@contextlib.asynccontextmanager
async def api(parts: House, token: str | None = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    infos = [SourceInfo(name, "double", "production") for name in parts.doubles]
    wired = ApiParts(
        investigations=parts.investigations,
        store=parts.store,
        catalogue=Catalogue(execute=parts.execute, infos=infos, squads=()),
        clock=SystemClock(),
        authenticate=bearer(token),
    )
    transport = httpx.ASGITransport(app=make_app(wired, Metrics()))
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=AUTH) as client:
        yield client


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[House]:
    behaviours = {"double/a": Behaviour(), "double/b": Behaviour(errors=[Unauthorized("The token expired.")])}
    async with house(f"sqlite:///{tmp_path / 'api.db'}", behaviours) as made:
        yield made


async def test_investigate_and_wait_gives_the_report(parts: House) -> None:
    async with api(parts) as client:
        answer = await client.post("/api/v1/investigate?wait=30", json={"query": "why is checkout slow?"})
        assert answer.status_code == 200
        report = answer.json()
        assert set(report) >= {"investigation_id", "query", "state", "analysis", "plan", "raw_results", "synthesis"}
        assert report["gaps"][0]["reason"] == "unauthorized"
        assert report["raw_results"]["double/a"][0]["source"]["query"] == "read 0"


async def test_progress_tools_events_and_evidence(parts: House) -> None:
    async with api(parts) as client:
        opened = await client.post("/api/v1/investigate", json={"query": "why?"})
        assert opened.status_code == 202
        base = opened.headers["location"]
        async with client.stream("GET", f"{base}/stream") as stream:
            lines = [line async for line in stream.aiter_lines()]
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        assert names[0] == "investigation.started"
        assert names[-1] == "investigation.completed"
        assert {"phase.started", "phase.completed", "tool.started", "tool.completed", "tool.failed"} <= set(names)
        progress = (await client.get(f"{base}/progress?include_tools=true&include_events=true")).json()
        assert progress["progress_percentage"] == 100
        assert progress["tools_finished"] == progress["tools_total"] == 2
        assert len(progress["events"]) == len(names)
        tools = (await client.get(f"{base}/tools?status=failed")).json()
        assert [tool["source"] for tool in tools] == ["double/b"]
        kept = (await client.get(f"{base}/tools?status=succeeded")).json()[0]["evidence_id"]
        evidence = (await client.get(f"/api/v1/evidence/{kept}")).json()
        assert evidence["payload"]["kind"] == "rows"
        replayed = await client.get(f"{base}/events?after=3&limit=2")
        assert [event["id"] for event in replayed.json()] == [4, 5]


async def test_a_stream_continues_after_the_last_event_seen(parts: House) -> None:
    async with api(parts) as client:
        opened = await client.post("/api/v1/investigate?wait=30", json={"query": "why?"})
        base = f"/api/v1/investigations/{opened.json()['investigation_id']}"
        async with client.stream("GET", f"{base}/stream", headers={"Last-Event-ID": "5"}) as stream:
            first = await anext(stream.aiter_lines())
        assert first == "id: 6"


async def test_the_same_idempotency_key_opens_one(parts: House) -> None:
    async with api(parts) as client:
        headers = {"Idempotency-Key": "k1"}
        ids = {
            (await client.post("/api/v1/investigate", json={"query": "why?"}, headers=headers)).json()[
                "investigation_id"
            ]
            for _ in range(3)
        }
        assert len(ids) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/investigate", {"query": ""}, 400),
        ("POST", "/api/v1/investigate", {"query": "x" * 40_000}, 400),
        ("POST", "/api/v1/investigate", {"query": "why?", "surprise": 1}, 422),
        ("POST", "/api/v1/investigate", {"query": "why?", "sources": ["oracle"]}, 400),
        ("GET", "/api/v1/investigations/inv_unknown/progress", None, 404),
        ("POST", "/api/v1/investigations/inv_unknown/pause", None, 404),
        ("GET", "/api/v1/nothing", None, 404),
    ],
)
async def test_errors_are_problem_documents(
    parts: House, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    async with api(parts) as client:
        answer = await client.request(method, path, json=body)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


async def test_without_the_token_nothing_is_told(parts: House) -> None:
    async with api(parts) as client:
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            answer = await client.get("/api/v1/investigations", headers=headers)
            assert answer.status_code == 401
            assert TOKEN not in answer.text
        assert (await client.get("/healthz", headers={"Authorization": ""})).json() == {"status": "ok"}
    async with api(parts, token=None) as client:
        answer = await client.get("/api/v1/investigations")
        assert "INQUEST_API_TOKEN" in answer.json()["detail"]


async def test_a_body_over_the_cap_is_refused_unread(parts: House) -> None:
    async with api(parts) as client:
        body = json.dumps({"query": "x" * 1_100_000})
        answer = await client.post("/api/v1/investigate", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 100_000

        answer = await client.post("/api/v1/investigate", content=chunks())
        assert answer.status_code == 413


async def test_metrics_count_what_happened(parts: House) -> None:
    async with api(parts) as client:
        await client.get("/healthz")
        text = (await client.get("/metrics")).text
        assert 'http_requests_total{method="GET",route="/healthz",status="200"}' in text
