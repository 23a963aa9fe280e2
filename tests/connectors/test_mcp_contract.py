"""The MCP connector keeps the contract, against a real server over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

pytest.importorskip("mcp", reason="needs the mcp extra: pip install 'inquest[mcp]'")

from connectors.mcp import CONNECTOR
from connectors.model import ToolCall
from connectors.testing import ConnectorContract
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.support.mcp_server import McpHttpServer

TOKEN = "mcp-token-never-shown"
NAME = "mcp/notes"


class TestMcpContract(ConnectorContract):
    """Every clause that fits."""

    secrets: ClassVar[Sequence[str]] = (TOKEN,)

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with McpHttpServer(token=TOKEN) as server:
            self.server = server
            yield

    def _make(self, url: str, token: str) -> Any:
        config = CONNECTOR.Config(url=url, token=token, read_tools=("search_notes", "echo"))
        return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)

    def make(self) -> Any:
        return self._make(self.server.url, TOKEN)

    def make_at(self, host: str, port: int) -> Any:
        return self._make(f"http://{host}:{port}/mcp", TOKEN)

    def make_unauthorized(self) -> Any:
        return self._make(self.server.url, "wrong")

    def call(self, tool: str, **arguments: Any) -> ToolCall:
        return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)

    def calls(self) -> Sequence[ToolCall]:
        return self.call("search_notes", about="payment"), self.call("call_echo", words="hello")

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("search_notes", about=""), 10

    def empty_call(self) -> ToolCall:
        return self.call("search_notes", about="nothing")

    def slow_call(self) -> ToolCall:
        return self.calls()[0]

    def echo_call(self, text: str) -> ToolCall | None:
        return self.call("call_echo", words=text)

    async def fingerprint(self) -> str:
        return str(self.server.kept)
