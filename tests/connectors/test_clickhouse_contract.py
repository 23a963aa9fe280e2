"""ClickHouse keeps the connector contract, on its real engine behind a front of HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from connectors.clickhouse import CONNECTOR
from connectors.clickhouse.connector import ClickhouseConnector
from connectors.model import SystemClock, TimeWindow, ToolCall
from connectors.testing import ConnectorContract
from tests.connectors import clickhouse_shop as shop
from tests.support.servers import ClickhouseServer

NAME = "clickhouse/shop"
WINDOW = TimeWindow(start=datetime(2026, 11, 20, 11, tzinfo=UTC), end=datetime(2026, 11, 20, 12, tzinfo=UTC))


def make(host: str, port: int, **more: Any) -> ClickhouseConnector:
    settings = {"username": shop.READER, "password": shop.PASSWORD, "database": "shop"} | more
    config = CONNECTOR.Config(url=f"http://{host}:{port}", **settings)
    return CONNECTOR(name=NAME, config=config, environment="production", clock=SystemClock())


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)


@pytest.mark.servers
class TestClickhouseContract(ConnectorContract):
    secrets: ClassVar[Sequence[str]] = (shop.PASSWORD, "wrong-Pa55phrase-never-shown")

    @pytest.fixture(autouse=True)
    def _server(self, clickhouse: ClickhouseServer) -> None:
        self.server = clickhouse

    def make(self) -> ClickhouseConnector:
        return make(self.server.host, self.server.port)

    def make_at(self, host: str, port: int) -> ClickhouseConnector:
        return make(host, port)

    def make_unauthorized(self) -> ClickhouseConnector:
        return make(self.server.host, self.server.port, password="wrong-Pa55phrase-never-shown")

    def calls(self) -> Sequence[ToolCall]:
        return (
            call("run_query", sql="select id, total from orders order by id limit 3"),
            call("list_activity"),
            call("get_connections"),
            call("list_slow_statements"),
            call("get_replication"),
            call("get_table_health"),
            call("list_errors"),
            call("search_schema", words="order"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return call("run_query", sql="select id, note from orders where id <= 100"), 100

    def empty_call(self) -> ToolCall:
        return call("run_query", sql="select id from orders where id < 0")

    def slow_call(self) -> ToolCall:
        return call("run_query", sql="select slept from slow")

    def echo_call(self, text: str) -> ToolCall:
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        return call("run_query", sql=f"select '{quoted}' as echoed")

    async def fingerprint(self) -> str:
        return shop.fingerprint(self.server)
