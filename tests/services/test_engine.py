"""The engine on a real store: phases, gaps, requests, crashes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.domain.events import EventKind
from bot.domain.ids import investigation_stream
from bot.domain.investigation import fold
from bot.domain.states import InvestigationState, Outcome, PhaseState
from bot.errors import InvalidRequest, MoveRefused
from connectors.errors import Rejected, Unauthorized, Unavailable
from connectors.model import Limits
from tests.support.doubles import Behaviour
from tests.support.house import ADA, House, house


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'inquest.db'}"


async def _log(parts: House, investigation_id: str) -> list[EventKind]:
    return [event.kind for event in await parts.store.read(investigation_stream(investigation_id))]


async def test_runs_all_phases_and_makes_a_report(url: str) -> None:
    behaviours = {f"double/{n}": Behaviour() for n in range(3)}
    async with house(url, behaviours, calls=2) as parts:
        done = await parts.settled(await parts.ask())
        assert done.state is InvestigationState.COMPLETED
        assert done.report is not None
        assert len(done.executions) == 6
        assert all(e.outcome is Outcome.SUCCEEDED for e in done.executions)
        assert {p.state for p in done.phases} <= {PhaseState.COMPLETED, PhaseState.SKIPPED}
        events = await parts.store.read(investigation_stream(done.id))
        assert fold(events, done.id) == done
        assert await parts.store.broken_links() == []


async def test_a_failing_source_becomes_a_gap_and_the_rest_goes_on(url: str) -> None:
    behaviours = {
        "double/good": Behaviour(),
        "double/forbidden": Behaviour(errors=[Unauthorized("The password is wrong.")]),
        "double/refusing": Behaviour(errors=[Rejected("The guard refused this.")]),
        "double/hangs": Behaviour(hang=True),
    }
    async with house(url, behaviours, limits=Limits(deadline_s=0.3)) as parts:
        done = await parts.settled(await parts.ask())
        assert done.state is InvestigationState.COMPLETED
        assert done.report is not None
        gaps = {gap.source: gap.reason.value for gap in done.report.gaps}
        assert gaps == {
            "double/forbidden": "unauthorized",
            "double/refusing": "refused",
            "double/hangs": "timed_out",
        }
        outcomes = {e.call.connector: e.outcome for e in done.executions}
        assert outcomes["double/good"] is Outcome.SUCCEEDED
        assert outcomes["double/hangs"] is Outcome.TIMED_OUT


async def test_a_shaky_source_is_asked_again(url: str) -> None:
    shaky = Behaviour(errors=[Unavailable("Down for a moment."), Unavailable("Still down.")])
    async with house(url, {"double/shaky": shaky}) as parts:
        done = await parts.settled(await parts.ask())
        assert done.executions[0].outcome is Outcome.SUCCEEDED
        assert done.executions[0].attempts == 3
        assert done.gaps == ()


async def test_cancel_reaches_the_backends_and_keeps_what_was_gathered(url: str) -> None:
    behaviours = {"double/fast": Behaviour(), "double/slow": Behaviour(hang=True)}
    async with house(url, behaviours) as parts:
        opened = await parts.ask()
        async for event in parts.store.follow(investigation_stream(opened.id), after=0):
            if event.kind is EventKind.TOOL_FINISHED:
                break
        await parts.investigations.cancel(opened.id, by=ADA)
        done = await parts.settled(opened)
        assert done.state is InvestigationState.CANCELLED
        outcomes = {e.call.connector: e.outcome for e in done.executions}
        assert outcomes == {"double/fast": Outcome.SUCCEEDED, "double/slow": Outcome.CANCELLED}
        assert behaviours["double/slow"].cancelled == 1
        with pytest.raises(MoveRefused):
            await parts.investigations.cancel(opened.id, by=ADA)


async def test_pause_then_resume_repeats_no_finished_call(url: str) -> None:
    slow = Behaviour(hang=True)
    behaviours = {"double/fast": Behaviour(), "double/slow": slow}
    async with house(url, behaviours) as parts:
        opened = await parts.ask()
        async for event in parts.store.follow(investigation_stream(opened.id), after=0):
            if event.kind is EventKind.TOOL_FINISHED:
                break
        await parts.investigations.pause(opened.id, by=ADA)
        paused = await parts.settled(opened)
        assert paused.state is InvestigationState.PAUSED
        slow.hang = False
        await parts.investigations.resume(opened.id, by=ADA)
        async for _ in parts.store.follow(investigation_stream(opened.id), after=paused.seq):
            done = await parts.store.investigation(opened.id)
            if done.state.is_settled:
                break
        assert done.state is InvestigationState.COMPLETED
        assert behaviours["double/fast"].calls == 1
        assert behaviours["double/slow"].calls == 2


async def test_a_stopped_process_goes_on_where_it_was(url: str) -> None:
    first = {"double/fast": Behaviour(), "double/slow": Behaviour(hang=True)}
    async with house(url, first) as parts:
        opened = await parts.ask()
        async for event in parts.store.follow(investigation_stream(opened.id), after=0):
            if event.kind is EventKind.TOOL_FINISHED:
                break
    second = {"double/fast": Behaviour(), "double/slow": Behaviour()}
    async with house(url, second) as parts:
        done = await parts.settled(opened)
        assert done.state is InvestigationState.COMPLETED
        assert second["double/fast"].calls == 0
        assert second["double/slow"].calls == 1
        kinds = await _log(parts, opened.id)
        assert kinds.count(EventKind.TOOL_STARTED) == 2
        assert kinds.count(EventKind.CLAIMED) == 2
        assert await parts.store.broken_links() == []


async def test_the_same_delivery_opens_one_investigation(url: str) -> None:
    from bot.services.investigations import OpenRequest

    async with house(url, {"double/a": Behaviour()}) as parts:
        request = OpenRequest(text="why?")
        opened = await asyncio.gather(
            *(parts.investigations.open(request, by=ADA, delivery_id="evt-1") for _ in range(8))
        )
        assert len({investigation.id for investigation in opened}) == 1
        assert len(await parts.store.investigations()) == 1


async def test_writes_are_refused_without_an_approval(url: str) -> None:
    from bot.domain.evidence import ChosenBy
    from bot.services.journal import Journal
    from connectors.model import ToolCall

    behaviour = Behaviour()
    async with house(url, {"double/a": behaviour}, start=False) as parts:
        opened = await parts.ask()
        stream = investigation_stream(opened.id)
        parts.execute.attach(stream, Journal(parts.store, opened, None))
        call = ToolCall(connector="double/a", tool="write_rows")
        execution = await parts.execute.run(call, by=ChosenBy.REASONER, stream=stream, approval="ap_forged")
        assert execution.outcome is Outcome.REFUSED
        assert behaviour.written == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "What should I investigate"),
        ("\u200b\u0000 \n", "What should I investigate"),
        ("x" * 40_000, "the most I read"),
        ("slow since 2099-01-01T00:00Z", "in the future"),
    ],
)
async def test_questions_that_cannot_be_used_are_refused_in_words(url: str, text: str, words: str) -> None:
    async with house(url, {"double/a": Behaviour()}, start=False) as parts:
        with pytest.raises(InvalidRequest, match=words):
            await parts.ask(text)
        assert await parts.store.investigations() == []


async def test_an_unknown_source_is_named_with_what_there_is(url: str) -> None:
    async with house(url, {"double/a": Behaviour()}, start=False) as parts:
        with pytest.raises(InvalidRequest, match="Configured: double/a"):
            await parts.ask(sources=("oracle",))


async def test_a_dry_run_asks_nothing(url: str) -> None:
    behaviour = Behaviour()
    async with house(url, {"double/a": behaviour}) as parts:
        done = await parts.settled(await parts.ask(dry_run=True))
        assert done.state is InvestigationState.COMPLETED
        assert behaviour.calls == 0
        assert done.report is not None
        assert [entry.source for entry in done.report.plan] == ["double/a"]


async def test_an_investigation_that_kills_its_workers_is_set_aside(url: str) -> None:
    """Three claims without any progress, each lost with its process; the fourth claimer fails it."""
    async with house(url, {"double/a": Behaviour()}, start=False) as parts:
        opened = await parts.ask()
    for number in range(3):
        async with house(url, {"double/a": Behaviour()}, start=False) as parts:
            claim = await parts.store.claim_next(worker=f"dies-{number}")
            assert claim is not None
            assert claim.investigation.claims == number + 1
    async with house(url, {"double/a": Behaviour()}) as parts:
        done = await parts.settled(opened)
        assert done.state is InvestigationState.FAILED
        assert done.reason == "poisoned"
        await parts.investigations.retry(opened.id, by=ADA)
        async for _ in parts.store.follow(investigation_stream(opened.id), after=done.seq):
            again = await parts.store.investigation(opened.id)
            if again.state is InvestigationState.COMPLETED:
                break
        assert again.retries == 1
