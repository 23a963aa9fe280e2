"""What forgetting promises on every store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.events import EventKind
from bot.errors import UnknownId
from bot.store import Posted, Store
from bot.store.rows import table
from tests.store.log_contract import STREAM, whole_run
from tests.store.samples import NOON, created, event, moved

LATER = NOON + timedelta(days=30)


async def ended(store: Store, stream: str = STREAM) -> None:
    done = await whole_run(store, stream)
    assert done.investigation is not None
    seq = done.investigation.seq
    await store.append(stream, expected_seq=seq, events=[moved("completing"), moved("completed")])
    await store.keep_posted(Posted(stream=stream, slot="card", channel="C1", ts="1.1", digest="d"))


async def forget(store: Store) -> int:
    gone = await store.forget(await store.forgettable(LATER, limit=10))
    await store.forget_deliveries(LATER)
    return gone


class ForgettingContract:
    async def test_all_of_an_old_one_goes_and_a_young_one_stays(self, store: Store) -> None:
        await ended(store)
        young = "investigation/inv_2"
        await store.append(young, expected_seq=0, events=created(at_s=40 * 86_400))
        await store.append(young, expected_seq=2, events=[event(EventKind.CANCEL_REQUESTED, at_s=40 * 86_400)])
        assert await forget(store) == 1
        assert await forget(store) == 0
        with pytest.raises(UnknownId):
            await store.investigation("inv_1")
        assert await store.read(STREAM) == []
        assert await store.evidence(["ev_1"]) == []
        assert await store.posted(STREAM) == []
        assert await store.broken_links() == []
        assert [i.id for i in await store.investigations()] == ["inv_2"]
        assert await store._backend.read(lambda c: _left(c, "inv_1")) == []

    async def test_what_has_not_ended_stays_however_old(self, store: Store) -> None:
        await store.append(STREAM, expected_seq=0, events=created())
        assert await forget(store) == 0

    async def test_what_went_on_meanwhile_stays(self, store: Store) -> None:
        await ended(store)
        (end,) = await store.forgettable(LATER, limit=10)
        await store.append(STREAM, expected_seq=end.seq, events=[event(EventKind.FEEDBACK_GIVEN)])
        assert await store.forget([end]) == 0
        assert await store.broken_links() == []

    async def test_the_same_question_may_be_asked_again(self, store: Store) -> None:
        await ended(store)
        await forget(store)
        await store.append(STREAM, expected_seq=0, events=created())
        assert (await store.investigation("inv_1")).seq == 2


def _left(connection, investigation_id):  # type: ignore[no-untyped-def]
    """Every table in which the id is still found, whatever its columns are called."""
    names = [name for name, target in table("investigations").metadata.tables.items() if target is not None]
    found = []
    for name in names:
        rows = connection.execute(table(name).select()).all()
        found += [name for row in rows if any(investigation_id in str(value) for value in row)]
    return found
