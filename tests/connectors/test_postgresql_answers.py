"""What PostgreSQL tells in trouble, on a real server: lock chains, connections, slow statements, health, values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.errors import Misconfigured, NotFound, Rejected, TimedOut, Unauthorized, Unavailable
from connectors.model import HealthStatus, Item, Limits, Objects, Rows, ToolResult
from connectors.postgresql.connector import PostgresqlConnector
from tests.connectors import shop
from tests.connectors.test_postgresql_contract import call, make
from tests.support.servers import PostgresServer

pytestmark = pytest.mark.servers
LIMITS = Limits(deadline_s=10)


@pytest.fixture
async def connector(postgres: PostgresServer) -> AsyncIterator[PostgresqlConnector]:
    made = make(postgres.host, postgres.port)
    yield made
    await made.close()


@pytest.fixture
async def sessions(postgres: PostgresServer) -> AsyncIterator[list[Any]]:
    """Four direct sessions; whatever they hold is given back."""
    opened = [await postgres.connect() for _ in range(4)]
    yield opened
    for session in opened:
        session.terminate()


def listed(result: ToolResult) -> tuple[Item, ...]:
    assert isinstance(result.payload, Objects)
    return result.payload.items


def rows(result: ToolResult) -> Any:
    assert isinstance(result.payload, Rows)
    return result.payload.rows


async def sql(connector: PostgresqlConnector, text: str, limits: Limits = LIMITS) -> ToolResult:
    return await connector.call(call("run_query", sql=text), limits)


async def until(session: Any, query: str) -> None:
    async with asyncio.timeout(20):
        while not await session.fetchval(query):
            await asyncio.sleep(0.02)


async def test_a_lock_chain_names_its_root(connector: PostgresqlConnector, sessions: list[Any]) -> None:
    root, middle, last, watcher = sessions
    await root.execute("begin; update orders set note = 'a' where id = 1")
    await middle.execute("begin; update orders set note = 'b' where id = 2")
    first = asyncio.create_task(middle.execute("update orders set note = 'b' where id = 1"))
    second = asyncio.create_task(last.execute("update orders set note = 'c' where id = 2"))
    await until(watcher, "select count(*) = 2 from pg_stat_activity where wait_event_type = 'Lock'")

    waits = listed(await connector.call(call("list_locks"), LIMITS))
    chain = {item.fields["blocked_pid"]: item.fields for item in waits}
    pids = [session.get_server_pid() for session in (root, middle, last)]
    assert chain[pids[1]]["blocking_pid"] == pids[0]
    assert chain[pids[2]]["blocking_pid"] == pids[1]
    assert chain[pids[2]]["root_pids"] == [pids[0]]
    assert chain[pids[1]]["waiters_of_root"] == 2
    assert chain[pids[1]]["relation"] == "public.orders"
    assert chain[pids[1]]["blocking_state"] == "idle in transaction"
    assert chain[pids[1]]["blocking_query"] == "begin; update orders set note = 'a' where id = 1"

    activity = listed(await connector.call(call("list_activity"), LIMITS))
    assert {item.fields["pid"] for item in activity} >= set(pids)
    counts = listed(await connector.call(call("get_connections"), LIMITS))[0].fields
    assert counts["waiting"] == 2
    await root.execute("rollback")
    await first
    await middle.execute("rollback")
    await second


async def test_a_table_lock_names_its_relation(connector: PostgresqlConnector, sessions: list[Any]) -> None:
    holder, waiter, watcher, _ = sessions
    await holder.execute("begin; lock table customers in access exclusive mode")
    waiting = asyncio.create_task(waiter.execute("select count(*) from customers"))
    await until(watcher, "select count(*) = 1 from pg_locks where not granted")
    item = listed(await connector.call(call("list_locks"), LIMITS))[0]
    assert (item.name, item.fields["mode"]) == ("public.customers", "AccessShareLock")
    with pytest.raises(TimedOut, match="lock"):
        await sql(connector, "select count(*) from customers", Limits(deadline_s=4))
    await holder.execute("rollback")
    await waiting


async def test_own_sessions_are_not_activity(connector: PostgresqlConnector) -> None:
    assert await asyncio.gather(*(connector.call(call("list_activity"), LIMITS) for _ in range(4)))
    result = await connector.call(call("list_activity"), LIMITS)
    assert all(item.fields["application"] != "inquest" for item in listed(result))


async def test_connections_count_against_what_applications_can_reach(
    connector: PostgresqlConnector, sessions: list[Any]
) -> None:
    fields = listed(await connector.call(call("get_connections"), LIMITS))[0].fields
    real = await sessions[0].fetchval("select count(*) from pg_stat_activity where backend_type = 'client backend'")
    assert fields["used"] == real
    assert (fields["max_connections"], fields["reserved"], fields["limit"]) == (50, 3, 47)
    assert sum(fields["by_state"].values()) == real  # type: ignore[union-attr,arg-type,misc]


async def test_no_free_connection_is_said(postgres: PostgresServer) -> None:
    admin = await postgres.connect()
    await admin.execute(f"alter role {shop.WRITER} connection limit 1")
    held = await postgres.connect(user=shop.WRITER, password="writer-Pa55phrase")
    connector = make(postgres.host, postgres.port, username=shop.WRITER, password="writer-Pa55phrase")
    try:
        with pytest.raises(Unavailable, match="no free connection"):
            await connector.call(call("get_connections"), LIMITS)
    finally:
        await admin.execute(f"alter role {shop.WRITER} connection limit -1")
        for session in (held, admin):
            await session.close()
        await connector.close()


async def test_a_statement_that_became_slow_shows_against_its_past(
    postgres: PostgresServer, sessions: list[Any]
) -> None:
    admin, app = sessions[:2]
    await admin.execute("create or replace function work(s float8) returns void language sql as 'select pg_sleep(s)'")
    for _ in range(5):
        await app.execute("select work(0.001)")
    connector = make(postgres.host, postgres.port, sample_gap_s=0.4)
    asking = asyncio.create_task(connector.call(call("list_slow_statements"), LIMITS))
    await asyncio.sleep(0.15)
    await app.execute("select work(0.05)")
    found = listed(await asking)
    await connector.close()
    slow = next(item for item in found if item.fields["query"] == "select work($1)")
    assert found[0] == slow
    assert slow.fields["calls"] == 1
    mean, baseline = slow.fields["mean_ms"], slow.fields["baseline_mean_ms"]
    assert isinstance(mean, float)
    assert isinstance(baseline, float)
    assert mean > 5 * baseline


async def test_duplicate_indexes_are_found(connector: PostgresqlConnector) -> None:
    items = listed(await connector.call(call("get_table_health"), LIMITS))
    problems = {item.name: item.fields["problems"] for item in items}
    assert problems["orders_note_one"] == ["duplicate of orders_note_two"]
    assert problems["orders_pkey"] == []


async def test_schema_search_knows_references(connector: PostgresqlConnector) -> None:
    for words in ("customer", ["customer"]):
        found = rows(await connector.call(call("search_schema", words=words), LIMITS))
        by_column = {(row[1], row[2]): row for row in found}
        assert by_column["orders", "customer_id"][6] == "customers.id"
        assert by_column["customers", "id"][5] is True


VALUES: tuple[tuple[str, Any], ...] = (
    ("9007199254740992::int8", 9007199254740992),
    ("9007199254740993::int8", "9007199254740993"),
    ("-9223372036854775807::int8", "-9223372036854775807"),
    ("0.1000::numeric(10,4)", "0.1000"),
    ("'NaN'::numeric", "NaN"),
    ("'NaN'::float8", "NaN"),
    ("'-Infinity'::float8", "-Infinity"),
    ("1.5::float8", 1.5),
    ("'\\xdeadbeef'::bytea", "\\xdeadbeef"),
    ("'2026-03-29 01:30:00+01'::timestamptz", "2026-03-29T00:30:00+00:00"),
    ("'infinity'::timestamp", "infinity"),
    ("'2026-02-03'::date", "2026-02-03"),
    ("'1 year 2 mons 3 days 04:05:06.7'::interval", "P1Y2M3DT4H5M6.7S"),
    ("'-1 days -00:00:01'::interval", "P-1DT-1S"),
    ("'{1,NULL,3}'::int[]", [1, None, 3]),
    ("'{{a,b},{c,d}}'::text[]", [["a", "b"], ["c", "d"]]),
    ("""'{"a": {"b": [1, 2.50]}}'::json""", '{"a": {"b": [1, 2.50]}}'),
    ("'ünïcödé 🙂'::text", "ünïcödé 🙂"),
    ("'0b0a8d5e-0000-4000-8000-000000000001'::uuid", "0b0a8d5e-0000-4000-8000-000000000001"),
    ("'10.0.0.0/8'::inet", "10.0.0.0/8"),
    ("true", True),
    ("null::int", None),
    ("''::text", ""),
)


async def test_values_are_faithful(connector: PostgresqlConnector) -> None:
    for text, expected in VALUES:
        assert rows(await sql(connector, f"select {text} as v"))[0][0] == expected, text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("select nothing from orders", NotFound),
        ("select * from no_such_table", NotFound),
        ("select * from secrets_of_others", Unauthorized),
        ("select 1 / 0", Rejected),
        ("selec 1", Rejected),
        ("delete from orders", Rejected),
        ("select pg_read_file('/etc/passwd')", Rejected),
        ("with gone as (delete from orders returning *) select * from gone", Rejected),
        ("select 1; select 2", Rejected),
    ],
)
async def test_errors_say_what_to_do(connector: PostgresqlConnector, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^[A-Zp].+\.$"):
        await sql(connector, text)


async def test_the_session_alone_refuses_writes(postgres: PostgresServer, connector: PostgresqlConnector) -> None:
    """The guard off: even an account that may write cannot, in our transaction."""
    able = make(postgres.host, postgres.port, username=shop.WRITER, password="writer-Pa55phrase")
    before = await shop.fingerprint(postgres)
    for text in ("delete from orders", "insert into orders values (0, 1, 0, '')", "create table t (x int)"):
        with pytest.raises(Exception, match=r"read-only transaction|permission denied"):
            await able.link.table(text, _ask())
    with pytest.raises(Exception, match="multiple commands"):
        await able.link.table("select 1; commit; delete from orders", _ask())
    await able.close()
    assert await shop.fingerprint(postgres) == before


def _ask() -> Any:
    from connectors.base import Ask
    from connectors.model import SystemClock

    return Ask(None, LIMITS, SystemClock())


async def test_check_says_when_the_account_can_write(postgres: PostgresServer) -> None:
    for user, password, writable in (
        (shop.READER, shop.PASSWORD, False),
        (shop.WRITER, "writer-Pa55phrase", True),
        (postgres.user, postgres.password, True),
    ):
        connector = make(postgres.host, postgres.port, username=user, password=password)
        health = await connector.check()
        await connector.close()
        assert health.writable is writable, health.detail
        assert (health.status is HealthStatus.DEGRADED) is writable


async def test_wrong_database_and_unix_socket(postgres: PostgresServer) -> None:
    wrong = type(make("x", 1))
    config = wrong.Config(
        url=f"postgresql://{shop.READER}:{shop.PASSWORD}@127.0.0.1:{postgres.port}/nowhere"  # type: ignore[call-arg]
    )
    connector = wrong(name="postgresql/shop", config=config, environment="production", clock=make("x", 1).clock)  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="no such database"):
        await connector.call(call("get_connections"), LIMITS)
    await connector.close()
    local = make(postgres.socket_folder, postgres.port)
    assert (await local.check()).status is HealthStatus.HEALTHY
    await local.close()


async def test_cancel_reaches_the_server(connector: PostgresqlConnector, sessions: list[Any]) -> None:
    running = (
        "select count(*) from pg_stat_activity where query ilike '%from slow%' and state = 'active'"
        " and pid <> pg_backend_pid()"
    )
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


async def test_a_huge_cell_is_cut_on_the_server(connector: PostgresqlConnector) -> None:
    result = await sql(connector, "select cell, 1 as one from wide")
    assert len(rows(result)[0][0]) == 65_536
    assert result.truncated == "1 cells cut at 65,536 characters"
    assert result.stats.bytes < 100_000


async def test_rows_are_cut_at_the_byte_cap(connector: PostgresqlConnector) -> None:
    result = await sql(connector, "select id, note from orders", Limits(max_rows=10_000, max_bytes=2_000))
    assert result.truncated is not None
    assert "byte cap 2,000" in result.truncated
    assert 50 < len(rows(result)) < 200


async def test_a_killed_session_is_unavailable_and_the_next_call_works(
    connector: PostgresqlConnector, sessions: list[Any]
) -> None:
    asking = asyncio.create_task(sql(connector, "select slept from slow"))
    victim = (
        "select pid from pg_stat_activity where query ilike '%from slow%' and state = 'active'"
        " and pid <> pg_backend_pid()"
    )
    await until(sessions[0], f"select exists ({victim})")
    await sessions[0].execute(f"select pg_terminate_backend(pid) from ({victim}) as found")
    with pytest.raises(Unavailable):
        await asking
    assert rows(await sql(connector, "select 1 as one")) == ((1,),)


async def test_a_million_rows_are_not_held(connector: PostgresqlConnector) -> None:
    result = await sql(connector, "select a.id from orders a join orders b on a.id <> b.id limit 1000000")
    assert len(rows(result)) == LIMITS.max_rows
    assert result.truncated == "first 1,000 rows"
