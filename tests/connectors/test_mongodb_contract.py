"""MongoDB keeps the connector contract, on the wire of a real FerretDB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from connectors.model import SystemClock, TimeWindow, ToolCall
from connectors.mongodb import CONNECTOR
from connectors.mongodb.connector import MongodbConnector
from connectors.testing import ConnectorContract
from tests.support.servers import FerretdbServer

NAME = "mongodb/shop"
WINDOW = TimeWindow(start=datetime(2026, 11, 20, 11, tzinfo=UTC), end=datetime(2026, 11, 20, 12, tzinfo=UTC))


def make(host: str, port: int, **more: Any) -> MongodbConnector:
    settings = {"username": FerretdbServer.user, "password": FerretdbServer.password, "database": "shop"} | more
    config = CONNECTOR.Config(url=f"mongodb://{host}:{port}/", **settings)
    return CONNECTOR(name=NAME, config=config, environment="production", clock=SystemClock())


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)


def query(**command: Any) -> ToolCall:
    return call("run_query", command=json.dumps(command))


@pytest.mark.servers
class TestMongodbContract(ConnectorContract):
    speaks_http = False
    secrets: ClassVar[Sequence[str]] = (FerretdbServer.password, "wrong-Pa55phrase-never-shown")

    @pytest.fixture(autouse=True)
    def _server(self, ferretdb: FerretdbServer) -> None:
        self.server = ferretdb

    def make(self) -> MongodbConnector:
        return make(self.server.host, self.server.port)

    def make_at(self, host: str, port: int) -> MongodbConnector:
        return make(host, port)

    def make_unauthorized(self) -> MongodbConnector:
        return make(self.server.host, self.server.port, password="wrong-Pa55phrase-never-shown")

    def calls(self) -> Sequence[ToolCall]:
        return (
            query(find="orders", filter={"total": {"$gt": 10}}, limit=3),
            call("list_activity"),
            call("get_connections"),
            call("list_slow_statements"),
            call("get_replication"),
            call("search_schema", words="order"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return query(find="orders", filter={"_id": {"$lte": 100}}), 100

    def empty_call(self) -> ToolCall:
        return query(find="orders", filter={"_id": {"$lt": 0}})

    def slow_call(self) -> ToolCall:
        return query(aggregate="orders", pipeline=[{"$sort": {"note": 1}}, {"$group": {"_id": "$customer"}}])

    def echo_call(self, text: str) -> ToolCall:
        return query(find="orders", filter={"note": text})

    async def fingerprint(self) -> str:
        client = self.server.client()
        try:
            return repr(
                [
                    (name, list(client["shop"][name].find(sort=[("_id", 1)])))
                    for name in sorted(client["shop"].list_collection_names())
                ]
            )
        finally:
            client.close()
