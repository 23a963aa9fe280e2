"""Real servers for connector tests, started once per session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from connectors._testing_harness import ContractHarness
from tests.connectors import clickhouse_shop, history, mysql_shop
from tests.connectors.shop import prepare
from tests.support.certificates import untrusted
from tests.support.servers import (
    ClickhouseServer,
    FerretdbServer,
    MariadbServer,
    PostgresServer,
    PrometheusServer,
    require,
)


@pytest.fixture(scope="session", autouse=True)
def untrusted_certificate(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A certificate for loopback that nobody signed, for the contract's clause about TLS."""
    files = untrusted(tmp_path_factory.mktemp("tls"))
    ContractHarness.certificate = files


@pytest.fixture(scope="session")
def prometheus() -> Iterator[PrometheusServer]:
    """A Prometheus that knows two hours of a small shop, and has rules and one dead target."""
    server = require(
        lambda: PrometheusServer(openmetrics=history.openmetrics(), rules=history.RULES, scrape=history.SCRAPE)
    )
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL with the shop's tables and a read-only role."""
    server = require(PostgresServer)
    asyncio.run(prepare(server))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A MariaDB with the shop's tables and a read-only account; its own clock is not in UTC."""
    server = require(lambda: MariadbServer(time_zone="Asia/Kolkata"))
    try:
        asyncio.run(mysql_shop.prepare(server))
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickhouseServer]:
    """ClickHouse's engine with the shop's tables and a reader."""
    server = require(lambda: ClickhouseServer(users=clickhouse_shop.USERS))
    try:
        clickhouse_shop.prepare(server)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def ferretdb() -> Iterator[FerretdbServer]:
    """A FerretDB with the shop's collections."""
    server = require(FerretdbServer)
    try:
        client = server.client()
        orders = [{"_id": n, "customer": 1 + n % 50, "total": n * 1.25, "note": f"note {n}"} for n in range(1, 3_001)]
        client["shop"]["orders"].insert_many(orders)
        client["shop"]["customers"].insert_one({"_id": 1, "email": "a@example.com", "about": {"since": 2020}})
        client.close()
        yield server
    finally:
        server.stop()
