"""Redis beside PostgreSQL: killed, frozen, emptied or never there, it costs nothing but speed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from bot.store import Store
from bot.store.hints import CHANNEL
from bot.store.redis_hints import ping
from tests.store.samples import created
from tests.support.servers import RedisServer, require

pytestmark = pytest.mark.servers


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = require(RedisServer)
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


@pytest.fixture
async def pair(postgres_url: str, redis: RedisServer) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores, both listening at Redis."""
    stores = [await Store.open(postgres_url, redis_url=redis.url) for _ in range(2)]
    await listening(redis, 2)
    yield stores[0], stores[1]
    for store in stores:
        await store.close()


async def listening(redis: RedisServer, count: int) -> None:
    async with Redis.from_url(redis.url) as client, asyncio.timeout(20):
        while dict(await client.pubsub_numsub(CHANNEL)).get(CHANNEL.encode(), 0) < count:
            await asyncio.sleep(0.02)


async def wakes(writer: Store, reader: Store, name: str) -> None:
    """What one writes wakes the other long before anybody would look on his own."""
    while await reader.outgoing():
        for row in await reader.outgoing():
            await reader.mark_published(row.stream, row.latest_seq)
    waiting = asyncio.create_task(reader.wait_for_outgoing(60))
    await asyncio.sleep(0)
    await writer.append(f"investigation/{name}", expected_seq=0, events=created())
    async with asyncio.timeout(20):
        await waiting
        while not any(row.stream == f"investigation/{name}" for row in await reader.outgoing()):
            await reader.wait_for_outgoing(60)


async def test_wake_ups_go_over_redis_while_it_answers(pair: tuple[Store, Store], redis: RedisServer) -> None:
    async with Redis.from_url(redis.url) as client, client.pubsub() as overheard, asyncio.timeout(20):
        await overheard.subscribe(CHANNEL)
        await listening(redis, 3)
        await wakes(*pair, "inv_1")
        said = ""
        while "investigation/inv_1" not in said:
            found = await overheard.get_message(ignore_subscribe_messages=True, timeout=1)
            said = found["data"].decode() if found else ""


async def test_killed_it_is_done_without_and_used_again_when_it_is_back(
    pair: tuple[Store, Store], redis: RedisServer
) -> None:
    os.kill(redis.pid, signal.SIGKILL)
    await wakes(*pair, "inv_1")
    await wakes(pair[1], pair[0], "inv_2")
    redis.start()
    await listening(redis, 2)
    await wakes(*pair, "inv_3")


async def test_frozen_it_is_done_without(pair: tuple[Store, Store], redis: RedisServer) -> None:
    os.kill(redis.pid, signal.SIGSTOP)
    await wakes(*pair, "inv_1")
    claim = await pair[1].claim_next(worker="w")
    assert claim is not None
    os.kill(redis.pid, signal.SIGCONT)
    await listening(redis, 2)
    await wakes(*pair, "inv_2")


async def test_emptied_nothing_is_missing(pair: tuple[Store, Store], redis: RedisServer) -> None:
    async with Redis.from_url(redis.url) as client:
        assert await client.dbsize() == 0
        await client.flushall()
    await wakes(*pair, "inv_1")


async def test_a_wrong_address_hinders_nobody(postgres_url: str) -> None:
    stores = [await Store.open(postgres_url, redis_url="redis://127.0.0.1:1/0") for _ in range(2)]
    await wakes(stores[0], stores[1], "inv_1")
    for store in stores:
        await store.close()


async def test_the_doctor_asks_whether_it_answers(redis: RedisServer) -> None:
    await ping(redis.url)
    os.kill(redis.pid, signal.SIGKILL)
    with pytest.raises(ConnectionError, match="does not answer"):
        await ping(redis.url)
