"""What claims promise on every store."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.events import EventKind
from bot.domain.states import InvestigationState
from bot.errors import FenceLost, SequenceConflict
from bot.store import Claim, Fence, Full, Store
from tests.store.conftest import Opener
from tests.store.samples import created, event, moved

STREAM = "investigation/inv_1"


async def opened(
    store: Store, number: int = 1, *, by: str = "person", at_s: float = 0, squad: str | None = None
) -> None:
    await store.append(f"investigation/inv_{number}", expected_seq=0, events=created(by=by, at_s=at_s, squad=squad))


async def claimed(store: Store, *, worker: str = "w1", lease_s: float = 15.0, full: Full | None = None) -> Claim:
    claim = await store.claim_next(worker=worker, lease_s=lease_s, full=full or Full())
    assert claim is not None
    return claim


class ClaimsContract:
    async def test_a_claim_is_an_event_counted_before_any_work(self, store: Store) -> None:
        await opened(store)
        claim = await claimed(store)
        assert claim.investigation.state is InvestigationState.INITIALIZING
        assert (claim.investigation.claims, claim.fence.token, claim.investigation.fence) == (1, 1, 1)
        last = (await store.read(STREAM))[-1]
        assert (last.kind, last.payload) == (EventKind.CLAIMED, {"worker": "w1", "fence": 1})
        assert await store.investigation("inv_1") == claim.investigation
        assert await store.claim_next(worker="w2") is None

    async def test_people_come_before_schedules_then_the_oldest(self, store: Store) -> None:
        await opened(store, 1, by="schedule", at_s=0)
        await opened(store, 2, at_s=5)
        await opened(store, 3, at_s=4)
        await opened(store, 4, by="webhook", at_s=-1)
        order = [(await claimed(store)).investigation.id for _ in range(4)]
        assert order == ["inv_3", "inv_2", "inv_4", "inv_1"]

    async def test_what_a_worker_has_enough_of_is_left_to_others(self, store: Store) -> None:
        await opened(store, 1, by="schedule")
        await opened(store, 2, squad="payments")
        await opened(store, 3, squad="orders")
        full = Full(schedules=True, squads=frozenset({"payments"}))
        assert (await claimed(store, full=full)).investigation.id == "inv_3"
        assert await store.claim_next(worker="w1", full=full) is None
        assert (await claimed(store)).investigation.id == "inv_2"
        assert (await claimed(store)).investigation.id == "inv_1"

    async def test_those_that_may_kill_their_worker_run_one_at_a_time(self, store: Store) -> None:
        for number in (1, 2):
            await opened(store, number)
        for _ in range(2):
            both = [await claimed(store), await claimed(store)]
            for claim in both:
                await store.release(claim.fence)
        assert (await claimed(store)).investigation.claims == 3
        assert await store.claim_next(worker="w1", full=Full(suspects=True)) is None
        await opened(store, 3)
        assert (await claimed(store, full=Full(suspects=True))).investigation.id == "inv_3"

    async def test_an_idle_worker_takes_suspects_first(self, store: Store) -> None:
        for number in (1, 2):
            await opened(store, number, at_s=number)
        for _ in range(2):
            claim = await claimed(store, full=Full(squads=frozenset({"payments"})))
            await store.release(claim.fence)
        await opened(store, 3, at_s=-5)
        idle = Full(idle=True)
        assert (await claimed(store, full=idle)).investigation.id == claim.investigation.id
        assert (await claimed(store, full=idle)).investigation.id == "inv_3"

    async def test_each_of_many_claimers_gets_another(self, store: Store) -> None:
        for number in range(30):
            await opened(store, number)

        async def work(worker: str) -> list[str]:
            mine = []
            while claim := await store.claim_next(worker=worker):
                mine.append(claim.investigation.id)
            return mine

        taken = await asyncio.gather(*(work(f"w{n}") for n in range(20)))
        everything = [one for mine in taken for one in mine]
        assert sorted(everything) == sorted(f"inv_{n}" for n in range(30))

    async def test_takeover_when_the_lease_is_over(self, store: Store) -> None:
        await opened(store)
        old = await claimed(store, worker="old", lease_s=0.15)
        assert await store.claim_next(worker="new") is None
        async with asyncio.timeout(10):
            while (new := await store.claim_next(worker="new")) is None:
                await asyncio.sleep(0.02)
        assert (new.fence.token, new.investigation.claims, new.investigation.worker) == (2, 2, "new")
        with pytest.raises(FenceLost):
            await store.append(STREAM, expected_seq=new.investigation.seq, events=[moved("running")], fence=old.fence)
        with pytest.raises(FenceLost):
            await store.append(STREAM, expected_seq=old.investigation.seq, events=[moved("running")], fence=old.fence)
        with pytest.raises(FenceLost):
            await store.renew(old.fence)
        await store.release(old.fence)
        await store.renew(new.fence)
        await store.append(STREAM, expected_seq=new.investigation.seq, events=[moved("running")], fence=new.fence)

    async def test_a_renewed_lease_holds(self, store: Store) -> None:
        await opened(store, 1)
        await opened(store, 2)
        first, second = await claimed(store, lease_s=0.3), await claimed(store, lease_s=0.3)
        await store.renew(first.fence, lease_s=60)
        kept = await store.renew_all([first.fence, second.fence], worker="w1", lease_s=60)
        assert kept == {first.fence.investigation_id: 1, second.fence.investigation_id: 1}
        await store.renew(second.fence, lease_s=0.1)  # a shorter one does not cut it short
        await asyncio.sleep(0.4)
        assert await store.claim_next(worker="w2") is None

    async def test_a_claim_its_worker_does_not_know_runs_out(self, store: Store) -> None:
        await opened(store, 1)
        await opened(store, 2)
        lost, known = await claimed(store, lease_s=0.2), await claimed(store, lease_s=0.2)
        async with asyncio.timeout(10):
            while (found := await store.claim_next(worker="w2")) is None:
                assert lost.fence.investigation_id not in await store.renew_all([known.fence], worker="w1", lease_s=60)
                await asyncio.sleep(0.02)
        assert found.fence == Fence(investigation_id=lost.fence.investigation_id, worker="w2", token=2)

    async def test_what_was_given_back_can_be_claimed_and_no_longer_written(self, store: Store) -> None:
        await opened(store)
        claim = await claimed(store)
        await store.release(claim.fence)
        with pytest.raises(FenceLost):
            await store.append(STREAM, expected_seq=3, events=[moved("running")], fence=claim.fence)
        again = await claimed(store, worker="w2")
        assert again.fence.token == 2

    async def test_a_lost_race_under_a_good_fence_is_a_conflict(self, store: Store) -> None:
        await opened(store)
        claim = await claimed(store)
        ask = event(EventKind.PAUSE_REQUESTED, actor="person:U1")
        await store.append(STREAM, expected_seq=3, events=[ask])
        with pytest.raises(SequenceConflict):
            await store.append(STREAM, expected_seq=3, events=[moved("running")], fence=claim.fence)

    async def test_settled_ones_wait_for_a_person(self, store: Store) -> None:
        await opened(store, 1)
        claim = await claimed(store)
        await store.append(STREAM, expected_seq=3, events=[moved("running"), moved("paused")], fence=claim.fence)
        await store.release(claim.fence)
        assert await store.claim_next(worker="w2") is None
        await store.append(STREAM, expected_seq=5, events=[event(EventKind.RESUME_REQUESTED, actor="person:U1")])
        claim = await claimed(store, worker="w2")
        assert claim.investigation.requests.resume == "person:U1"
        await store.append(STREAM, expected_seq=7, events=[moved("running"), moved("failed")], fence=claim.fence)
        await store.release(claim.fence)
        assert await store.claim_next(worker="w2") is None
        await store.append(STREAM, expected_seq=9, events=[event(EventKind.RETRY_REQUESTED, actor="person:U1")])
        claim = await claimed(store, worker="w2")
        assert claim.investigation.state is InvestigationState.FAILED
        retried = [moved("retrying"), moved("cancelled")]
        done = await store.append(STREAM, expected_seq=11, events=retried, fence=claim.fence)
        assert done.investigation.state is InvestigationState.CANCELLED
        await store.release(claim.fence)
        assert await store.claim_next(worker="w2") is None

    async def test_waiting_ends_when_something_is_queued(self, store: Store) -> None:
        assert await store.claim_next(worker="w") is None
        waiter = asyncio.create_task(store.wait_for_work(30))
        await asyncio.sleep(0.01)
        assert not waiter.done()
        await opened(store)
        async with asyncio.timeout(5):
            await waiter
        await store.wait_for_work(30)  # it was not claimed yet, so nobody waits

    async def test_a_new_process_finds_what_the_old_one_held(self, open_store: Opener) -> None:
        store = await open_store()
        await opened(store)
        await claimed(store, lease_s=3_600)
        await store.close()
        again = await open_store()
        async with asyncio.timeout(10):
            while (claim := await again.claim_next(worker="w1")) is None:
                await again.wait_for_work(0.5)
        assert (claim.investigation.claims, claim.fence.token) == (2, 2)
