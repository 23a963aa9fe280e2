"""The OpenSearch connector keeps the contract, against a computing double."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from connectors.model import ToolCall
from connectors.opensearch import CONNECTOR
from connectors.testing import ConnectorContract
from tests.connectors.elasticsearch_data import CLOCK, MAPPINGS, WINDOW, documents
from tests.support.opensearch_double import OpenSearchDouble

PASSWORD = "s3cret-0s-Passw0rd"
NAME = "opensearch/main"


class TestOpenSearchContract(ConnectorContract):
    """Every clause."""

    secrets: ClassVar[Sequence[str]] = (PASSWORD, base64.b64encode(f"reader:{PASSWORD}".encode()).decode())

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with OpenSearchDouble(documents(), MAPPINGS, password=PASSWORD) as server:
            self.server = server
            yield

    def _make(self, url: str, password: str) -> Any:
        config = CONNECTOR.Config(
            url=url, username="reader", password=password, dashboards_url="https://dashboards.test"
        )
        return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)

    def make(self) -> Any:
        return self._make(self.server.url, PASSWORD)

    def make_at(self, host: str, port: int) -> Any:
        return self._make(f"http://{host}:{port}", PASSWORD)

    def make_unauthorized(self) -> Any:
        return self._make(self.server.url, "wrong")

    def call(self, tool: str, **arguments: Any) -> ToolCall:
        return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)

    def calls(self) -> Sequence[ToolCall]:
        return (
            self.call("get_error_rates", services=["checkout"]),
            self.call("get_log_groups", services=[]),
            self.call("list_deployments", services=["checkout"]),
            self.call("search_logs", text="refused", services=[], context_lines=1),
            self.call("get_trace_logs", trace_id="t-7"),
            self.call("first_seen", text="refused"),
            self.call("run_query", request='{"method":"GET","path":"/_cluster/health"}'),
            self.call("detect_anomalies", services=[]),
            self.call("correlate_errors", services=[]),
            self.call("search_runbooks", text="connection pool"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("search_logs", text="refused", limit=1000), 30

    def empty_call(self) -> ToolCall:
        return self.call("search_logs", text="nothing-says-this")

    def slow_call(self) -> ToolCall:
        return self.calls()[1]

    def echo_call(self, text: str) -> ToolCall | None:
        # The source is the request's JSON, in which other texts stand escaped.
        plain = json.dumps(text, ensure_ascii=False)[1:-1] == text
        return self.call("search_logs", text=text) if plain else None

    async def fingerprint(self) -> str:
        return self.server.fingerprint()
