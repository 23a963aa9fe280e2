"""A server too old, or another product behind the port, is a sentence that names what is needed."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.elasticsearch import CONNECTOR as ELASTICSEARCH
from connectors.errors import Misconfigured
from connectors.model import HealthStatus, Limits, ToolCall
from connectors.testing import Fault, FaultServer
from tests.connectors import (
    test_elasticsearch_contract,
    test_mongodb_contract,
    test_mysql_contract,
    test_postgresql_contract,
)
from tests.connectors.elasticsearch_data import CLOCK
from tests.support.mongo_double import MongoDouble
from tests.support.old_servers import mysql, postgres, talking


async def refused(connector: Any, call: ToolCall, words: str) -> None:
    """The call and the check both say it."""
    with pytest.raises(Misconfigured, match=words):
        await connector.call(call, Limits(deadline_s=5))
    health = await connector.check()
    await connector.close()
    assert health.status is HealthStatus.UNHEALTHY
    assert "Traceback" not in health.detail


@pytest.mark.parametrize("version", ["9.6.24", "11.22", "10.23 (Ubuntu 10.23-0ubuntu0.18.04.2+esm1)"])
async def test_postgresql(version: str) -> None:
    async with talking(postgres(version)) as port:
        connector = test_postgresql_contract.make("127.0.0.1", port)
        await refused(connector, test_postgresql_contract.call("list_activity"), "PostgreSQL 12")


@pytest.mark.parametrize("version", ["5.5.62", "5.7.44-log", "5.5.5-10.1.48-MariaDB"])
async def test_mysql(version: str) -> None:
    async with talking(mysql(version)) as port:
        connector = test_mysql_contract.make("127.0.0.1", port, sslmode="disable")
        await refused(connector, test_mysql_contract.call("list_activity"), "MySQL 8.0 or MariaDB 10.4")


async def test_mongodb() -> None:
    class Old(MongoDouble):
        async def _reply(self, command: dict[str, Any]) -> dict[str, Any]:
            told = await super()._reply(command)
            return told | {"maxWireVersion": 5} if "maxWireVersion" in told else told

    async with Old() as double:
        connector = test_mongodb_contract.make(double.host, double.port, username=None, password=None)
        await refused(connector, test_mongodb_contract.query(find="orders"), "wire version")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("reply", 200, b'{"version": {"number": "6.8.23"}}'), "does not answer as Elasticsearch"),
        (
            Fault(
                "reply",
                400,
                b'{"error": {"type": "media_type_header_exception", "reason": "Invalid media-type value on headers"},'
                b' "status": 400}',
                headers={"X-Elastic-Product": "Elasticsearch"},
            ),
            "Elasticsearch 8",
        ),
    ],
)
async def test_elasticsearch(fault: Fault, words: str) -> None:
    async with FaultServer(fault) as server:
        config = ELASTICSEARCH.Config(hosts=(f"http://{server.host}:{server.port}",))
        name = test_elasticsearch_contract.NAME
        connector = ELASTICSEARCH(name=name, config=config, environment="p", clock=CLOCK)
        arguments = {"request": '{"method":"GET","path":"/_cluster/health"}'}
        await refused(connector, ToolCall(connector=name, tool="run_query", arguments=arguments), words)
