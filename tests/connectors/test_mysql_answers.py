"""What MySQL tells in trouble, on a real MariaDB: lock chains, connections, slow statements, replication, values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.base import Ask
from connectors.errors import Misconfigured, NotFound, Rejected, TimedOut, Unauthorized
from connectors.model import HealthStatus, Item, Limits, Objects, Rows, SystemClock, ToolResult
from connectors.mysql.connector import MysqlConnector
from tests.connectors import mysql_shop as shop
from tests.connectors.test_mysql_contract import call, make
from tests.support.servers import MariadbServer, require
from tests.support.servers.mariadb import run

pytestmark = pytest.mark.servers
LIMITS = Limits(deadline_s=10)


@pytest.fixture
async def connector(mariadb: MariadbServer) -> AsyncIterator[MysqlConnector]:
    made = make(mariadb.host, mariadb.port)
    yield made
    await made.close()


@pytest.fixture
async def sessions(mariadb: MariadbServer) -> AsyncIterator[list[Any]]:
    """Four direct sessions; whatever they hold is given back."""
    opened = [await mariadb.connect("shop") for _ in range(4)]
    yield opened
    for session in opened:
        session.close()


def listed(result: ToolResult) -> tuple[Item, ...]:
    assert isinstance(result.payload, Objects)
    return result.payload.items


def rows(result: ToolResult) -> Any:
    assert isinstance(result.payload, Rows)
    return result.payload.rows


async def sql(connector: MysqlConnector, text: str, limits: Limits = LIMITS) -> ToolResult:
    return await connector.call(call("run_query", sql=text), limits)


async def until(session: Any, query: str) -> None:
    """InnoDB renews its view of transactions only when nobody read it for 100 ms."""
    async with asyncio.timeout(20):
        while not (await run(session, query))[0][0]:
            await asyncio.sleep(0.12)


async def test_a_lock_chain_names_its_root(connector: MysqlConnector, sessions: list[Any]) -> None:
    root, middle, last, watcher = sessions
    ids = [session.thread_id() for session in (root, middle, last)]
    for session, row in ((root, 1), (middle, 2)):
        await run(session, "begin")
        await run(session, f"update orders set note = 'a' where id = {row}")
    waits = [
        asyncio.create_task(run(session, f"update orders set note = 'b' where id = {row}"))
        for session, row in ((middle, 1), (last, 2))
    ]
    await until(watcher, "select count(*) = 2 from information_schema.innodb_trx where trx_state = 'LOCK WAIT'")
    found = listed(await connector.call(call("list_locks"), LIMITS))
    chain = {item.fields["blocked_pid"]: item for item in found}
    assert chain[ids[1]].fields["blocking_pid"] == ids[0]
    assert chain[ids[2]].fields["blocking_pid"] == ids[1]
    assert chain[ids[2]].fields["root_pids"] == [ids[0]]
    assert chain[ids[1]].fields["waiters_of_root"] == 2
    assert chain[ids[1]].name == "shop.orders"
    assert chain[ids[1]].fields["blocking_state"] == "idle in transaction"
    assert 0 <= chain[ids[1]].fields["blocking_duration_s"] < 60  # type: ignore[operator]  # the server is not in UTC
    activity = {i.fields["pid"]: i.fields for i in listed(await connector.call(call("list_activity"), LIMITS))}
    assert set(ids) <= set(activity)
    assert activity[ids[0]]["state"] == "idle in transaction"
    assert 0 <= activity[ids[0]]["transaction_s"] < 60  # type: ignore[operator]
    assert listed(await connector.call(call("get_connections"), LIMITS))[0].fields["waiting"] == 2
    await run(root, "rollback")
    await waits[0]
    await run(middle, "rollback")
    await waits[1]


async def test_a_waiting_ddl_names_who_read_the_table(connector: MysqlConnector, sessions: list[Any]) -> None:
    holder, waiter, watcher, _ = sessions
    await run(holder, "begin")
    await run(holder, "select count(*) from customers")
    waiting = asyncio.create_task(run(waiter, "alter table customers add column later int"))
    await until(watcher, "select count(*) from information_schema.processlist where state like '%metadata lock%'")
    item = next(i for i in listed(await connector.call(call("list_locks"), LIMITS)) if i.name == "shop.customers")
    assert (item.fields["blocked_pid"], item.fields["blocking_pid"]) == (waiter.thread_id(), holder.thread_id())
    assert item.fields["locktype"] == "metadata"
    with pytest.raises(TimedOut, match="lock"):
        await sql(connector, "select count(*) from customers", Limits(deadline_s=6))
    await run(holder, "rollback")
    await waiting
    await run(waiter, "alter table customers drop column later")


async def test_connections_count_against_the_limit(connector: MysqlConnector, sessions: list[Any]) -> None:
    fields = listed(await connector.call(call("get_connections"), LIMITS))[0].fields
    ((real,),) = await run(
        sessions[0], "select count(*) from information_schema.processlist where command <> 'Daemon'"
        " and user not in ('system user', 'event_scheduler')",
    )  # fmt: skip
    assert (fields["used"], fields["limit"]) == (real, 50)
    assert sum(fields["by_state"].values()) == real  # type: ignore[union-attr,arg-type]
    assert fields["by_user"]["root"] == 4  # type: ignore[index,call-overload]


async def test_a_statement_that_became_slow_shows_against_its_past(mariadb: MariadbServer, sessions: list[Any]) -> None:
    app = sessions[0]
    for _ in range(5):
        await run(app, "select sleep(0.001) from orders where id = 7")
    connector = make(mariadb.host, mariadb.port, sample_gap_s=0.5)
    asking = asyncio.create_task(connector.call(call("list_slow_statements"), LIMITS))
    await asyncio.sleep(0.2)
    await run(app, "select sleep(0.08) from orders where id = 7")
    found = listed(await asking)
    await connector.close()
    slow = next(i for i in found if "sleep" in str(i.fields["query"]).lower() and "orders" in str(i.fields["query"]))
    assert slow.fields["calls"] == 1
    assert slow.fields["mean_ms"] > 5 * slow.fields["baseline_mean_ms"]  # type: ignore[operator]


async def test_statistics_that_are_off_are_said() -> None:
    server = require(lambda: MariadbServer(settings={"performance-schema": "OFF"}))
    try:
        await shop.prepare(server)
        connector = make(server.host, server.port)
        result = await connector.call(call("list_slow_statements"), LIMITS)
        assert (result.is_empty, "performance schema is off" in (result.truncated or "")) == (True, True)
        locks = await connector.call(call("list_locks"), LIMITS)
        assert "not counted" in locks.source.query
        await connector.close()
    finally:
        server.stop()


async def test_health_finds_needless_indexes_and_used_up_ids(connector: MysqlConnector) -> None:
    items = listed(await connector.call(call("get_table_health"), LIMITS))
    problems = {(item.api_kind, item.name): item.fields["problems"] for item in items}
    assert "duplicate of orders_note_two" in problems["Index", "orders_note_one"]  # type: ignore[operator]
    assert "ids are used up to 94%" in problems["Table", "nearly_full"]  # type: ignore[operator]
    assert any("locks the whole table" in str(p) for p in problems["Table", "nearly_full"])  # type: ignore[union-attr]
    assert problems["Table", "customers"] == []


async def test_schema_search_knows_references(connector: MysqlConnector) -> None:
    for words in ("customer", ["customer"]):
        found = rows(await connector.call(call("search_schema", words=words), LIMITS))
        by_column = {(row[1], row[2]): row for row in found}
        assert by_column["orders", "customer_id"][6] == "customers.id"
        assert by_column["customers", "id"][5] is True
        assert "People who buy" in by_column["customers", "id"][7]


VALUES: tuple[tuple[str, Any], ...] = (
    ("9007199254740992", 9007199254740992),
    ("9007199254740993", "9007199254740993"),
    ("cast(18446744073709551615 as unsigned)", "18446744073709551615"),
    ("cast(0.1 as decimal(10,4))", "0.1000"),
    ("1.5e0", 1.5),
    ("x'deadbeef'", "\\xdeadbeef"),
    ("cast('2026-02-03' as date)", "2026-02-03"),
    ("cast('2026-03-29 01:30:00.25' as datetime(2))", "2026-03-29T01:30:00.250000"),
    ("cast('27:04:05' as time)", "P1DT3H4M5S"),
    ("'ünïcödé 🙂'", "ünïcödé 🙂"),
    ("'a\\'b\\\\c'", "a'b\\c"),
    ("null", None),
    ("''", ""),
    ("json_object('a', 1)", '{"a": 1}'),
    ("from_unixtime(0)", "1970-01-01T00:00:00"),
)


async def test_values_are_faithful(connector: MysqlConnector) -> None:
    for text, expected in VALUES:
        assert rows(await sql(connector, f"select {text} as v"))[0][0] == expected, text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("select nothing from orders", NotFound),
        ("select * from secrets_of_others", Unauthorized),
        ("selec 1", Rejected),
        ("delete from orders", Rejected),
        ("select load_file('/etc/passwd')", Rejected),
        ("select sleep(5)", Rejected),
        ("select 1 into outfile '/tmp/x'", Rejected),
        ("select 1; select 2", Rejected),
        ("select /*!50000 1 */ from orders", Rejected),
        ("select id from orders for update", Rejected),
    ],
)
async def test_errors_say_what_to_do(connector: MysqlConnector, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^[A-Zmp'].+\.$"):
        await sql(connector, text)


async def test_the_session_alone_refuses_writes(mariadb: MariadbServer) -> None:
    """The guard off: even an account that may write cannot, in our transaction, one statement at a time."""
    able = make(mariadb.host, mariadb.port, username=shop.WRITER, password=shop.WRITER_PASSWORD)
    before = await shop.fingerprint(mariadb)
    ask = Ask(None, LIMITS, SystemClock())
    for text in (
        "delete from orders",
        "insert into orders values (0, 1, 0, '')",
        "create table t (x int)",
        "update orders set note = ''",
        "select 1; delete from orders",
        "commit; delete from orders",
    ):
        with pytest.raises(Exception, match=r"READ ONLY|denied|syntax"):
            await able.link.table(text, ask)
        async with able.link.reading(LIMITS) as connection:
            with pytest.raises(Exception, match=r"READ ONLY|denied|syntax"):
                await connection.query(text)
    await able.close()
    assert await shop.fingerprint(mariadb) == before


async def test_check_says_when_the_account_can_write(mariadb: MariadbServer) -> None:
    for user, password, writable in (
        (shop.READER, shop.PASSWORD, False),
        (shop.WRITER, shop.WRITER_PASSWORD, True),
        (mariadb.user, mariadb.password, True),
    ):
        connector = make(mariadb.host, mariadb.port, username=user, password=password)
        health = await connector.check()
        await connector.close()
        assert health.writable is writable, health.detail
        assert (health.status is HealthStatus.DEGRADED) is writable


async def test_wrong_database_unix_socket_and_tls(mariadb: MariadbServer) -> None:
    wrong = make(mariadb.host, mariadb.port, database="nowhere", username=mariadb.user, password=mariadb.password)
    with pytest.raises(Misconfigured, match="no such database"):
        await wrong.call(call("get_connections"), LIMITS)
    local = make(mariadb.socket, mariadb.port, username=mariadb.user, password=mariadb.password)
    assert (await local.check()).status is not HealthStatus.UNHEALTHY
    strict = make(mariadb.host, mariadb.port, sslmode="verify-full")
    with pytest.raises(Misconfigured, match="TLS"):
        await strict.call(call("get_connections"), LIMITS)
    for connector in (wrong, local, strict):
        await connector.close()


async def test_cancel_reaches_the_server(connector: MysqlConnector, sessions: list[Any]) -> None:
    running = "select count(*) from information_schema.processlist where info like '%from%slow%' and id <> {own}"
    running = running.format(own=sessions[0].thread_id())
    task = asyncio.create_task(sql(connector, "select slept from slow"))
    await until(sessions[0], f"select ({running}) = 1")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):  # far less than the query would take by itself
        await until(sessions[0], f"select ({running}) = 0")
    with pytest.raises(TimedOut):
        await sql(connector, "select slept from slow", Limits(deadline_s=0.3))
    await until(sessions[0], f"select ({running}) = 0")


async def test_the_server_ends_a_statement_at_its_time_limit(mariadb: MariadbServer) -> None:
    connector = make(mariadb.host, mariadb.port, statement_timeout_s=0.3)
    with pytest.raises(TimedOut, match="time limit"):
        await sql(connector, "select count(*) from orders a, orders b, orders c where a.id + b.id + c.id > 1")
    await connector.close()


async def test_a_huge_cell_is_cut_on_the_server(connector: MysqlConnector) -> None:
    result = await sql(connector, "select id, cell, raw, id from wide order by id desc")
    short, long = rows(result)
    assert short == (2, "short", "\\x73686f7274", 2)
    assert (len(long[1]), long[0]) == (65_536, 1)
    assert "1 cells cut" in (result.truncated or "")
    assert result.stats.bytes < 200_000


async def test_rows_are_cut_at_the_caps(connector: MysqlConnector) -> None:
    result = await sql(connector, "select id, note from orders", Limits(max_rows=10_000, max_bytes=2_000))
    assert "byte cap 2,000" in (result.truncated or "")
    assert 50 < len(rows(result)) < 200
    result = await sql(connector, "select a.id from orders a join orders b on a.id <> b.id limit 1000000")
    assert (len(rows(result)), result.truncated) == (LIMITS.max_rows, "first 1,000 rows")


async def test_a_killed_session_is_named_and_the_next_call_works(
    connector: MysqlConnector, sessions: list[Any]
) -> None:
    asking = asyncio.create_task(sql(connector, "select slept from slow"))
    victim = (
        f"select id from information_schema.processlist where info like '%slow%' and id <> {sessions[0].thread_id()}"
    )
    await until(sessions[0], f"select exists ({victim})")
    ((pid,),) = await run(sessions[0], victim)
    await run(sessions[0], f"kill {pid}")
    with pytest.raises((TimedOut, Exception), match=r"dropped the connection|time limit"):
        await asking
    assert rows(await sql(connector, "select 1 as one")) == ((1,),)


async def test_replication_lag_of_a_real_replica(mariadb: MariadbServer) -> None:
    """A second server follows the first one's binary log; a stopped applier is seen."""
    source = require(lambda: MariadbServer(settings={"log-bin": "binlog", "server-id": "1"}))
    follower = require(lambda: MariadbServer(settings={"server-id": "2"}))
    try:
        await _follow(source, follower)
        reader = make(follower.host, follower.port, username="root", password=source.password, database="mysql")
        writer = make(source.host, source.port, username="root", password=source.password, database="mysql")
        replica = listed(await reader.call(call("get_replication"), LIMITS))[0]
        assert (replica.fields["state"], replica.fields["lag_s"]) == ("streaming", 0.0)
        assert listed(await writer.call(call("get_replication"), LIMITS))[0].fields["role"] == "reader"
        admin = await follower.connect()
        await run(admin, "stop slave sql_thread")
        stopped = listed(await reader.call(call("get_replication"), LIMITS))[0]
        assert (stopped.fields["state"], stopped.fields["lag_s"]) == ("stopped", None)
        for opened in (reader, writer):
            await opened.close()
        admin.close()
    finally:
        source.stop()
        follower.stop()


async def _follow(source: MariadbServer, follower: MariadbServer) -> None:
    admin = await follower.connect()
    await run(
        admin, f"change master to master_host='127.0.0.1', master_port={source.port}, master_user='root',"
        f" master_password='{source.password}', master_use_gtid=no",
    )  # fmt: skip
    await run(admin, "start slave")
    async with asyncio.timeout(15):
        while {"Yes"} != {row[11] for row in await run(admin, "show slave status")}:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
    admin.close()
