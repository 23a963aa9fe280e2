"""PostgreSQL keeps the connector contract, on a real server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from connectors.model import SystemClock, ToolCall
from connectors.postgresql import CONNECTOR
from connectors.postgresql.connector import PostgresqlConnector
from connectors.testing import ConnectorContract
from tests.connectors import shop
from tests.support.servers import PostgresServer

NAME = "postgresql/shop"


def make(host: str, port: int, **more: Any) -> PostgresqlConnector:
    settings = {"username": shop.READER, "password": shop.PASSWORD, "sample_gap_s": 0.05} | more
    config = CONNECTOR.Config(host=host, port=port, database="postgres", **settings)
    return CONNECTOR(name=NAME, config=config, environment="production", clock=SystemClock())


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(connector=NAME, tool=tool, arguments=arguments)


OUTCOME = call("read_outcome").model_copy(
    update={"arguments": {"tool": "cancel_backend", "arguments": {"pid": 1, "query": "select 1", "uid": "then"}}}
)


@pytest.mark.servers
class TestPostgresqlContract(ConnectorContract):
    speaks_http = False
    secrets: ClassVar[Sequence[str]] = (shop.PASSWORD, "wrong-Pa55phrase-never-shown")

    @pytest.fixture(autouse=True)
    def _server(self, postgres: PostgresServer) -> None:
        self.server = postgres

    def make(self) -> PostgresqlConnector:
        return make(self.server.host, self.server.port)

    def make_at(self, host: str, port: int) -> PostgresqlConnector:
        return make(host, port)

    def make_unauthorized(self) -> PostgresqlConnector:
        return make(self.server.host, self.server.port, password="wrong-Pa55phrase-never-shown")

    def calls(self) -> Sequence[ToolCall]:
        return (
            call("run_query", sql="select id, total from orders order by id limit 3"),
            call("list_activity"),
            call("list_locks"),
            call("get_connections"),
            call("list_slow_statements"),
            call("get_replication"),
            call("get_table_health"),
            call("search_schema", words="order"),
            OUTCOME,
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return call("run_query", sql="select id, note from orders where id <= 100"), 100

    def empty_call(self) -> ToolCall:
        return call("run_query", sql="select id from orders where id < 0")

    def slow_call(self) -> ToolCall:
        return call("run_query", sql="select slept from slow")

    def echo_call(self, text: str) -> ToolCall:
        quoted = text.replace("'", "''")
        return call("run_query", sql=f"select '{quoted}' as echoed")

    async def fingerprint(self) -> str:
        return await shop.fingerprint(self.server)
