"""What the outbox, leases, roles and checks promise on every store."""

from __future__ import annotations

import asyncio

from bot.domain.access import Role
from bot.domain.events import EventKind
from bot.store import Outgoing, Posted, Store
from tests.store.samples import created, event, moved

STREAM = "investigation/inv_1"


def granted(kind: EventKind, who: str, role: str, squad: str | None = None) -> object:
    return event(kind, {"principal_id": who, "role": role, "squad": squad}, actor="person:U0")


class OutboxContract:
    async def test_a_stream_waits_until_it_is_shown(self, store: Store) -> None:
        await store.append(STREAM, expected_seq=0, events=created())
        await store.append("investigation/inv_2", expected_seq=0, events=created(at_s=1))
        assert [o.stream for o in await store.outgoing()] == [STREAM, "investigation/inv_2"]
        await store.mark_published(STREAM, 2)
        await store.mark_published(STREAM, 1)
        assert [o.stream for o in await store.outgoing()] == ["investigation/inv_2"]
        await store.append(STREAM, expected_seq=2, events=[moved("cancelled")])
        assert Outgoing(stream=STREAM, published_seq=2, latest_seq=3) in await store.outgoing()
        assert len(await store.outgoing(limit=1)) == 1

    async def test_waiting_ends_when_there_is_something_to_show(self, store: Store) -> None:
        assert await store.outgoing() == []
        waiter = asyncio.create_task(store.wait_for_outgoing(30))
        await asyncio.sleep(0.01)
        assert not waiter.done()
        await store.append(STREAM, expected_seq=0, events=created())
        async with asyncio.timeout(5):
            await waiter

    async def test_one_worker_publishes_at_a_time(self, store: Store) -> None:
        won = await asyncio.gather(*(store.hold_outbox(worker=f"w{n}", lease_s=60) for n in range(10)))
        assert sum(won) == 1
        winner, other = f"w{won.index(True)}", f"w{(won.index(True) + 1) % 10}"
        assert await store.hold_outbox(worker=winner, lease_s=60)
        assert not await store.hold_outbox(worker=other)
        assert await store.hold_outbox(worker=winner, lease_s=0.1)  # and then it lets its lease run out
        async with asyncio.timeout(10):
            while not await store.hold_outbox(worker=other, lease_s=60):
                await asyncio.sleep(0.02)
        assert not await store.hold_outbox(worker=winner)
        await store.drop("outbox", worker=other)
        assert await store.hold_outbox(worker=winner)
        assert await store.hold("schedule", worker=other)

    async def test_what_was_posted_is_remembered_once_a_slot(self, store: Store) -> None:
        card = Posted(stream=STREAM, slot="card", channel="C1", ts="1.1", digest="a\x00")
        report = Posted(stream=STREAM, slot="report", channel="C1", ts="1.2", digest="b", thread_ts="1.1")
        assert await store.posted(STREAM) == []
        card = card.model_copy(update={"digest": "a"})
        await store.keep_posted(card)
        await store.keep_posted(report)
        newer = card.model_copy(update={"digest": "c"})
        await store.keep_posted(newer)
        assert await store.posted(STREAM) == [newer, report]

    async def test_roles_follow_their_events(self, store: Store) -> None:
        grant, revoke = EventKind.ROLE_GRANTED, EventKind.ROLE_REVOKED
        await store.append("access", expected_seq=0, events=[granted(grant, "U1", "admin")])
        both = [granted(grant, "U1", "responder", "payments"), granted(grant, "U1", "admin")]
        await store.append("access", expected_seq=1, events=both)
        found = await store.role_bindings("U1")
        assert {(b.role, b.squad) for b in found} == {(Role.ADMIN, None), (Role.RESPONDER, "payments")}
        assert found[0].granted_by == "person:U0"
        await store.append("access", expected_seq=3, events=[granted(revoke, "U1", "admin")])
        assert [b.role for b in await store.role_bindings()] == [Role.RESPONDER]
        assert await store.role_bindings("U2") == []
