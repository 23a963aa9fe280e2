"""The HTTP application: API, health, metrics, and the door for Slack's signed requests."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.api import problems
from bot.api.routes import ApiParts, make_router
from bot.telemetry import Metrics

LARGEST_BODY_BYTES = 1_000_000
SLACK_PATH = "/slack/events"
_TOO_LARGE = f"The body may have {LARGEST_BODY_BYTES:,} bytes at the most."
# (headers, raw body) -> (status, headers, body); from the Slack face in HTTP mode.
SlackDoor = Callable[[list[tuple[str, str]], bytes], Awaitable[tuple[int, dict[str, str], bytes]]]


def make_app(parts: ApiParts, metrics: Metrics, *, slack: SlackDoor | None = None) -> FastAPI:
    """The application, not yet served."""
    app = FastAPI(title="Inquest", version="1", docs_url="/api/docs", openapi_url="/api/openapi.json", redoc_url=None)
    problems.install(app)
    app.include_router(make_router(parts))
    _plain_routes(app, metrics)
    if slack is not None:
        app.add_middleware(_SlackEntry, door=slack)
    app.add_middleware(_BodyCap)
    app.add_middleware(_Counted, metrics=metrics)
    return app


def _plain_routes(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/health", include_in_schema=False)
    @app.get("/healthz", include_in_schema=False)
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", include_in_schema=False)
    async def get_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


class _SlackEntry:
    """Slack's door stands before the framework: somebody counts the milliseconds there."""

    def __init__(self, app: ASGIApp, door: SlackDoor) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != SLACK_PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route_path"] = SLACK_PATH
        body = await _whole_body(receive)
        if body is None:
            await _refuse(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        status, answer_headers, answer = await self._door(headers, body)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer_headers.items()]
        raw.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": answer})


async def _whole_body(receive: Receive) -> bytes | None:
    """The body; None as soon as it is over the cap or the caller is gone."""
    parts: list[bytes] = []
    left = LARGEST_BODY_BYTES
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        left -= len(parts[-1])
        if left < 0:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


class _Counted:
    """Counts requests and times them, by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = scope.get("route_path") or getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - started)


class _BodyCap:
    """Refuses bodies over the cap: unread when the length is declared, else as soon as it is passed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > LARGEST_BODY_BYTES:
            await _refuse(scope, receive, send)
            return
        seen = 0

        async def capped() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, capped, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await problems.problem(413, "The body is too large", _TOO_LARGE)(scope, receive, send)
