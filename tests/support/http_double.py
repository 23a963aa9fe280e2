"""A loopback HTTP server under the doubles of vendors: it counts, authenticates, and remembers attempts to write."""

from __future__ import annotations

import asyncio
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from aiohttp import web


class Asked(NamedTuple):
    """One request as it came. `query` holds the last value of each parameter; `raw_path` is as on the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]
    raw_path: str = ""


class RefusedError(Exception):
    """The vendor would refuse; `body` is its document, text or JSON."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, dict(headers or {})


class HttpDouble(ABC):
    """Async context manager. A subclass answers from stored data and says what may change."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.requests: list[Asked] = []
        self.refused_writes: list[str] = []
        self.answer_headers: dict[str, str] = {}
        self.delay_s = 0.0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @abstractmethod
    async def answer(self, asked: Asked) -> Any:
        """The document for a request, or RefusedError."""

    def state(self) -> Any:
        """All that an account could change."""
        return None

    def fingerprint(self) -> str:
        """Digest of the state and of attempts to change it."""
        text = json.dumps([self.state(), self.refused_writes], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=16_000_000)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode("utf-8", "replace")
        headers = {key.lower(): value for key, value in request.headers.items()}
        asked = Asked(request.method, request.path, dict(request.query), body, headers, request.rel_url.raw_path)
        self.requests.append(asked)
        status, extra = 200, dict(self.answer_headers)
        try:
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            found = await self.answer(asked)
        except RefusedError as error:
            status, found = error.status, error.body
            extra |= error.headers
        kind = "text/plain" if isinstance(found, str) else "application/json"
        text = found if isinstance(found, str) else json.dumps(found)
        return web.Response(body=text.encode(), status=status, content_type=kind, headers=extra)
