"""The store on PostgreSQL: the contract, and what is special about many processes sharing it."""

from __future__ import annotations

import asyncio
import signal
import sys

import asyncpg
import pytest

from bot.errors import FenceLost, SchemaOutdated, SequenceConflict, StoreBusy
from bot.store import Appended, DuplicateDelivery, Store, schema
from tests.store.claims_contract import ClaimsContract
from tests.store.conftest import Opener, address
from tests.store.forgetting_contract import ForgettingContract
from tests.store.log_contract import LogContract, whole_run
from tests.store.outbox_contract import OutboxContract
from tests.store.samples import created, moved
from tests.store.turns_contract import TurnsContract
from tests.support.servers import PostgresServer

pytestmark = pytest.mark.servers
STREAM = "investigation/inv_1"

_HOLDER = """
import asyncio, sys
from bot.store import Store

async def main():
    store = await Store.open(sys.argv[1])
    claim = await store.claim_next(worker="doomed", lease_s=3600)
    assert await store.hold_outbox(worker="doomed", lease_s=3600)
    print(claim.fence.token, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


class TestLog(LogContract):
    pass


class TestForgetting(ForgettingContract):
    pass


class TestClaims(ClaimsContract):
    pass


class TestOutbox(OutboxContract):
    pass


class TestTurns(TurnsContract):
    pass


async def holder(url: str) -> asyncio.subprocess.Process:
    """Another process that claims the one investigation there is, and the outbox, for an hour."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _HOLDER, url, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"1\n"
    return process


async def test_a_killed_holder_is_replaced_long_before_its_lease_ends(store: Store, url: str) -> None:
    await store.append(STREAM, expected_seq=0, events=created())
    process = await holder(url)
    try:
        await asyncio.sleep(3.1)  # the server counts as just started for three seconds
        assert await store.claim_next(worker="w2") is None
        assert not await store.hold_outbox(worker="w2")
        process.send_signal(signal.SIGKILL)
        async with asyncio.timeout(20):
            while (claim := await store.claim_next(worker="w2")) is None:
                await store.wait_for_work(20)
            while not await store.hold_outbox(worker="w2"):
                await asyncio.sleep(0.05)
        assert claim.fence.token == 2
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_frozen_holder_is_replaced_when_its_lease_ends_and_then_refused(open_store: Opener) -> None:
    frozen, other = await open_store(), await open_store()
    await frozen.append(STREAM, expected_seq=0, events=created())
    old = await frozen.claim_next(worker="frozen", lease_s=0.2)
    assert old is not None
    async with asyncio.timeout(10):
        while (new := await other.claim_next(worker="other")) is None:
            await other.wait_for_work(1)
    with pytest.raises(FenceLost):
        await frozen.append(STREAM, expected_seq=3, events=[moved("running")], fence=old.fence)
    await other.append(STREAM, expected_seq=4, events=[moved("running")], fence=new.fence)
    assert await frozen.renew_all([old.fence], worker="frozen") == {}


async def test_another_process_is_woken(open_store: Opener) -> None:
    one, two = await open_store(), await open_store()
    assert await two.claim_next(worker="w2") is None
    assert await two.outgoing() == []
    work, out = asyncio.create_task(two.wait_for_work(30)), asyncio.create_task(two.wait_for_outgoing(30))
    await asyncio.sleep(0.05)
    await one.append(STREAM, expected_seq=0, events=created())
    async with asyncio.timeout(10):
        await asyncio.gather(work, out)


async def test_two_processes_share_the_work_and_the_deliveries(open_store: Opener) -> None:
    stores = [await open_store(), await open_store()]
    deliveries = [n % 50 for n in range(200)]
    results = await asyncio.gather(
        *(stores[i % 2].append(f"investigation/inv_{i}", expected_seq=0, events=created(), delivery_id=f"Ev{n}")
          for i, n in enumerate(deliveries)),
        return_exceptions=True,
    )  # fmt: skip
    assert sum(isinstance(r, Appended) for r in results) == 50
    assert sum(isinstance(r, DuplicateDelivery) for r in results) == 150

    async def work(store: Store, worker: str) -> list[str]:
        mine = []
        while claim := await store.claim_next(worker=worker):
            mine.append(claim.investigation.id)
        return mine

    taken = await asyncio.gather(*(work(stores[n % 2], f"w{n}") for n in range(20)))
    everything = [one for mine in taken for one in mine]
    assert len(everything) == len(set(everything)) == 50
    assert await stores[0].broken_links() == []


async def test_two_processes_race_for_one_stream(open_store: Opener) -> None:
    stores = [await open_store(), await open_store()]
    await stores[0].append(STREAM, expected_seq=0, events=created())

    async def add(store: Store) -> int:
        wins = 0
        while wins < 15:
            seq = (await store.investigation("inv_1")).seq
            try:
                await store.append(STREAM, expected_seq=seq, events=[moved("queued")])
                wins += 1
            except SequenceConflict:
                continue
        return wins

    assert await asyncio.gather(*(add(store) for store in stores)) == [15, 15]
    assert [e.seq for e in await stores[0].read(STREAM)] == list(range(1, 33))
    assert await stores[0].broken_links() == []


async def test_broken_links_to_the_database_lose_and_repeat_nothing(store: Store, url: str) -> None:
    killer = await asyncpg.connect(url)
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    done, refused = [], 0

    async def write(number: int) -> None:
        nonlocal refused
        try:
            await store.append(f"investigation/inv_{number}", expected_seq=0, events=created())
            done.append(f"inv_{number}")
        except StoreBusy:
            refused += 1

    for round_ in range(5):
        writes = [asyncio.create_task(write(round_ * 40 + n)) for n in range(40)]
        await asyncio.sleep(0.01)
        await killer.execute(kill)
        await asyncio.gather(*writes)
    await killer.close()
    kept = {one.id for one in await store.investigations(limit=500)}
    assert set(done) <= kept
    assert len(done) >= 150, refused
    assert await store.broken_links() == []


async def test_the_log_survives_another_visitors_lock(store: Store, url: str) -> None:
    """A row lock held by a stranger delays one stream and no other."""
    appended = await whole_run(store)
    stranger = await asyncpg.connect(url)
    lock = stranger.transaction()
    await lock.start()
    await stranger.execute("SELECT 1 FROM investigations WHERE id = 'inv_1' FOR UPDATE")
    late = asyncio.create_task(
        store.append(STREAM, expected_seq=appended.investigation.seq, events=[moved("cancelled")])
    )
    await store.append("investigation/inv_2", expected_seq=0, events=created())
    assert not late.done()
    await lock.rollback()
    await stranger.close()
    async with asyncio.timeout(10):
        await late


async def test_troubles_are_told_without_the_password(postgres: PostgresServer) -> None:
    for wrong in ("nosuch_database", "postgres"):
        with pytest.raises((StoreBusy, SchemaOutdated)) as caught:
            await Store.open(address(postgres, wrong))
        assert postgres.password not in str(caught.value)
    with pytest.raises(StoreBusy, match="sign-in"):
        await Store.open(address(postgres, "postgres").replace(postgres.password, "guess"))
    with pytest.raises(StoreBusy, match="does not answer"):
        await Store.open("postgresql://postgres:secret@127.0.0.1:1/x")


def test_the_tables_of_this_version_are_at_the_head(url: str) -> None:
    assert (schema.current(url), schema.check(url)) == (schema.HEAD, [])
