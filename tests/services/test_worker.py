"""The worker: shares of its slots, and what stands still."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.access import Principal, PrincipalKind
from bot.domain.events import EventKind
from bot.domain.ids import investigation_stream
from bot.domain.states import InvestigationState
from bot.services.investigations import OpenRequest
from bot.services.watchdog import Watchdog
from bot.store import Full
from bot.worker import Shares, Worker
from connectors.model import Limits, SystemClock
from tests.support.doubles import Behaviour
from tests.support.house import House, house

PATROL = Principal(kind=PrincipalKind.SCHEDULE, id="patrol")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'inquest.db'}"


class Later(SystemClock):
    """The clock, an hour ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(hours=1)


async def working(parts: House, count: int) -> None:
    async with asyncio.timeout(20):
        while parts.worker.running < count:
            await asyncio.sleep(0.01)


async def test_people_find_a_free_slot_while_schedules_fill_the_rest(url: str) -> None:
    async with house(url, {"double/hangs": Behaviour(hang=True)}, slots=4, limits=Limits(deadline_s=60)) as parts:
        for _ in range(4):
            await parts.investigations.open(OpenRequest(text="why is checkout slow?"), by=PATROL)
        await working(parts, 2)
        asked = await parts.ask()
        await working(parts, 3)
        claimed = [i.id for i in await parts.store.investigations() if i.state is not InvestigationState.QUEUED]
        assert asked.id in claimed
        assert len(claimed) == 3


@pytest.mark.parametrize("slots", [1, 2, 4, 20])
def test_shares_leave_room_and_never_starve(slots: int) -> None:
    shares = Shares.of(slots)
    assert 1 <= shares.schedules <= slots
    assert 1 <= shares.squad <= slots
    assert shares.full([]) == Full()


async def test_a_suspect_fills_the_one_place_for_suspects(url: str) -> None:
    async with house(url, {"double/hangs": Behaviour(hang=True)}, start=False) as parts:
        blameless = await parts.ask()
    suspect = blameless.model_copy(update={"claims": 3})
    assert Shares.of(20).full([blameless]) == Full()
    assert Shares.of(20).full([blameless, suspect]) == Full(suspects=True)


async def test_on_an_idle_worker_a_suspect_runs_alone_until_it_gets_on(url: str) -> None:
    async with house(url, {"double/slow": Behaviour(delay_s=0.5)}, start=False) as parts:
        asked = [await parts.ask(), await parts.ask()]
        for _ in range(2):  # two workers that died before they had done anything
            dead = [await parts.store.claim_next(worker="dead") for _ in asked]
            for claim in dead:
                assert claim is not None
                await parts.store.release(claim.fence)
        fresh = await parts.ask()
        parts.worker.start()
        done = [await parts.settled(one) for one in [*asked, fresh]]
        assert [one.state for one in done] == [InvestigationState.COMPLETED] * 3
        claims = {one.id: await _at(parts, one.id, EventKind.CLAIMED) for one in done}
        first = min(asked, key=lambda one: claims[one.id][-1])
        progress = (await _at(parts, first.id, EventKind.TOOL_FINISHED, EventKind.PHASE_FINISHED))[0]
        others = [claims[one.id][-1] for one in done if one.id != first.id]
        assert all(at >= progress for at in others)


async def _at(parts: House, investigation_id: str, *kinds: EventKind) -> list[datetime]:
    log = await parts.store.read(investigation_stream(investigation_id))
    return [event.at for event in log if event.kind in kinds]


async def test_what_stands_still_is_begun_anew_and_set_aside_in_the_end(url: str) -> None:
    hangs = {"double/hangs": Behaviour(hang=True)}
    async with house(url, hangs, limits=Limits(deadline_s=600), start=False) as parts:
        worker = Worker(store=parts.store, investigator=parts.investigator, slots=2, quiet_s=0.2)
        worker.start()
        try:
            done = await parts.settled(await parts.ask())
        finally:
            await worker.stop()
        assert (done.state, done.reason) == (InvestigationState.FAILED, "poisoned")
        log = await parts.store.read(investigation_stream(done.id))
        assert sum(event.kind is EventKind.CLAIMED for event in log) >= 4


async def test_silence_is_noted_once_where_people_look(url: str) -> None:
    async with house(url, {"double/hangs": Behaviour(hang=True)}, start=False) as parts:
        waiting = await parts.ask()
        watch = Watchdog(store=parts.store, clock=Later(), name="w")
        assert await Watchdog(store=parts.store, clock=SystemClock(), name="w").look() == []
        assert await watch.look() == [waiting.id]
        assert await watch.look() == []
        (gap,) = (await parts.store.investigation(waiting.id)).gaps
        assert (gap.source, gap.text.startswith("No worker took this up for 10 minutes.")) == ("inquest", True)


async def test_what_waits_for_a_person_is_not_stuck(url: str) -> None:
    async with house(url, {"double/hangs": Behaviour(hang=True)}, limits=Limits(deadline_s=60)) as parts:
        asked = await parts.ask()
        await working(parts, 1)
        by = asked.requester
        await parts.investigations.pause(asked.id, by=by)
        await parts.settled(asked)
        assert await Watchdog(store=parts.store, clock=Later(), name="w").look() == []
