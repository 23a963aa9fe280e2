"""The way to an MCP server, watched: sizes are capped and failures get their names before the SDK words them.

The SDK turns a refused connection, a status and a broken body into the same error, and waits for an answer that can
no longer come. So the HTTP transport below tells `trouble` what it saw, and the call ends at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TextIO

import httpx
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from connectors.errors import ConnectorError, Malformed, Misconfigured, Rejected, TimedOut, Unavailable
from connectors.http import Reply, looks_like_html, status_error, transport_error
from connectors.mcp.config import McpConfig

_ERROR_BYTES = 16_384
_MOST_PARTS = 20_000
"""Objects and lists of one call: the SDK checks each against every message there is, which costs over a kilobyte."""
_SOFT = frozenset({400, 404, 405, 406})
"""How an older server answers the first question of a newer protocol; only the end of the call tells what it means."""


class Trouble:
    """What went wrong on the way: the first thing that ends the call, and the last that may not."""

    def __init__(self) -> None:
        self.fatal: asyncio.Future[ConnectorError] = asyncio.get_running_loop().create_future()
        self.soft: ConnectorError | None = None

    def end(self, error: ConnectorError) -> None:
        if not self.fatal.done():
            self.fatal.set_result(error)


class _Counted(httpx2.AsyncByteStream):
    """A body that ends the call when it grows past the cap."""

    def __init__(self, inner: AsyncIterator[bytes], response: httpx2.Response, watch: Watched) -> None:
        self._inner, self._response, self._watch = inner, response, watch

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._watch.count(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class Watched(httpx2.AsyncBaseTransport):
    """An HTTP transport that reads no further than the cap of the call and names what it sees."""

    def __init__(self, config: McpConfig, *, name: str, max_bytes: int, trouble: Trouble) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=_tls(config, name))
        self._config, self._name, self._left, self._trouble = config, name, max_bytes, trouble
        self.received = self._parts = 0

    def count(self, chunk: bytes) -> None:
        self.received += len(chunk)
        self._left -= len(chunk)
        self._parts += chunk.count(b"{") + chunk.count(b"],")
        if self._left < 0 or self._parts > _MOST_PARTS:
            error = Rejected(f"{self._name} answered too many bytes. Ask for less.")
            self._trouble.end(error)
            raise httpx2.ReadError("too large")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except (httpx2.HTTPError, OSError) as error:
            if request.method == "POST":
                self._trouble.end(_named(error, self._name))
            raise
        kind = response.headers.get("content-type", "")
        if response.status_code < 300 and kind.startswith("text/event-stream"):
            stream = response.stream
            assert isinstance(stream, httpx2.AsyncByteStream)
            return httpx2.Response(
                response.status_code,
                headers=response.headers,
                stream=_Counted(stream.__aiter__(), response, self),
                extensions=response.extensions,
            )
        return await self._whole(request, response, kind)

    async def _whole(self, request: httpx2.Request, response: httpx2.Response, kind: str) -> httpx2.Response:
        """The response with its body read, judged when it answers a question."""
        parts: list[bytes] = []
        try:
            async for chunk in response.aiter_bytes():
                self.count(chunk)
                parts.append(chunk)
        except httpx2.HTTPError as error:
            if request.method == "POST":
                self._trouble.end(_named(error, self._name))
            raise
        finally:
            await response.aclose()
        body = b"".join(parts)
        if request.method == "POST":
            self._judge(response, kind, body)
        if self._trouble.fatal.done():
            body = b""  # nobody waits for it any more, and to check it would cost far more than it is long
        kept = [(key, value) for key, value in response.headers.multi_items() if key != "content-encoding"]
        return httpx2.Response(response.status_code, headers=kept, content=body)

    def _judge(self, response: httpx2.Response, kind: str, body: bytes) -> None:
        status = response.status_code
        if status == 202:
            return
        if status >= 300:
            headers = {key.lower(): value for key, value in response.headers.items()}
            error = status_error(Reply(status, headers, body[:_ERROR_BYTES]), self._name, self._config.secrets)
            if status in _SOFT:
                self._trouble.soft = error
            else:
                self._trouble.end(error)
        elif looks_like_html(kind, body):
            self._trouble.end(Malformed(f"{self._name} answered with a web page instead of data."))
        elif not _speaks(body):
            self._trouble.end(Malformed(f"{self._name} answered something that is not JSON-RPC."))

    async def aclose(self) -> None:
        await self._inner.aclose()


async def connect(
    stack: AsyncExitStack, config: McpConfig, *, name: str, max_bytes: int, trouble: Trouble
) -> tuple[Client, Watched | None]:
    """A client that shook hands with the server; the stack ends it."""
    if config.command is not None:
        env = {key: value.get_secret_value() for key, value in config.env.items()} or None
        started = StdioServerParameters(command=config.command, args=list(config.args), env=env)
        quiet = stack.enter_context(open_null())
        return await stack.enter_async_context(Client(stdio_client(started, errlog=quiet))), None
    watched = Watched(config, name=name, max_bytes=max_bytes, trouble=trouble)
    headers = {key: value.get_secret_value() for key, value in config.headers.items()}
    if config.token is not None:
        headers["authorization"] = f"Bearer {config.token.get_secret_value()}"
    http = httpx2.AsyncClient(
        transport=watched,
        headers={"user-agent": "inquest", "accept-encoding": "identity", **headers},
        timeout=httpx2.Timeout(None, connect=config.connect_timeout_s),
        trust_env=False,
    )
    await stack.enter_async_context(http)
    transport = streamable_http_client(config.url or "", http_client=http, terminate_on_close=False)
    return await stack.enter_async_context(Client(transport)), watched


def open_null() -> TextIO:
    """What the program complains of goes nowhere: it may hold secrets."""
    return Path(os.devnull).open("w", encoding="utf-8")


def _speaks(body: bytes) -> bool:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("jsonrpc") == "2.0"


def _named(error: Exception, name: str) -> ConnectorError:
    """The named error for the transport's; its classes are those of httpx under another roof."""
    if isinstance(error, httpx2.ConnectTimeout):
        return Unavailable(f"{name} cannot be reached: no answer to the connection attempt.")
    if isinstance(error, httpx2.TimeoutException):
        return TimedOut(f"{name} did not answer in time.")
    kind = getattr(httpx, type(error).__name__, httpx.ReadError)
    if isinstance(kind, type) and issubclass(kind, httpx.HTTPError):
        return transport_error(kind(str(error)), name)
    return Unavailable(f"{name} cannot be reached.")


def _tls(config: McpConfig, name: str) -> ssl.SSLContext | bool:
    if not (config.url or "").startswith("https:"):
        return False
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise Misconfigured(f"{name}: the certificate file cannot be used.") from error
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
