"""How long a cancelled question runs on at its backend, watched on the server itself.

usage: python -m tests.benchmarks.cancel_reach [--rounds 20]
PostgreSQL, MariaDB and ClickHouse's engine are real (the last where `scripts/install-test-engines` was run); MongoDB
and BigQuery are the doubles of the tests, which run, list and end operations. Milliseconds from the cancel to the first
look that finds the query gone; a look takes a few milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from connectors.model import Limits
from tests.connectors import (
    clickhouse_shop,
    mysql_shop,
    shop,
    test_bigquery,
    test_clickhouse_contract,
    test_mongodb_contract,
    test_mysql_contract,
    test_postgresql_contract,
)
from tests.connectors.test_clickhouse_answers import RUNNING
from tests.support.bigquery_double import BigqueryDouble
from tests.support.mongo_double import MongoDouble
from tests.support.servers import ClickhouseServer, MariadbServer, PostgresServer
from tests.support.servers.mariadb import run
from tests.support.servers.process import MissingServer

Looks = Callable[[], Awaitable[bool]]
_SLOW_SQL = "select slept from slow"


async def _rounds(connector: Any, call: Any, running: Looks, rounds: int) -> dict[str, float]:
    taken: list[float] = []
    for _ in range(rounds):
        task = asyncio.create_task(connector.call(call, Limits(deadline_s=30)))
        async with asyncio.timeout(20):
            while not await running():
                await asyncio.sleep(0.005)
        began = time.perf_counter()
        task.cancel()
        async with asyncio.timeout(20):
            while await running():
                await asyncio.sleep(0.005)
        taken.append((time.perf_counter() - began) * 1000)
        with suppress(asyncio.CancelledError):
            await task
    await connector.close()
    return {"rounds": rounds, "p50_ms": round(statistics.median(taken), 1), "worst_ms": round(max(taken), 1)}


async def _postgresql(rounds: int) -> dict[str, float]:
    server = PostgresServer()
    try:
        await shop.prepare(server)
        watcher = await server.connect()
        query = (
            "select count(*) > 0 from pg_stat_activity where query ilike '%from slow%' and state = 'active'"
            " and pid <> pg_backend_pid()"
        )

        async def running() -> bool:
            return bool(await watcher.fetchval(query))

        made = test_postgresql_contract.make(server.host, server.port)
        found = await _rounds(made, test_postgresql_contract.call("run_query", sql=_SLOW_SQL), running, rounds)
        await watcher.close()
        return found
    finally:
        server.stop()


async def _mysql(rounds: int) -> dict[str, float]:
    server = MariadbServer()
    try:
        await mysql_shop.prepare(server)
        watcher = await server.connect()
        own = watcher.thread_id()
        query = f"select id from information_schema.processlist where info like '%from%slow%' and id <> {own}"

        async def running() -> bool:
            return bool(await run(watcher, query))

        made = test_mysql_contract.make(server.host, server.port)
        found = await _rounds(made, test_mysql_contract.call("run_query", sql=_SLOW_SQL), running, rounds)
        watcher.close()
        return found
    finally:
        server.stop()


async def _clickhouse(rounds: int) -> dict[str, float]:
    server = ClickhouseServer(users=clickhouse_shop.USERS)
    try:
        clickhouse_shop.prepare(server)

        async def running() -> bool:
            return bool((await asyncio.to_thread(server.run, RUNNING))[0][0] != "0")

        made = test_clickhouse_contract.make(server.host, server.port)
        return await _rounds(made, test_clickhouse_contract.call("run_query", sql=_SLOW_SQL), running, rounds)
    finally:
        server.stop()


async def _mongodb(rounds: int) -> dict[str, float]:
    async with MongoDouble() as double:

        async def running() -> bool:
            return bool(double.operations)

        made = test_mongodb_contract.make(double.host, double.port, username=None, password=None)
        return await _rounds(made, test_mongodb_contract.query(find="slow"), running, rounds)


async def _bigquery(rounds: int) -> dict[str, float]:
    async with BigqueryDouble(test_bigquery.TABLES, token=test_bigquery.TOKEN) as double:

        async def running() -> bool:
            return bool(double.running)

        made = test_bigquery.make(double.host, double.port)
        return await _rounds(made, test_bigquery.call("run_query", sql=test_bigquery.SLOW), running, rounds)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    backends = {"postgresql": _postgresql, "mysql": _mysql, "clickhouse": _clickhouse, "mongodb": _mongodb}
    found: dict[str, dict[str, float] | str] = {}
    for name, measure in (backends | {"bigquery": _bigquery}).items():
        try:
            found[name] = asyncio.run(measure(rounds))
        except MissingServer as error:
            found[name] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
