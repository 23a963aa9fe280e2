"""The Datadog connector keeps the contract, against a double that computes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from connectors.datadog import CONNECTOR
from connectors.model import ToolCall
from connectors.testing import ConnectorContract
from tests.connectors.datadog_data import organisation
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.support.datadog_double import DatadogDouble

API_KEY, APP_KEY = "dd-api-0123456789abcdef", "dd-app-fedcba9876543210"
NAME = "datadog/main"


class TestDatadogContract(ConnectorContract):
    """Every clause."""

    secrets: ClassVar[Sequence[str]] = (API_KEY, APP_KEY)

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with DatadogDouble(organisation(), api_key=API_KEY, app_key=APP_KEY) as server:
            self.server = server
            yield

    def _make(self, url: str, key: str) -> Any:
        config = CONNECTOR.Config(url=url, api_key=API_KEY, application_key=key, env="production")
        return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)

    def make(self) -> Any:
        return self._make(self.server.url, APP_KEY)

    def make_at(self, host: str, port: int) -> Any:
        return self._make(f"http://{host}:{port}", APP_KEY)

    def make_unauthorized(self) -> Any:
        return self._make(self.server.url, "wrong")

    def call(self, tool: str, **arguments: Any) -> ToolCall:
        return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)

    def calls(self) -> Sequence[ToolCall]:
        return (
            self.call("query_metrics", query="avg:container.cpu.usage{service:payment} by {service}"),
            self.call("get_service_signals", services=["payment"]),
            self.call("search_metrics", words="container cpu"),
            self.call("list_monitors"),
            self.call("list_events"),
            self.call("list_deployments"),
            self.call("get_error_rates", services=["checkout"]),
            self.call("get_log_groups", services=[]),
            self.call("search_logs", text="refused", services=["checkout"]),
            self.call("get_trace_logs", trace_id="t-7"),
            self.call("count_logs", query="refused", by="service"),
            self.call("get_topology", services=[]),
            self.call("aggregate_spans", query="@span.kind:client", by="resource_name"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("search_logs", text="refused", limit=1000), 30

    def empty_call(self) -> ToolCall:
        return self.call("search_logs", text="nothing-says-this")

    def slow_call(self) -> ToolCall:
        return self.calls()[1]

    def echo_call(self, text: str) -> ToolCall | None:
        return self.call("search_logs", text=text) if text.isalnum() and len(text) < 4_000 else None

    async def fingerprint(self) -> str:
        return self.server.fingerprint()
