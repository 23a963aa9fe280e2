"""A real MCP server with a few tools over stored notes; over loopback HTTP in this process, or on standard streams.

Run as a program (`python -m tests.support.mcp_server`) it speaks on its standard streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse

NOTES = [
    {"id": f"n-{number}", "title": f"Note {number}", "about": "payment" if number % 2 else "cart"}
    for number in range(10)
]


def make_server(kept: list[Any]) -> MCPServer:
    """The server; `kept` is what a tool that writes would change."""
    server = MCPServer("notes")

    @server.tool(description="Notes about a thing.")
    def search_notes(about: str, limit: int = 100) -> list[dict[str, str]]:
        return [note for note in NOTES if not about or note["about"] == about][:limit]

    @server.tool(description="Echoes some words")
    def echo(words: str) -> str:
        return words

    @server.tool(description="Always fails.")
    def fail_always() -> str:
        raise ValueError("the shelf fell down")

    @server.tool(description="Deletes every note.")
    def delete_notes() -> str:
        kept.append("deleted")
        return "gone"

    return server


class McpHttpServer:
    """Async context manager: streamable HTTP at `url`, behind a bearer token."""

    def __init__(self, *, token: str) -> None:
        self.kept: list[Any] = []
        self._token = token
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/mcp"
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> McpHttpServer:
        app = make_server(self.kept).streamable_http_app(json_response=True)

        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and Request(scope).headers.get("authorization") != f"Bearer {self._token}":
                await JSONResponse({"error": "invalid_token"}, status_code=401)(scope, receive, send)
                return
            await app(scope, receive, send)

        self._server = uvicorn.Server(uvicorn.Config(guarded, log_level="critical", lifespan="on", ws="none"))
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._task is not None
        self._server.should_exit = True
        self._server.force_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


if __name__ == "__main__":
    make_server([]).run("stdio")
