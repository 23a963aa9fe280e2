"""What ClickHouse tells in trouble, on its real engine: running queries, parts, statements, values, limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.clickhouse.connector import ClickhouseConnector
from connectors.clickhouse.items import write_reasons
from connectors.errors import Misconfigured, NotFound, Rejected, TimedOut
from connectors.model import HealthStatus, Item, Limits, Objects, Rows, TimeWindow, ToolResult
from tests.connectors import clickhouse_shop as shop
from tests.connectors.test_clickhouse_contract import NAME, call, make
from tests.support.servers import ClickhouseServer

pytestmark = pytest.mark.servers
LIMITS = Limits(deadline_s=10)


@pytest.fixture
async def connector(clickhouse: ClickhouseServer) -> AsyncIterator[ClickhouseConnector]:
    made = make(clickhouse.host, clickhouse.port)
    yield made
    await made.close()


def listed(result: ToolResult) -> tuple[Item, ...]:
    assert isinstance(result.payload, Objects)
    return result.payload.items


def rows(result: ToolResult) -> Any:
    assert isinstance(result.payload, Rows)
    return result.payload.rows


async def sql(connector: ClickhouseConnector, text: str, limits: Limits = LIMITS) -> ToolResult:
    return await connector.call(call("run_query", sql=text), limits)


async def until(server: ClickhouseServer, query: str, expected: str) -> None:
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(server.run, query))[0][0] != expected:
            await asyncio.sleep(0.02)


RUNNING = "select count() from system.processes where query like '%FROM slow%' and query not like '%processes%'"


async def test_cancel_reaches_the_server(connector: ClickhouseConnector, clickhouse: ClickhouseServer) -> None:
    task = asyncio.create_task(sql(connector, "select slept from slow"))
    await until(clickhouse, RUNNING, "1")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):  # far less than the query would take by itself
        await until(clickhouse, RUNNING, "0")
    with pytest.raises(TimedOut):
        await sql(connector, "select slept from slow", Limits(deadline_s=0.4))
    async with asyncio.timeout(20):
        await until(clickhouse, RUNNING, "0")


async def test_the_server_ends_a_query_at_its_time_limit(clickhouse: ClickhouseServer) -> None:
    connector = make(clickhouse.host, clickhouse.port, statement_timeout_s=0.3)
    with pytest.raises(TimedOut, match="time limit"):
        await sql(connector, "select slept from slow")
    await connector.close()


async def test_what_runs_is_listed(connector: ClickhouseConnector, clickhouse: ClickhouseServer) -> None:
    asking = asyncio.create_task(asyncio.to_thread(_tolerant, clickhouse, "select slept from shop.slow"))
    seen = "select count() from system.processes where query like '%shop.slow%' and query not like '%processes%'"
    await until(clickhouse, seen, "1")
    found = listed(await connector.call(call("list_activity"), LIMITS))
    assert [item.fields["query"] for item in found if "shop.slow" in str(item.fields["query"])]
    assert found[0].fields["read_rows"] is not None
    kill = "kill query where query like '%shop.slow%' and query not like '%kill%' sync"
    await asyncio.to_thread(_tolerant, clickhouse, kill)
    await asking


def _tolerant(server: ClickhouseServer, text: str) -> None:
    with contextlib.suppress(RuntimeError):  # it is killed on purpose
        server.run(text)


async def test_a_statement_that_became_slow_shows_against_its_past(connector: ClickhouseConnector) -> None:
    (item,) = listed(await connector.call(call("list_slow_statements"), LIMITS))
    fields = item.fields
    assert (fields["calls"], fields["mean_ms"], fields["baseline_mean_ms"]) == (60, 200.0, 10.0)
    assert (fields["user"], fields["total_ms"]) == ("app", 12_000.0)


async def test_many_parts_are_a_problem(connector: ClickhouseConnector) -> None:
    found = listed(await connector.call(call("get_table_health"), LIMITS))
    problems = {item.name: item.fields["problems"] for item in found}
    assert any("inserts come faster than merges" in str(problem) for problem in problems["crowded"])  # type: ignore[union-attr]
    assert problems["orders"] == []
    assert any(item.api_kind == "Disk" and item.fields["total_bytes"] for item in found)


async def test_errors_that_happened_in_the_window_are_listed(connector: ClickhouseConnector) -> None:
    with pytest.raises(NotFound):
        await sql(connector, "select * from no_such_table")
    now = datetime.now(UTC)
    asked = call("list_errors").model_copy(
        update={"window": TimeWindow(start=now - timedelta(minutes=5), end=now + timedelta(minutes=1))}
    )
    found = {item.name: item.fields for item in listed(await connector.call(asked, LIMITS))}
    assert found["UNKNOWN_TABLE"]["count"] >= 1  # type: ignore[operator]


async def test_schema_search(connector: ClickhouseConnector) -> None:
    for words in ("email", ["where"]):
        found = rows(await connector.call(call("search_schema", words=words), LIMITS))
        assert [(row[1], row[2], row[6]) for row in found] == [("customers", "email", "where to write")]


VALUES: tuple[tuple[str, Any], ...] = (
    ("toInt64(9007199254740992)", 9007199254740992),
    ("toInt64(9007199254740993)", "9007199254740993"),
    ("toUInt64(18446744073709551615)", "18446744073709551615"),
    ("toDecimal64('0.1000', 4)", "0.1"),
    ("toInt128('170141183460469231731687303715884105727')", "170141183460469231731687303715884105727"),
    ("0 / 0", "NaN"),
    ("-1 / 0", "-Infinity"),
    ("unhex('deadbeef')", "\\xdeadbeef"),
    ("toDate('2026-02-03')", "2026-02-03"),
    ("toDateTime64('2026-01-02 03:04:05.123', 3, 'Asia/Kolkata')", "2026-01-01T21:34:05.123Z"),
    ("'ünïcödé 🙂'", "ünïcödé 🙂"),
    ("[1, 2]", [1, 2]),
    ("map('a', 1)", {"a": 1}),
    ("(1, 'x')", [1, "x"]),
    ("toUUID('0b0a8d5e-0000-4000-8000-000000000001')", "0b0a8d5e-0000-4000-8000-000000000001"),
    ("null", None),
    ("true", True),
    ("''", ""),
)


async def test_values_are_faithful(connector: ClickhouseConnector) -> None:
    for text, expected in VALUES:
        assert rows(await sql(connector, f"select {text} as v"))[0][0] == expected, text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("select nothing from orders", NotFound),
        ("select * from no_such_table", NotFound),
        ("selec 1", Rejected),
        ("alter table orders delete where 1", Rejected),
        ("select * from url('http://127.0.0.1:1/x', 'CSV', 'a String')", Rejected),
        ("select * from file('/etc/passwd', 'CSV', 'a String')", Rejected),
        ("select * from remote('127.0.0.1', 'shop', 'orders')", Rejected),
        ("select sleep(3)", Rejected),
        ("select 1; select 2", Rejected),
        ("select 1 settings readonly = 0", Rejected),
        ("select 1 into outfile '/tmp/x'", Rejected),
        ("select toUInt8('x')", Rejected),
    ],
)
async def test_errors_say_what_to_do(connector: ClickhouseConnector, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^.+\.$"):
        await sql(connector, text)


async def test_the_session_alone_refuses_writes(clickhouse: ClickhouseServer) -> None:
    """The guard off: `readonly` refuses even the superuser of the engine."""
    connector = make(clickhouse.host, clickhouse.port, username=clickhouse.user, password=clickhouse.password)
    before = shop.fingerprint(clickhouse)
    for text in (
        "insert into orders (id) select 1",
        "create table t (x Int32) engine = Memory",
        "alter table orders delete where 1",
        "drop table orders",
        "truncate table orders",
        "set readonly = 0",
        "select * from url('http://127.0.0.1:1/x', 'CSV', 'a String')",
        "select 1; drop table orders",
        "select 1 settings readonly = 0",
    ):
        with pytest.raises((Rejected, Misconfigured)):
            await connector.link.query(text, LIMITS)
    await connector.close()
    assert shop.fingerprint(clickhouse) == before


async def test_check_says_when_the_account_can_write(clickhouse: ClickhouseServer) -> None:
    for user, password, writable in (
        (shop.READER, shop.PASSWORD, False),
        (clickhouse.user, clickhouse.password, True),
    ):
        connector = make(clickhouse.host, clickhouse.port, username=user, password=password)
        health = await connector.check()
        await connector.close()
        assert health.writable is writable, health.detail
        assert (health.status is HealthStatus.DEGRADED) is writable


def test_reading_rights_are_no_reason() -> None:
    assert write_reasons(["GRANT SHOW, SELECT(id, name), dictGet, KILL QUERY ON shop.* TO reader"]) == []
    assert write_reasons(["GRANT SELECT, ALTER TABLE ON shop.* TO x"]) == ["ALTER TABLE on shop.*"]


async def test_caps_hold(connector: ClickhouseConnector) -> None:
    result = await sql(connector, "select a.id as id from orders a join orders b on a.customer_id = b.customer_id")
    assert (len(rows(result)), result.truncated) == (LIMITS.max_rows, "first 1,000 rows")
    assert result.stats.scanned_bytes
    result = await sql(connector, "select id, note from orders", Limits(max_rows=10_000, max_bytes=2_000))
    assert "byte cap 2,000" in (result.truncated or "")
    small = make("127.0.0.1", int(connector.config.url.rsplit(":", 1)[1]), max_scan_bytes=1_000)
    with pytest.raises(Rejected, match="limit"):
        await small.call(call("run_query", sql="select sum(id) from orders"), LIMITS)
    await small.close()
    assert connector.name == NAME
