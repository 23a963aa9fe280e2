"""Questions over HTTP: POST /query and /query-agent, the asker's history, the catalogue of metrics."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from bot.api.auth import Authenticate
from bot.domain.access import Principal
from bot.services.ask import Answered, Ask
from bot.services.catalogue import Catalogue
from connectors.model import JsonObject


class QueryBody(BaseModel):
    """`POST /api/v1/query`."""

    model_config = ConfigDict(extra="forbid")
    query: str = Field(min_length=1, max_length=10_000)
    source: str | None = Field(default=None, max_length=200)


class QueryAgentBody(BaseModel):
    """`POST /api/v1/query-agent`. `dataset_id` is a source's name or type."""

    model_config = ConfigDict(extra="forbid")
    prompt: str = Field(min_length=1, max_length=10_000)
    dataset_id: str | None = Field(default=None, max_length=200)
    dry_run: bool = False


def make_query_router(ask: Ask, catalogue: Catalogue, authenticate: Authenticate) -> APIRouter:
    """The routes. Each parses, calls one service, and shapes the answer."""
    router = APIRouter(prefix="/api/v1")
    who: Principal = Depends(authenticate)
    _asking(router, ask, who)
    _metrics(router, catalogue, who)
    return router


def _asking(router: APIRouter, ask: Ask, who: Principal) -> None:

    @router.post("/query")
    async def query(body: QueryBody, by: Principal = who) -> JsonObject:
        """Natural language to one query, executed."""
        return shaped(await ask.ask(body.query, by=by, source=body.source))

    @router.post("/query-agent")
    async def query_agent(body: QueryAgentBody, by: Principal = who) -> JsonObject:
        """Natural language to one source's query, its explanation and cost, and unless it is a dry run its rows."""
        answered = await ask.ask(body.prompt, by=by, source=body.dataset_id, dry_run=body.dry_run)
        return {**shaped(answered), "dataset_id": answered.source, "dry_run": answered.dry_run}

    @router.get("/history")
    async def history(by: Principal = who, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[JsonObject]:
        """What you asked, the newest first."""
        found = await ask.history(by=by, limit=limit)
        return [{**asdict(past), "created_at": past.created_at.isoformat()} for past in found]


def _metrics(router: APIRouter, catalogue: Catalogue, who: Principal) -> None:
    @router.get("/metrics-catalog")
    async def metrics_catalog(_: Principal = who) -> list[JsonObject]:
        """Metrics that sources name, with when they were first and last seen."""
        return [
            {
                **asdict(metric),
                "description": metric.description or None,
                "labels": list(metric.labels),
                "first_seen_at": metric.first_seen_at.isoformat() if metric.first_seen_at else None,
                "last_seen_at": metric.last_seen_at.isoformat(),
            }
            for metric in await catalogue.metrics()
        ]


def shaped(answered: Answered) -> JsonObject:
    """The public form: `results` is null when there is no answer, and `cannot` then says why."""
    results = answered.payload.model_dump(mode="json") if answered.payload is not None else None
    return {
        "query": answered.query,
        "language": answered.language,
        "source": answered.source,
        "explanation": answered.explanation,
        "cost": {"usd": answered.cost_usd, "expected": answered.price, "duration_ms": round(answered.duration_ms, 1)},
        "results": results,
        "truncated": answered.truncated,
        "url": answered.url,
        "cached": answered.cached,
        "cannot": answered.cannot,
        "suggestions": list(answered.suggestions),
    }
