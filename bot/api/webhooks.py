"""Doors for other systems' alerts: POST /api/v1/webhooks/SYSTEM. 202 means stored."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bot.api.problems import problem
from bot.errors import NotAllowed
from bot.services.alerts import Alerts


def make_webhooks(alerts: Alerts) -> APIRouter:
    """The routes; the application's cap on bodies applies to them as well."""
    router = APIRouter(prefix="/api/v1/webhooks")

    @router.post("/{system}", status_code=202, response_model=None)
    async def receive(system: str, request: Request) -> JSONResponse:
        """Alerts of `alertmanager`, `grafana`, `pagerduty`, `datadog` or `generic`, signed or with a bearer token."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            stored = await alerts.receive(system, await request.body(), headers=headers)
        except NotAllowed as error:
            return problem(401, "Not verified", str(error))
        return JSONResponse({"stored": stored, "duplicate": stored == 0}, status_code=202)

    return router
