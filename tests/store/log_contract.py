"""What the log promises on every store."""

from __future__ import annotations

import asyncio
from datetime import timedelta, timezone

import pytest

from bot.domain.events import EventKind, first_broken_link
from bot.domain.investigation import fold
from bot.domain.states import InvestigationState
from bot.errors import InvalidRequest, SequenceConflict, UnknownId
from bot.store import Appended, DuplicateDelivery, Posted, Store
from tests.store.conftest import Opener
from tests.store.samples import (
    NOON,
    created,
    event,
    evidence,
    moved,
    phase,
    tool_finished,
    tool_started,
)

STREAM = "investigation/inv_1"


async def whole_run(store: Store, stream: str = STREAM) -> Appended:
    """An investigation with a claim, calls, evidence, a ranking and an end."""
    await store.append(stream, expected_seq=0, events=created(), delivery_id=f"open {stream}")
    claim = await store.claim_next(worker="w1")
    assert claim is not None
    done = await store.append(
        stream,
        expected_seq=3,
        events=[moved("running"), phase("collect", started=True), tool_started(1), tool_started(2)],
        fence=claim.fence,
    )
    assert done.investigation is not None
    finding = {"id": "f_1", "kind": "latency_rose", "component": "app/checkout", "statement": "p95 ×4", "weight": 0.7,
               "evidence": ["ev_1"], "onset": NOON.isoformat(), "data": {"p95_ms": 812.25}}  # fmt: skip
    ranking = [{"component": "app/checkout", "cause": "bad_deployment", "confidence": 0.81, "statement": "v42"}]
    return await store.append(
        stream,
        expected_seq=done.investigation.seq,
        events=[
            tool_finished(1, evidence_id="ev_1"),
            phase("collect", started=False),
            event(EventKind.FINDING_MADE, {"finding": finding}),
            event(EventKind.HYPOTHESIS_RANKED, {"hypotheses": ranking}),
        ],
        evidence=[evidence("ev_1")],
        fence=claim.fence,
    )


class LogContract:
    async def test_events_come_back_equal_and_in_order(self, store: Store) -> None:
        first = await store.append(STREAM, expected_seq=0, events=created())
        second = await store.append(STREAM, expected_seq=2, events=[moved("cancelled", reason="not needed")])
        read = await store.read(STREAM)
        assert read == [*first.events, *second.events]
        assert [e.seq for e in read] == [1, 2, 3]
        assert await store.read(STREAM, after=1, limit=1) == [first.events[1]]
        assert await store.read("investigation/inv_unknown") == []

    async def test_values_of_every_kind_come_back_equal(self, store: Store) -> None:
        payload = {
            "text": "nul \x00 é 😀 \u202e",
            "n": [1, 2.0, 0.1, 1e300, -0.0, 10**30, None, True],
            "o": {"ключ": {}},
        }
        await store.append(
            STREAM, expected_seq=0, events=[*created("a\x00b"), event(EventKind.GUIDANCE_GIVEN, payload)]
        )
        read = await store.read(STREAM)
        assert read[2].payload == payload
        assert [type(v) for v in read[2].payload["n"]] == [type(v) for v in payload["n"]]
        assert first_broken_link(read) is None
        assert (await store.investigation("inv_1")).question.text == "a\x00b"

    async def test_what_json_cannot_carry_is_replaced_before_it_is_hashed(self, store: Store) -> None:
        payload = {"half": "a\ud800b", "nan": float("nan"), "in": [float("inf"), {"half \udc00": "ok 😀"}]}
        await store.append(STREAM, expected_seq=0, events=[*created(), event(EventKind.BUDGET_SPENT, payload)])
        (read,) = await store.read(STREAM, after=2)
        assert read.payload == {"half": "a\ufffdb", "nan": None, "in": [None, {"half \ufffd": "ok 😀"}]}
        assert await store.first_broken_link(STREAM) is None

    async def test_instants_come_back_in_utc_to_the_microsecond(self, store: Store) -> None:
        zone = timezone(timedelta(hours=5, minutes=30))
        at = (NOON + timedelta(microseconds=123_457)).astimezone(zone)
        late = event(EventKind.GUIDANCE_GIVEN, {"text": "x"}).model_copy(update={"at": at, "actor": "person:né\x00"})
        await store.append(STREAM, expected_seq=0, events=[*created(), late])
        (read,) = await store.read(STREAM, after=2)
        assert read.at == at
        assert read.at.utcoffset() == timedelta(0)
        assert await store.first_broken_link(STREAM) is None

    async def test_the_row_is_the_fold_of_the_log(self, open_store: Opener) -> None:
        store = await open_store()
        appended = await whole_run(store)
        await store.close()
        again = await open_store()
        row = await again.investigation("inv_1")
        assert row == appended.investigation
        assert row == fold(await again.read(STREAM), "inv_1")
        assert row.state is InvestigationState.RUNNING
        assert row.execution("ex_1").evidence_id == "ev_1"

    async def test_only_one_of_many_wins_a_place(self, store: Store) -> None:
        await store.append(STREAM, expected_seq=0, events=created())
        hints = [event(EventKind.GUIDANCE_GIVEN, {"text": str(n)}) for n in range(20)]
        results = await asyncio.gather(
            *(store.append(STREAM, expected_seq=2, events=[hint]) for hint in hints), return_exceptions=True
        )
        assert sum(isinstance(r, Appended) for r in results) == 1
        assert sum(isinstance(r, SequenceConflict) for r in results) == 19
        assert [e.seq for e in await store.read(STREAM)] == [1, 2, 3]
        assert await store.first_broken_link(STREAM) is None

    async def test_a_new_stream_is_made_once(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.append(STREAM, expected_seq=0, events=created(str(n))) for n in range(10)), return_exceptions=True
        )
        assert sum(isinstance(r, Appended) for r in results) == 1
        assert len(await store.read(STREAM)) == 2

    async def test_a_refused_append_leaves_nothing(self, store: Store) -> None:
        appended = await whole_run(store)
        before = (await store.read(STREAM), await store.outgoing(), appended.investigation)
        with pytest.raises(SequenceConflict, match="never edited"):
            await store.append(
                STREAM,
                expected_seq=appended.investigation.seq,
                events=[tool_finished(2, evidence_id="ev_2")],
                evidence=[evidence("ev_2"), evidence("ev_1")],
                delivery_id="click",
            )
        assert (await store.read(STREAM), await store.outgoing(), await store.investigation("inv_1")) == before
        assert await store.evidence(["ev_2"]) == []
        assert await store.delivery_seen("click") is None

    async def test_a_repeated_delivery_has_one_effect(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.append(f"investigation/inv_{n}", expected_seq=0, events=created(), delivery_id="Ev1")
              for n in range(20)),
            return_exceptions=True,
        )  # fmt: skip
        (made,) = [r for r in results if isinstance(r, Appended)]
        refused = [r for r in results if isinstance(r, DuplicateDelivery)]
        assert len(refused) == 19
        assert {r.stream for r in refused} == {made.events[0].stream} == {await store.delivery_seen("Ev1")}
        assert len(await store.investigations()) == 1

    async def test_a_repeated_delivery_is_recognised_before_a_lost_race(self, store: Store) -> None:
        await store.append(STREAM, expected_seq=0, events=created())
        ask = event(EventKind.PAUSE_REQUESTED, actor="person:U1")
        await store.append(STREAM, expected_seq=2, events=[ask], delivery_id="click")
        with pytest.raises(DuplicateDelivery):
            await store.append(STREAM, expected_seq=2, events=[ask], delivery_id="click")

    async def test_nothing_to_append_and_unknown_ids_are_told(self, store: Store) -> None:
        with pytest.raises(InvalidRequest):
            await store.append(STREAM, expected_seq=0, events=[])
        with pytest.raises(UnknownId, match="inv_nobody"):
            await store.investigation("inv_nobody\x00")
        with pytest.raises(SequenceConflict):
            await store.append(STREAM, expected_seq=7, events=[moved("cancelled")])

    async def test_a_cancelled_caller_does_not_tear_an_append(self, store: Store) -> None:
        await store.append(STREAM, expected_seq=0, events=created())
        task = asyncio.create_task(store.append(STREAM, expected_seq=2, events=[moved("cancelled")]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            while len(await store.read(STREAM)) != 3:
                await asyncio.sleep(0.01)
        assert (await store.investigation("inv_1")).state is InvestigationState.CANCELLED

    async def test_evidence_comes_back_equal_in_the_order_asked(self, store: Store) -> None:
        kept = [evidence(f"ev_{n}", number=n) for n in range(3)]
        await store.append(STREAM, expected_seq=0, events=created(), evidence=kept)
        assert await store.evidence(["ev_2", "ev_0", "ev_9"]) == [kept[2], kept[0]]
        assert await store.evidence([]) == []

    async def test_lists_filter_and_page_newest_first(self, store: Store) -> None:
        for n in range(7):
            requester = "U1" if n % 2 else "U2"
            opened = created(str(n), at_s=n // 2, requester=requester)
            await store.append(f"investigation/inv_{n}", expected_seq=0, events=opened)
        await store.append("investigation/inv_3", expected_seq=2, events=[moved("cancelled")])
        page = await store.investigations(limit=3)
        rest = await store.investigations(limit=10, before=page[-1].id)
        assert [i.id for i in [*page, *rest]] == [f"inv_{n}" for n in range(6, -1, -1)]
        assert [i.id for i in await store.investigations(requester="U1")] == ["inv_5", "inv_3", "inv_1"]
        assert [i.id for i in await store.investigations(states=[InvestigationState.CANCELLED])] == ["inv_3"]
        assert await store.investigations(squad="payments") == []

    async def test_a_thread_leads_to_its_newest_investigation(self, store: Store) -> None:
        for n in (1, 2):
            origin = {"face": "slack", "channel": "C1", "thread_ts": "1.1"}
            await store.append(f"investigation/inv_{n}", expected_seq=0, events=created(at_s=n, origin=origin))
        await store.append("investigation/inv_3", expected_seq=0, events=created())
        card = Posted(stream="investigation/inv_3", slot="card", channel="C1", ts="9.9", digest="d")
        await store.keep_posted(card)
        assert (await store.find_by_origin(channel="C1", thread_ts="1.1")).id == "inv_2"
        assert (await store.find_by_origin(channel="C1", thread_ts="9.9")).id == "inv_3"
        assert await store.find_by_origin(channel="C2", thread_ts="1.1") is None

    async def test_following_gives_every_event_once(self, store: Store) -> None:
        await store.append(STREAM, expected_seq=0, events=created())
        seen: list[int] = []

        async def follow() -> None:
            async for one in store.follow(STREAM, after=1):
                seen.append(one.seq)
                if one.seq == 12:
                    return

        follower = asyncio.create_task(follow())
        for seq in range(2, 12):
            await store.append(STREAM, expected_seq=seq, events=[event(EventKind.GUIDANCE_GIVEN, {"text": "x"})])
        async with asyncio.timeout(10):
            await follower
        assert seen == list(range(2, 13))

    async def test_the_state_is_never_behind_events_already_read(self, store: Store) -> None:
        await store.append(STREAM, expected_seq=0, events=created())
        writing = asyncio.create_task(self._grow(store, 200))
        while not writing.done():
            log = await store.read(STREAM)
            state = await store.investigation(STREAM.partition("/")[2])
            assert state.seq >= log[-1].seq
        await writing

    async def _grow(self, store: Store, size: int) -> None:
        for seq in range(2, size):
            await store.append(STREAM, expected_seq=seq, events=[event(EventKind.GUIDANCE_GIVEN, {"text": "x"})])

    async def test_workspaces_do_not_see_each_other(self, open_store: Opener, url: str) -> None:
        one = await open_store(workspace="one")
        await one.append("access", expected_seq=0, events=[event(EventKind.SIGNED_IN, {"who": "U1"})])
        await one.append(STREAM, expected_seq=0, events=created())
        await one.close()
        two = await open_store(workspace="two")
        await two.append("access", expected_seq=0, events=[event(EventKind.SIGNED_IN, {"who": "U2"})])
        assert (await two.append("investigation/inv_2", expected_seq=0, events=created())).investigation == fold(
            await two.read("investigation/inv_2"), "inv_2"
        )
        assert [e.payload["who"] for e in await two.read("access")] == ["U2"]
        assert ([i.id for i in await two.investigations()], await two.read(STREAM)) == (["inv_2"], [])
        claim = await two.claim_next(worker="w")
        assert claim is not None
        assert (claim.investigation.id, claim.investigation.workspace) == ("inv_2", "two")
        assert await two.claim_next(worker="w") is None
        assert {o.stream for o in await two.outgoing()} == {"access", "investigation/inv_2"}
