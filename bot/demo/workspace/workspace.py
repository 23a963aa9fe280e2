"""The loopback Slack workspace as one object: start it, point a bot at it, stop it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path

from aiohttp import web

from bot.demo.workspace import methods_chat, methods_read, methods_rest, methods_stream
from bot.demo.workspace.config import WorkspaceConfig
from bot.demo.workspace.control import Control
from bot.demo.workspace.core import Core, make_core
from bot.demo.workspace.posting import answer_response_url
from bot.demo.workspace.web_api import WebApi
from bot.demo.workspace.wire import SlackError

LOOPBACK = re.compile(r"^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BODY_LIMIT_BYTES = 64 << 20
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: http://127.0.0.1:* http://localhost:*; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
PICTURES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif"}


class Workspace:
    """A strict double of one Slack workspace on the loopback interface; its state lives in memory.

    `await start()`, then give `api_url`, `bot_token`, `app_token` and `signing_secret` to the bot and `url`
    to a person. Everything else is said over HTTP: `/api`, `/link`, `/control`.
    """

    def __init__(self, config: WorkspaceConfig | None = None) -> None:
        self.core: Core = make_core(config or WorkspaceConfig())
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.core.base_url

    @property
    def api_url(self) -> str:
        """The `base_url` of a Slack Web API client."""
        return self.core.base_url + "/api/"

    @property
    def bot_token(self) -> str:
        """The token of Web API calls."""
        return self.core.bot_token

    @property
    def app_token(self) -> str:
        """The token of `apps.connections.open`."""
        return self.core.app_token

    @property
    def signing_secret(self) -> str:
        """The secret deliveries over HTTP are signed with."""
        return self.core.signing_secret

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        self.core.courier.limit_events = self.core.tiers.on
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0]
        self.core.base_url = f"http://{host}:{bound[1]}"

    async def stop(self) -> None:
        """Close every connection and the listener."""
        self.core.faults.clear()
        await self.core.courier.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[_loopback_only])
        methods = {
            **methods_chat.METHODS, **methods_read.METHODS, **methods_rest.METHODS, **methods_stream.METHODS
        }  # fmt: skip
        api = WebApi(self.core, methods)
        static = Path(str(resources.files("bot.demo.workspace"))) / "static"
        app.add_routes(
            [
                web.route("*", "/api/{method}", api.serve),
                web.get("/link/", self.core.sockets.serve),
                web.post("/response/{token}", self._response_url),
                web.post("/upload/{file}", self._upload),
                web.get("/files/{file}/{name}", self._file),
                web.get("/", self._page),
                web.get("/archives/{rest:.*}", self._page),
                *Control(self.core).routes(),
                web.static("/static", static),
            ]
        )
        return app

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        page = resources.files("bot.demo.workspace").joinpath("static/index.html").read_text("utf-8")
        headers = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "no-cache"}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def _response_url(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text())
            if not isinstance(body, dict):
                raise SlackError("invalid_payload", status=400)
            answer_response_url(self.core, request.match_info["token"], body)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        except SlackError as error:
            # Slack answers most refusals here with 500 or 404 and a JSON body.
            status = error.status if error.status != 200 else 500
            return web.json_response(error.body(), status=status)
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.Response:
        state, file_id = self.core.state, request.match_info["file"]
        file = state.files.get(file_id)
        if file is None:
            return web.Response(status=404)
        content = await _uploaded(request)
        if len(content) != file["size"]:
            return web.Response(status=400, text="size does not match")
        state.contents[file_id] = content
        file["mimetype"] = PICTURES.get(file["filetype"].lower(), file["mimetype"])
        return web.Response(text=f"OK - {len(content)}")

    async def _file(self, request: web.Request) -> web.Response:
        file = self.core.state.files.get(request.match_info["file"])
        content = self.core.state.contents.get(request.match_info["file"])
        if file is None or content is None:
            return web.Response(status=404)
        # Only pictures are shown in the page; anything else is handed over as a download, never rendered.
        kind = file["mimetype"] if file["mimetype"] in PICTURES.values() else "application/octet-stream"
        headers = {"X-Content-Type-Options": "nosniff"}
        if kind == "application/octet-stream":
            headers["Content-Disposition"] = "attachment"
        return web.Response(body=content, content_type=kind, headers=headers)


async def _uploaded(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    for value in (await request.post()).values():
        if isinstance(value, web.FileField):
            return value.file.read()
    return b""


@web.middleware
async def _loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse pages of other sites and names that merely resolve to this machine."""
    origin = request.headers.get("Origin", "").removeprefix("http://")
    if not LOOPBACK.match(request.host) or (origin and origin != request.host):
        return web.Response(status=403, text="This simulation answers to its own page on this machine only.")
    return await handler(request)
