"""`inquest serve | web | worker | scheduler`: the long-running processes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import structlog
import uvicorn

from bot.api.app import SlackDoor, make_app
from bot.api.auth import bearer
from bot.api.proposals import make_proposals_router
from bot.api.query import make_query_router
from bot.api.routes import ApiParts
from bot.api.webhooks import make_webhooks
from bot.app import App, Part, require_slack, slack_face
from bot.settings import Settings, SlackMode
from bot.telemetry import configure_logs
from bot.tracing import configure_traces

if TYPE_CHECKING:
    from bot.slack.app import SlackFace

log = structlog.get_logger(__name__)

_STOP_S = 5


async def serve(settings: Settings, *parts: Part) -> None:
    """Run until SIGTERM or SIGINT; then stop within seconds, handing back what is held."""
    configure_logs(level=settings.log_level, as_json=settings.log_json)
    mode = require_slack(settings) if Part.WEB in parts else SlackMode.OFF
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with up(settings, mode, *parts) as address:
        gc.freeze()  # what start-up made lives for ever; collections need not look at it again
        log.info("inquest.ready", http=address, slack=mode.value, parts=[part.value for part in parts])
        await stopping.wait()
        log.info("inquest.stopping")


@contextlib.asynccontextmanager
async def up(settings: Settings, mode: SlackMode, *parts: Part) -> AsyncIterator[str]:
    """Everything running; gives the address of the HTTP API ("" without one)."""
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(configure_traces(settings.otlp_endpoint))
        app = await App.create(settings, os.environ)
        stack.push_async_callback(app.stop)
        freezing = asyncio.create_task(_freeze(app), name="freeze")
        stack.callback(freezing.cancel)
        face = await slack_face(app, mode) if Part.WEB in parts and mode is not SlackMode.OFF else None
        yield await stack.enter_async_context(running(app, face, *parts))


async def _freeze(app: App) -> None:
    """The first discovery loads the drivers: a collection over them stops everybody for a third of a second."""
    await app.discovered.wait()
    gc.freeze()


@contextlib.asynccontextmanager
async def running(app: App, face: SlackFace | None, *parts: Part) -> AsyncIterator[str]:
    """These parts of a built app, and Slack's face when there is one; the caller stops the app."""
    async with contextlib.AsyncExitStack() as stack:
        if Part.WEB not in parts:
            await app.start(*parts)
            yield ""
            return
        if face is not None:
            await face.start()
            stack.push_async_callback(face.stop)
        door = face.handle_http if face is not None and face.takes_http else None
        address = await stack.enter_async_context(_http(app, app.settings, door, takes=Part.SCHEDULER in parts))
        # Last: discovery and recovery are work, and people should be answered first.
        await app.start(*parts)
        yield address


@contextlib.asynccontextmanager
async def _http(app: App, settings: Settings, door: SlackDoor | None, *, takes: bool) -> AsyncIterator[str]:
    token = settings.api_token.get_secret_value() if settings.api_token else None
    parts = ApiParts(
        investigations=app.investigations,
        store=app.store,
        catalogue=app.catalogue,
        clock=app.clock,
        authenticate=bearer(token),
    )
    listener = _listen(settings.http_host, settings.http_port)
    http = make_app(parts, app.metrics, slack=door)
    http.include_router(make_proposals_router(app.store, app.remedies.decisions, parts.authenticate))
    alerts = app.watch.intake(takes=takes)
    if alerts is not None:
        http.include_router(make_webhooks(alerts))
    http.include_router(make_query_router(app.ask, app.catalogue, parts.authenticate))
    config = uvicorn.Config(
        http,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_STOP_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn offers a flag, no event
            await asyncio.sleep(0.01)
        host, port = listener.getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await asyncio.gather(running, return_exceptions=True)
        listener.close()


class _Server(uvicorn.Server):
    """Leaves signals to us: one place decides when everything stops."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # uvicorn's own signature
        yield


def _listen(host: str, port: int) -> socket.socket:
    # Named as TCP, or asyncio does not set TCP_NODELAY on what it accepts: every answer then waits 40 ms for an ACK.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        print(f"inquest: cannot listen on {host}:{port}: {error.strerror}.", file=sys.stderr)
        raise SystemExit(2) from error
    listener.listen(1024)
    return listener
