"""Routes under /api/v1. Each parses, calls one service, and shapes the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import JSONResponse

from bot.api.auth import Authenticate
from bot.api.live import add_live_routes, settled
from bot.api.names import public_event
from bot.api.shapes import InvestigateBody, Opened, Progress, ToolProgress, progress, tool_progress
from bot.domain.access import Principal
from bot.domain.ids import investigation_stream
from bot.domain.states import InvestigationState
from bot.errors import InvalidRequest, UnknownId
from bot.services.catalogue import Catalogue
from bot.services.investigations import Investigations, OpenRequest
from bot.store import Store
from bot.store.discovery import KnownService
from connectors.model import Clock, HealthStatus, JsonObject, TimeWindow

_MOST_EVENTS = 1_000


@dataclass(frozen=True)
class ApiParts:
    """What the routes need."""

    investigations: Investigations
    store: Store
    catalogue: Catalogue
    clock: Clock
    authenticate: Authenticate


def make_router(parts: ApiParts) -> APIRouter:
    """All of /api/v1."""
    router = APIRouter(prefix="/api/v1")
    who = Depends(parts.authenticate)
    _reading(router, parts, who)
    _details(router, parts, who)
    _commands(router, parts, who)
    add_live_routes(router, investigations=parts.investigations, store=parts.store, authenticate=parts.authenticate)
    return router


def _commands(router: APIRouter, parts: ApiParts, who: Principal) -> None:
    @router.post("/investigate", status_code=202, response_model=None)
    async def investigate(
        body: InvestigateBody,
        by: Principal = who,
        wait: Annotated[float, Query(ge=0, le=120)] = 0,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> JSONResponse:
        """Open an investigation. With `wait`, the finished report when it is ready in time."""
        delivery = f"api:{by.id}:{idempotency_key}" if idempotency_key else None
        opened = await parts.investigations.open(_open_request(body), by=by, delivery_id=delivery)
        if wait:
            done = await settled(parts.store, opened, wait)
            if done.report is not None and done.state is InvestigationState.COMPLETED:
                return JSONResponse(done.report.to_json(), status_code=200)
            return JSONResponse(progress(done, now=parts.clock.now()).model_dump(mode="json"), status_code=202)
        base = f"/api/v1/investigations/{opened.id}"
        answer = Opened(
            investigation_id=opened.id,
            state=opened.state.value,
            progress_url=f"{base}/progress",
            stream_url=f"{base}/stream",
        )
        return JSONResponse(answer.model_dump(), status_code=202, headers={"Location": base})

    @router.post("/investigations/{investigation_id}/{verb}")
    async def command(investigation_id: str, verb: str, by: Principal = who) -> JsonObject:
        """`pause`, `resume`, `cancel` or `retry`."""
        service = parts.investigations
        verbs = {"pause": service.pause, "resume": service.resume, "cancel": service.cancel, "retry": service.retry}
        if verb not in verbs:
            raise UnknownId(f"There is no command {verb!r}. Known: {', '.join(verbs)}.")
        sentence = await verbs[verb](investigation_id, by=by)
        return {"investigation_id": investigation_id, "message": sentence}


def _reading(router: APIRouter, parts: ApiParts, who: Principal) -> None:
    @router.get("/health")
    async def health(_: Principal = who) -> JsonObject:
        """The state of every part, asked now."""
        checked_at = parts.clock.now().isoformat()
        sources = await parts.catalogue.check()
        components: dict[str, JsonObject] = {
            name: {
                "status": h.status.value,
                "latency_ms": round(h.latency_ms, 1),
                "detail": h.detail,
                "checked_at": checked_at,
            }
            for name, h in sources.items()
        }
        components["database"] = {"status": "healthy", "checked_at": checked_at}
        bad = any(h.status is not HealthStatus.HEALTHY for h in sources.values())
        return {"status": "degraded" if bad else "healthy", "components": dict(components)}

    @router.get("/investigations")
    async def list_investigations(
        _: Principal = who,
        state: Annotated[list[InvestigationState] | None, Query()] = None,
        before: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> JsonObject:
        """The newest first; `next` continues."""
        found = await parts.store.investigations(states=state or (), before=before, limit=limit)
        rows = [progress(i, now=parts.clock.now()).model_dump(mode="json") for i in found]
        return {"investigations": list(rows), "next": found[-1].id if len(found) == limit else None}

    @router.get("/investigations/{investigation_id}")
    async def whole(investigation_id: str, _: Principal = who) -> JsonObject:
        """One investigation, whole."""
        found = await parts.investigations.get(investigation_id)
        return found.model_dump(mode="json", by_alias=True)

    @router.get(
        "/investigations/{investigation_id}/progress", response_model=None, responses={200: {"model": Progress}}
    )
    async def get_progress(
        investigation_id: str, _: Principal = who, include_tools: bool = False, include_events: bool = False
    ) -> Response:
        """Where it stands, from the current row."""
        found = await parts.investigations.get(investigation_id)
        view = progress(found, now=parts.clock.now(), with_tools=include_tools)
        if include_events:
            events = await parts.store.read(investigation_stream(investigation_id), limit=_MOST_EVENTS)
            view.events = [public_event(event) for event in events]
        return Response(view.model_dump_json(), media_type="application/json")  # once, not checked a second time


def _details(router: APIRouter, parts: ApiParts, who: Principal) -> None:
    @router.get("/investigations/{investigation_id}/tools")
    async def tools(
        investigation_id: str, _: Principal = who, agent: str | None = None, status: str | None = None
    ) -> list[ToolProgress]:
        """Tool executions, as they were started."""
        found = await parts.investigations.get(investigation_id)
        views = [tool_progress(e) for e in found.executions if agent in (None, e.by.value)]
        return [view for view in views if status in (None, view.status)]

    @router.get("/investigations/{investigation_id}/events")
    async def events(
        investigation_id: str,
        _: Principal = who,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST_EVENTS)] = 200,
        type: str | None = None,  # noqa: A002 - the interface fixes this name
    ) -> list[JsonObject]:
        """The event log, in order."""
        await parts.investigations.get(investigation_id)
        found = await parts.store.read(investigation_stream(investigation_id), after=after, limit=limit)
        return [public_event(e) for e in found if type in (None, e.kind.value, public_event(e)["event"])]

    @router.get("/evidence/{evidence_id}")
    async def evidence(evidence_id: str, _: Principal = who) -> JsonObject:
        """One piece of evidence as kept, with its query and window."""
        return (await parts.investigations.evidence(evidence_id)).model_dump(mode="json")

    @router.get("/services")
    async def services(_: Principal = who) -> list[JsonObject]:
        """Services known from configuration and discovery, with when sources first and last named them."""
        seen = {one.name: one for one in await parts.catalogue.seen()}
        setting = await parts.catalogue.setting()
        return [{**service.model_dump(mode="json"), **_seen(seen.get(service.name))} for service in setting.services]


def _seen(known: KnownService | None) -> JsonObject:
    """When and by which sources a service was seen; empty where it never was."""
    if known is None:
        return {}
    return {
        "sources": list(known.sources),
        "calls": list(known.calls),
        "first_seen_at": known.first_seen_at.isoformat(),
        "last_seen_at": known.last_seen_at.isoformat(),
    }


def _open_request(body: InvestigateBody) -> OpenRequest:
    span = body.context.time_range
    window = None
    if span is not None:
        if span.end <= span.start:
            raise InvalidRequest("time_range.end must come after time_range.start.")
        window = TimeWindow(start=span.start, end=span.end)
    return OpenRequest(
        text=body.query,
        window=window,
        services=tuple(body.context.services),
        environment=body.context.environment,
        sources=tuple(body.sources),
        dry_run=body.dry_run,
        origin={"face": "api"},
    )
