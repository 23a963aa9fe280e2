"""The New Relic connector keeps the contract, against a double that evaluates NRQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from connectors.model import ToolCall
from connectors.newrelic import CONNECTOR
from connectors.testing import ConnectorContract
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.connectors.newrelic_data import account, entities
from tests.support.newrelic_double import NewRelicDouble

KEY = "NRAK-NEVER0SHOWN0ANYWHERE"
NAME = "newrelic/main"


class TestNewRelicContract(ConnectorContract):
    """Every clause."""

    secrets: ClassVar[Sequence[str]] = (KEY,)

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with NewRelicDouble(account(), entities(), api_key=KEY) as server:
            self.server = server
            yield

    def _make(self, url: str, key: str) -> Any:
        config = CONNECTOR.Config(url=url, account_id=7, api_key=key)
        return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)

    def make(self) -> Any:
        return self._make(self.server.url, KEY)

    def make_at(self, host: str, port: int) -> Any:
        return self._make(f"http://{host}:{port}", KEY)

    def make_unauthorized(self) -> Any:
        return self._make(self.server.url, "wrong")

    def call(self, tool: str, **arguments: Any) -> ToolCall:
        return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)

    def calls(self) -> Sequence[ToolCall]:
        return (
            self.call("run_nrql", nrql="SELECT count(*) FROM Transaction FACET appName"),
            self.call("get_service_signals", services=["payment"]),
            self.call("list_violations"),
            self.call("list_entities"),
            self.call("list_deployments"),
            self.call("get_error_rates", services=["checkout"]),
            self.call("get_log_groups", services=[]),
            self.call("search_logs", text="refused", services=["checkout"]),
            self.call("get_trace_logs", trace_id="t-7"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("search_logs", text="refused", limit=1000), 30

    def empty_call(self) -> ToolCall:
        return self.call("search_logs", text="nothing-says-this")

    def slow_call(self) -> ToolCall:
        return self.calls()[5]

    def echo_call(self, text: str) -> ToolCall | None:
        return self.call("search_logs", text=text) if text.isalnum() and len(text) < 2_000 else None

    async def fingerprint(self) -> str:
        return self.server.fingerprint()
