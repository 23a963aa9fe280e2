"""The payment database of a world, read with asyncpg as the reader it is made for."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
import yaml

from bot.demo.world import World
from bot.demo.world.topology import DATABASE_CONNECTIONS
from tests.demo_world.conftest import StartWorld

pytestmark = pytest.mark.servers


async def _reader(world: World) -> Any:
    ends = world.endpoints.postgres
    if ends is None:
        pytest.skip(reason="no PostgreSQL here; install pgserver or the postgresql package")
    return await asyncpg.connect(
        host=ends.host, port=ends.port, user=ends.username, password=ends.password, database=ends.database
    )


SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = 'payment_app' AND state = $1
"""


async def test_the_pool_is_taken_and_old(start_world: StartWorld) -> None:
    world = await start_world("bad_deployment", with_postgres=True)
    reader = await _reader(world)
    taken = await reader.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = 'payment_app'")
    assert taken / DATABASE_CONNECTIONS >= 0.9
    assert int(await reader.fetchval("SHOW max_connections")) == DATABASE_CONNECTIONS
    said = {state: float(values[world.story.index(world.clock())]) for state, values in world.story.sessions().items()}
    assert await reader.fetchval(SESSIONS, "idle in transaction") == said["idle in transaction"]
    oldest = await reader.fetchval("SELECT max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity")
    assert world.truth.onset is not None
    assert 180 < oldest <= (world.plan.now - world.truth.onset).total_seconds() + 30
    await reader.close()


async def test_one_transaction_blocks_the_others_until_it_is_ended(start_world: StartWorld) -> None:
    world = await start_world("database_lock", with_postgres=True)
    reader = await _reader(world)
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
    for _ in range(50):
        waiting = await reader.fetchval(blocked)
        if waiting >= 10:
            break
        await asyncio.sleep(0.1)
    assert waiting >= 10
    holder = await reader.fetchrow(
        "SELECT application_name, state, extract(epoch FROM now() - xact_start) AS age FROM pg_stat_activity "
        "WHERE cardinality(pg_blocking_pids(pid)) = 0 AND state = 'idle in transaction'"
    )
    assert (holder["application_name"], holder["state"]) == ("refund-backfill", "idle in transaction")
    assert holder["age"] > 300
    ends = world.endpoints.postgres
    assert ends is not None
    await world._database.end_session("refund-backfill")
    for _ in range(100):
        if world.story.recovery is not None and not await reader.fetchval(blocked):
            break
        await asyncio.sleep(0.1)
    assert world.story.recovery is not None
    assert not await reader.fetchval(blocked)
    await reader.close()


async def test_a_healthy_database_has_room_and_rows(start_world: StartWorld) -> None:
    world = await start_world("healthy", with_postgres=True)
    reader = await _reader(world)
    assert await reader.fetchval("SELECT count(*) FROM payments") >= 12_000
    assert await reader.fetchval("SELECT count(*) FROM refunds") == 300
    failed = await reader.fetchval(
        "SELECT avg((status = 'failed')::int) FROM payments WHERE created_at > now() - '10 min'::interval"
    )
    assert failed < 0.03
    assert await reader.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = 'payment_app'") <= 12
    before = await reader.fetchval("SELECT count(*) FROM payments")
    for _ in range(60):
        if await reader.fetchval("SELECT count(*) FROM payments") > before:
            break
        await asyncio.sleep(0.1)
    assert await reader.fetchval("SELECT count(*) FROM payments") > before
    await reader.close()


async def test_payments_fail_since_the_onset(start_world: StartWorld) -> None:
    world = await start_world("bad_deployment", 2, with_postgres=True)
    reader = await _reader(world)
    query = "SELECT avg((status = 'failed')::int)::float FROM payments WHERE created_at "
    query += "{} now() - make_interval(secs => $1)"
    assert world.truth.onset is not None
    age = (world.plan.now - world.truth.onset).total_seconds()
    assert await reader.fetchval(query.format(">"), age) > 0.08
    assert await reader.fetchval(query.format("<"), age + 5) < 0.02
    await reader.close()


async def test_the_reader_may_not_write(start_world: StartWorld) -> None:
    world = await start_world("healthy", with_postgres=True)
    reader = await _reader(world)
    with pytest.raises(asyncpg.PostgresError):
        await reader.execute("DELETE FROM payments")
    await reader.execute("SET default_transaction_read_only = off")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("DELETE FROM payments")
    await reader.close()


async def test_the_configuration_and_the_end(start_world: StartWorld) -> None:
    world = await start_world("healthy", with_postgres=True)
    ends = world.endpoints.postgres
    assert ends is not None
    (database,) = yaml.safe_load(world.sources_yaml())["data_sources"]["databases"]
    assert (database["name"], database["type"], database["squad"]) == ("squad_payment_prod", "postgresql", "payment")
    assert (database["host"], database["port"]) == ("127.0.0.1", ends.port)
    await world.stop()
    with pytest.raises(OSError):
        await asyncpg.connect(host=ends.host, port=ends.port, user="reader", database="payment_db", timeout=2)
