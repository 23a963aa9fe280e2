"""What turns promise on every store: the limits hold for all who ask, however they ask."""

from __future__ import annotations

import asyncio

from bot.store import Store
from bot.store.turns import Quota

MINUTE = Quota(bucket="chat.update", limit=5, span_s=60)
CHANNEL, WORKSPACE = Quota(bucket="post/C1", limit=2, span_s=60), Quota(bucket="post", limit=3, span_s=60)


class TurnsContract:
    async def test_no_more_turns_than_the_limit_however_many_ask_at_once(self, store: Store) -> None:
        taken = await asyncio.gather(*(store.turns.take([MINUTE]) for _ in range(20)))
        granted = [one.at for one in taken if one.at is not None]
        assert len(granted) == len(set(granted)) == 5
        assert all(50 < one.wait_s <= 60 for one in taken if one.at is None)

    async def test_a_turn_comes_back_when_its_time_is_over(self, store: Store) -> None:
        short = Quota(bucket="b", limit=1, span_s=0.2)
        assert (await store.turns.take([short])).at is not None
        refused = await store.turns.take([short])
        if refused.at is None:  # a machine that stood still for 0.2 s has been given its turn rightly
            await asyncio.sleep(refused.wait_s)
            assert (await store.turns.take([short])).at is not None

    async def test_of_several_buckets_all_or_none(self, store: Store) -> None:
        assert [(await store.turns.take([CHANNEL, WORKSPACE])).at is not None for _ in range(3)] == [True, True, False]
        other = Quota(bucket="post/C2", limit=2, span_s=60)
        assert (await store.turns.take([other, WORKSPACE])).at is not None
        assert (await store.turns.take([other, WORKSPACE])).at is None
        assert (await store.turns.take([other])).at is not None  # the refused one took nothing

    async def test_a_turn_given_back_is_free_and_a_late_one_counts_from_its_end(self, store: Store) -> None:
        one = Quota(bucket="b", limit=1, span_s=60)
        first = await store.turns.take([one])
        assert first.at is not None
        await store.turns.give_back(["b"], first.at)
        second = await store.turns.take([one])
        assert second.at is not None
        await asyncio.sleep(0.05)
        before = await store.turns.take([one])
        await store.turns.land(["b"], second.at)
        after = await store.turns.take([one])
        assert after.wait_s > before.wait_s

    async def test_what_was_closed_is_closed_for_everybody_and_never_sooner_open(self, store: Store) -> None:
        await store.turns.close("chat.update", for_s=30)
        await store.turns.close("chat.update", for_s=1)
        refused = await store.turns.take([MINUTE])
        assert refused.at is None
        assert 20 < refused.wait_s <= 30
        assert 20 < await store.turns.closed_s("chat.update") <= 30
        assert await store.turns.closed_s("chat.delete") == 0
