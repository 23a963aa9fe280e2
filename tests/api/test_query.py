"""Questions over HTTP: `POST /api/v1/query-agent` and `/query`, the history, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from bot.api import problems
from bot.api.auth import bearer
from bot.api.query import make_query_router
from bot.services.catalogue import Catalogue
from tests.services.test_ask import Small, small  # noqa: F401 - a fixture

TOKEN = "a-token-for-tests"


@pytest.fixture
async def client(small: Small) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811 - the fixture by its name
    app = FastAPI()
    problems.install(app)
    ask = small.ask()
    app.include_router(make_query_router(ask, Catalogue(execute=small.execute, infos=(), squads=()), bearer(TOKEN)))
    transport, headers = httpx.ASGITransport(app=app), {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as made:
        yield made


async def test_a_question_comes_back_with_query_explanation_cost_and_rows(client: httpx.AsyncClient) -> None:
    body = {"prompt": "how many orders with status 'paid' are there?", "dataset_id": "postgresql/shop_prod"}
    answer = await client.post("/api/v1/query-agent", json=body)
    assert answer.status_code == 200
    told = answer.json()
    assert told["query"].startswith("SELECT COUNT(*)")
    assert (told["language"], told["dataset_id"], told["dry_run"]) == ("sql", "postgresql/shop_prod", False)
    assert told["results"]["rows"] == [[2]]
    assert told["explanation"]
    assert told["cost"]["usd"] == 0.0
    again = (await client.post("/api/v1/query", json={"query": body["prompt"], "source": "shop_prod"})).json()
    assert (again["cached"], again["results"]) == (True, told["results"])


async def test_a_dry_run_gives_the_query_and_no_rows(client: httpx.AsyncClient) -> None:
    told = (await client.post("/api/v1/query-agent", json={"prompt": "total amount of orders", "dry_run": True})).json()
    assert "SUM" in told["query"]
    assert (told["dry_run"], told["results"], told["cannot"]) == (True, None, None)


async def test_cannot_is_an_answer_and_is_kept(client: httpx.AsyncClient) -> None:
    told = (await client.post("/api/v1/query-agent", json={"prompt": "delete all orders"})).json()
    assert (told["query"], told["results"]) == (None, None)
    assert "only read" in told["cannot"]
    history = (await client.get("/api/v1/history")).json()
    assert [(h["question"], h["success"]) for h in history] == [("delete all orders", False)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"prompt": ""}, 422),
        ({"prompt": "how many orders", "unheard": 1}, 422),
        ({"prompt": "x" * 10_001}, 422),
        ({"prompt": "how many orders", "dataset_id": "oracle/elsewhere"}, 422),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_reason(
    client: httpx.AsyncClient, body: dict[str, object], status: int
) -> None:
    answer = await client.post("/api/v1/query-agent", json=body)
    assert 400 <= answer.status_code <= status
    assert answer.json()["detail"]


async def test_nobody_asks_without_a_token(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/query-agent", json={"prompt": "how many orders"}, headers={"Authorization": ""})
    assert answer.status_code == 401
