"""Once, or not at all: clicks at once, crashes, lost answers, changed targets, lost roles; on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.access import Role
from bot.domain.events import EventKind
from bot.domain.evidence import ChosenBy
from bot.domain.remediation import ProposalState, SymptomCheck, proposal_stream
from bot.domain.states import Outcome, Risk
from bot.errors import BotError, InvalidRequest, NotAllowed
from bot.services.approvals import button_value
from bot.services.remediate import Pace
from bot.telemetry import Metrics
from connectors.model import ToolCall
from tests.remediation.making import ANA, BO, CY, DEE, REQUESTER, SQUAD
from tests.remediation.plant import CALL, Plant, a_plant

_S = ProposalState


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with a_plant(tmp_path) as made:
        yield made


async def test_the_whole_way(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    assert await one.decisions.approve(button_value(proposal), by=CY) == "Approved. It is carried out now."
    done = await one.remediation.step(proposal.id)
    assert done.state is _S.SUCCEEDED
    assert plant.switch.applied == [proposal.id]
    kinds = [event.kind for event in await plant.store.read(proposal_stream(proposal.id))]
    assert kinds.index(EventKind.EXECUTION_STARTED) < kinds.index(EventKind.TOOL_STARTED)
    assert kinds.index(EventKind.TOOL_STARTED) < kinds.index(EventKind.EXECUTION_FINISHED)
    assert await plant.store.broken_links() == []


@pytest.mark.parametrize("round_", range(5))
async def test_64_clicks_and_two_processes_at_once_carry_it_out_once(plant: Plant, round_: int) -> None:
    proposal = await plant.proposed(key=f"prop_{round_}")
    one, two = plant.process("one"), plant.process("two")
    barrier = asyncio.Barrier(64)

    async def click(number: int) -> str:
        await barrier.wait()
        try:
            return await (one if number % 2 else two).decisions.approve(
                button_value(proposal), by=CY if number % 3 else ANA
            )
        except BotError as error:
            return str(error)

    running = [asyncio.create_task(process.remediation.run()) for process in (one, two)]
    said = await asyncio.gather(*(click(n) for n in range(64)))
    try:
        await _settled(plant, proposal.id)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert sum(words == "Approved. It is carried out now." for words in said) == 1
    assert all(said), "every click is answered"
    assert plant.switch.applied == [proposal.id]
    assert plant.switch.sent == 1


async def _settled(plant: Plant, proposal_id: str) -> None:
    async with asyncio.timeout(60):
        while (await plant.store.proposal(proposal_id)).state.is_open:
            await asyncio.sleep(0.01)


async def test_time_to_approval_and_to_recovery_are_measured(plant: Plant) -> None:
    metrics = Metrics()
    plant.observe = metrics.observe_change
    read = ToolCall(connector="switch/main", tool="read_level", arguments={})
    check = SymptomCheck(kind="x", statement="slow", call=read, service="switch", metric="level", before=2, after=9)
    one = plant.process()
    call, seen = await one.proposer.bind(CALL, "prop_1")
    body = {"id": "prop_1", "title": "Set it", "risk": "medium", "requester": REQUESTER, "squad": SQUAD}
    proposal = await one.proposer.make(call, seen, {**body, "checks": (check,)}, actor="system:worker")
    await one.decisions.approve(button_value(proposal), by=CY)
    done = await one.remediation.step("prop_1")
    count = metrics.registry.get_sample_value
    assert (done.waited_s is not None, done.recovery_s is not None) == (True, True)
    assert count("proposal_approval_wait_seconds_count", {"risk": "medium"}) == 1
    assert count("proposal_recovery_seconds_count", {"tool": "set_level"}) == 1
    assert count("proposals_carried_out_total", {"outcome": "succeeded"}) == 1


async def test_critical_waits_for_the_second_person(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed(Risk.CRITICAL)
    assert "somebody else" in await one.decisions.approve(button_value(proposal), by=ANA)
    assert (await one.remediation.step(proposal.id)).state is _S.PROPOSED
    await one.decisions.approve(button_value(proposal), by=BO)
    assert (await one.remediation.step(proposal.id)).state is _S.SUCCEEDED


@pytest.mark.parametrize("by", [REQUESTER, DEE])
async def test_a_refused_click_is_recorded(plant: Plant, by: object) -> None:
    one, proposal = plant.process(), await plant.proposed()
    with pytest.raises(NotAllowed):
        await one.decisions.approve(button_value(proposal), by=by)  # type: ignore[arg-type]
    events = await plant.store.read(proposal_stream(proposal.id))
    assert events[-1].kind is EventKind.REFUSED
    assert (await plant.store.proposal(proposal.id)).state is _S.PROPOSED


@pytest.mark.parametrize("value", ["", "prop_1", "prop_1.", ".abc", "prop_1." + "0" * 32, "prop_9." + "0" * 32])
async def test_a_forged_value_does_nothing(plant: Plant, value: str) -> None:
    one, proposal = plant.process(), await plant.proposed()
    with pytest.raises(BotError):
        await one.decisions.approve(value, by=BO)
    assert (await plant.store.proposal(proposal.id)).approvals == ()


async def test_the_same_delivery_twice_counts_once(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed(Risk.CRITICAL)
    await one.decisions.approve(button_value(proposal), by=ANA, delivery_id="trigger/1")
    assert await one.decisions.approve(button_value(proposal), by=ANA, delivery_id="trigger/1") == (
        "That was done already."
    )
    assert len((await plant.store.proposal(proposal.id)).approvals) == 1


async def test_nobody_decided_in_time(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    plant.clock.ahead = timedelta(minutes=15)
    with pytest.raises(NotAllowed, match="expired"):
        await one.decisions.approve(button_value(proposal), by=CY)
    assert (await one.remediation.step(proposal.id)).state is _S.EXPIRED
    assert plant.switch.sent == 0


async def test_an_approval_that_grew_old_is_not_carried_out(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    await one.decisions.approve(button_value(proposal), by=CY)
    plant.clock.ahead = timedelta(minutes=15)
    assert (await one.remediation.step(proposal.id)).state is _S.EXPIRED
    assert plant.switch.sent == 0


async def test_a_role_that_was_taken_away_counts_no_more(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    await one.decisions.approve(button_value(proposal), by=CY)
    await plant.role(EventKind.ROLE_REVOKED, CY.id, Role.RESPONDER, SQUAD)
    done = await one.remediation.step(proposal.id)
    assert done.state is _S.SUPERSEDED
    assert "do not hold any more" in done.reason
    assert plant.switch.sent == 0


async def test_a_changed_target_is_left_alone(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    await one.decisions.approve(button_value(proposal), by=CY)
    plant.switch.version = 9
    done = await one.remediation.step(proposal.id)
    assert done.state is _S.SUPERSEDED
    assert plant.switch.sent == 0


async def test_a_refusal_of_the_target_is_a_failure_and_nothing_more(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    plant.switch.answer = "no"
    await one.decisions.approve(button_value(proposal), by=CY)
    assert (await one.remediation.step(proposal.id)).state is _S.FAILED
    assert plant.switch.sent == 1


# -- no answer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "end"), [("late", _S.SUCCEEDED), ("lost", _S.FAILED)])
async def test_without_an_answer_the_target_is_read_and_nothing_is_sent_again(
    plant: Plant, answer: str, end: ProposalState
) -> None:
    one, proposal = plant.process(), await plant.proposed()
    plant.switch.answer = answer
    await one.decisions.approve(button_value(proposal), by=CY)
    assert (await one.remediation.step(proposal.id)).state is end
    assert plant.switch.sent == 1
    kinds = [event.kind for event in await plant.store.read(proposal_stream(proposal.id))]
    assert EventKind.OUTCOME_UNKNOWN in kinds
    assert EventKind.TARGET_READ in kinds


async def test_while_the_target_does_not_answer_it_stays_unknown(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    plant.switch.answer, plant.switch.readable = "late", False
    await one.decisions.approve(button_value(proposal), by=CY)
    assert (await one.remediation.step(proposal.id)).state is _S.UNKNOWN
    plant.switch.readable = True
    assert (await one.remediation.step(proposal.id)).state is _S.SUCCEEDED
    assert plant.switch.sent == 1


async def test_a_no_counts_only_when_a_late_write_has_had_time(plant: Plant) -> None:
    one = plant.process(pace=Pace(tick_s=0.01, verify_every_s=0.01, doubt_s=10.0))
    proposal = await plant.proposed()
    plant.switch.answer = "lost"
    await one.decisions.approve(button_value(proposal), by=CY)
    assert (await one.remediation.step(proposal.id)).state is _S.UNKNOWN
    plant.clock.ahead = timedelta(seconds=11)
    assert (await one.remediation.step(proposal.id)).state is _S.FAILED


@pytest.mark.parametrize("wrote", [True, False])
async def test_a_crash_after_the_intent_is_settled_by_the_target(plant: Plant, wrote: bool) -> None:
    """The process dies between the intent and the outcome, before or after the write."""
    one, proposal = plant.process(), await plant.proposed()
    await one.decisions.approve(button_value(proposal), by=CY)
    await plant.event(proposal.id, EventKind.EXECUTION_STARTED, executor="gone", digest=proposal.digest)
    if wrote:
        plant.switch.mark, plant.switch.version = proposal.id, 2
    done = await plant.process("two").remediation.step(proposal.id)
    assert done.state is (_S.SUCCEEDED if wrote else _S.FAILED)
    assert plant.switch.sent == 0, "nothing is sent by whoever takes over"


@pytest.mark.parametrize("pause_s", [0.0, 0.002, 0.01])
async def test_a_process_cut_short_while_it_writes_leaves_one_write(plant: Plant, pause_s: float) -> None:
    """Cancelled at some await of the execution; another process goes on from the log."""
    one, proposal = plant.process(), await plant.proposed()
    plant.switch.pause_s = pause_s
    await one.decisions.approve(button_value(proposal), by=CY)
    for number in range(12):
        task = asyncio.create_task(plant.process(f"p{number}").remediation.step(proposal.id))
        await asyncio.sleep(0.004 * number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    done = await one.remediation.step(proposal.id)
    assert done.state in (_S.SUCCEEDED, _S.FAILED)
    assert plant.switch.sent <= 1
    assert len(plant.switch.applied) <= 1


# -- an adversary inside the process ----------------------------------------------------------------------------------


@pytest.mark.parametrize("approval", [None, "", "prop_1", "prop_none", "apr_1", "system"])
async def test_the_gate_refuses_every_write_without_its_approval(plant: Plant, approval: str | None) -> None:
    one, proposal = plant.process(), await plant.proposed()
    stream = proposal_stream(proposal.id)
    one.execute.attach(stream, _Nowhere())
    done = await one.execute.run(proposal.call, by=ChosenBy.REASONER, stream=stream, approval=approval)
    assert done.outcome is Outcome.REFUSED
    assert plant.switch.sent == 0


async def test_an_approval_covers_its_own_call_only_and_only_once(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    await one.decisions.approve(button_value(proposal), by=CY)
    await one.remediation.step(proposal.id)
    stream = proposal_stream(proposal.id)
    one.execute.attach(stream, _Nowhere())
    other = proposal.call.model_copy(update={"arguments": {**proposal.call.arguments, "level": 9}})
    for call in (proposal.call, other, CALL):
        done = await one.execute.run(call, by=ChosenBy.PERSON, stream=stream, approval=proposal.id)
        assert done.outcome is Outcome.REFUSED
    assert plant.switch.sent == 1


class _Nowhere:
    async def record(self, events: object, evidence: object = ()) -> None:
        """Keeps nothing."""


# -- the way back ------------------------------------------------------------------------------------------------------


async def test_a_change_that_did_not_help_proposes_the_way_back(plant: Plant) -> None:
    one = plant.process()
    proposal = await plant.proposed(undo=True, settle_s=0.001)
    checks = [{"kind": "saturation_high", "statement": "full", "metric": "level", "before": 1.0, "after": 2.0}]
    call = ToolCall(connector="switch/main", tool="read_level").model_dump(mode="json")
    changed = proposal.model_copy(update={"id": "prop_2"})
    body = changed.model_dump(exclude={"call", "target", "diff", "token", "digest", "seq", "story", "updated_at"})
    bound, preview = await one.proposer.bind(CALL, "prop_2")
    held = await one.proposer.make(
        bound, preview, {**body, "checks": [{**checks[0], "call": call}]}, actor="system:worker"
    )
    await one.decisions.approve(button_value(held), by=CY)
    failed = await one.remediation.step(held.id)
    assert failed.state is _S.FAILED
    assert failed.undone_by
    undo = await plant.store.proposal(failed.undone_by)
    assert (undo.state, undo.undo_of, undo.title) == (_S.PROPOSED, held.id, "Set it back")
    await one.decisions.approve(button_value(undo), by=CY)
    assert (await one.remediation.step(undo.id)).state is _S.SUCCEEDED
    assert (await plant.store.proposal(held.id)).state is _S.ROLLED_BACK
    assert plant.switch.level == 1


async def test_only_a_source_that_is_there_can_be_previewed(plant: Plant) -> None:
    with pytest.raises(InvalidRequest, match="no source"):
        await plant.process().proposer.preview(ToolCall(connector="switch/other", tool="set_level"))
