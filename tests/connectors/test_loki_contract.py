"""The Loki connector keeps the contract, against a double that evaluates LogQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from connectors.loki import CONNECTOR
from connectors.model import ToolCall
from connectors.testing import ConnectorContract
from tests.connectors.log_lines import CLOCK, WINDOW, told
from tests.support.loki_double import LogLine, LokiDouble

TOKEN = "loki-t0ken-never-shown"
NAME = "loki/main"


def stored(level: str = "detected") -> list[LogLine]:
    """The lines as Loki keeps them: the level beside the line, or as a label of the stream, or nowhere."""
    lines = []
    for one in told():
        labels = {"service_name": one.service, "env": "production"}
        metadata = {"trace_id": one.trace} if one.trace else {}
        if level == "detected":
            metadata["detected_level"] = one.level
        elif level == "label":
            labels["level"] = one.level.upper()
        lines.append(LogLine(one.at.timestamp(), labels, one.message, metadata))
    return lines


class TestLokiContract(ConnectorContract):
    """Every clause."""

    secrets: ClassVar[Sequence[str]] = (TOKEN,)

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with LokiDouble(stored(), token=TOKEN) as server:
            self.server = server
            yield

    def _make(self, url: str, token: str) -> Any:
        config = CONNECTOR.Config(url=url, token=token, tenant="acme", grafana_url="https://grafana.test")
        return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)

    def make(self) -> Any:
        return self._make(self.server.url, TOKEN)

    def make_at(self, host: str, port: int) -> Any:
        return self._make(f"http://{host}:{port}", TOKEN)

    def make_unauthorized(self) -> Any:
        return self._make(self.server.url, "wrong")

    def call(self, tool: str, **arguments: Any) -> ToolCall:
        return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)

    def calls(self) -> Sequence[ToolCall]:
        return (
            self.call("list_labels"),
            self.call("get_error_rates", services=["checkout"]),
            self.call("get_log_groups", services=[]),
            self.call("search_logs", text="refused", services=["checkout"]),
            self.call("get_trace_logs", trace_id="t-7"),
            self.call("first_seen", text="refused", services=[]),
            self.call("query_range", logql='{service_name="checkout"} |= "refused"'),
            self.call("query_instant", logql='sum by (service_name) (count_over_time({env="production"} [5m]))'),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("search_logs", text="refused", limit=1000), 30

    def empty_call(self) -> ToolCall:
        return self.call("search_logs", text="nothing-says-this")

    def slow_call(self) -> ToolCall:
        return self.calls()[2]

    def echo_call(self, text: str) -> ToolCall | None:
        plain = text.isalnum()
        return self.call("search_logs", text=text) if plain else None

    async def fingerprint(self) -> str:
        return self.server.fingerprint()
