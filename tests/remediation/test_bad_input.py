"""What people, attackers and the weather do to an approval: a clear reply, nothing half-done, and a record of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.api.proposals import DecisionBody, make_proposals_router
from bot.domain import deciding
from bot.domain.access import Principal, PrincipalKind, Role
from bot.domain.deciding import Click
from bot.domain.events import EventKind
from bot.domain.ids import investigation_stream
from bot.domain.remediation import ProposalState, proposal_stream
from bot.errors import InvalidRequest, NotAllowed, UnknownId
from bot.services.approvals import ApprovalGate, button_value
from bot.store import Posted, Store
from tests.remediation.making import ANA, BO, CY, DEE, GUS, REQUESTER, SQUAD
from tests.remediation.plant import CALL, Plant, a_plant

_S = ProposalState
FOREIGN = Principal(kind=PrincipalKind.PERSON, id=BO.id, name="bo of another organisation", guest=True)
MACHINE = Principal(kind=PrincipalKind.SCHEDULE, id=CY.id, name="a sweep")
STRANGE_KEY = Principal(kind=PrincipalKind.API_KEY, id="key_1", name="an API key without a role")


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with a_plant(tmp_path) as made:
        yield made


async def refused(
    plant: Plant, by: Principal, *, words: str, value: str | None = None, place: str | None = None
) -> None:
    """The click is answered with a reason, changes nothing, and is in the log."""
    before = await plant.store.proposal("prop_1")
    with pytest.raises(NotAllowed) as told:
        await plant.process().decisions.approve(value or button_value(before), by=by, place=place)
    assert words in str(told.value)
    after = await plant.store.proposal("prop_1")
    assert (after.state, after.approvals) == (before.state, before.approvals)
    last = (await plant.store.read(proposal_stream("prop_1")))[-1]
    assert (last.kind, last.actor, last.payload["reason"]) == (EventKind.REFUSED, by.actor, str(told.value))
    assert plant.switch.sent == 0


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (REQUESTER, "somebody else has to approve it: a responder of squad payment"),
        (DEE, "This needs a responder of squad payment; you are a viewer."),
        (GUS.model_copy(update={"guest": True}), "Guests cannot decide"),
        (FOREIGN, "Guests cannot decide"),
        (MACHINE, "Only people decide"),
        (STRANGE_KEY, "you are a viewer"),
    ],
)
async def test_who_may_not_is_told_why(plant: Plant, by: Principal, words: str) -> None:
    await plant.proposed()
    await refused(plant, by, words=words)


async def test_after_expiry(plant: Plant) -> None:
    await plant.proposed()
    plant.clock.ahead = timedelta(minutes=15)
    await refused(plant, CY, words="expired")


async def test_a_role_that_was_lost(plant: Plant) -> None:
    await plant.proposed()
    await plant.role(EventKind.ROLE_REVOKED, CY.id, Role.RESPONDER, SQUAD)
    await refused(plant, CY, words="you are a viewer")


async def test_a_forged_value(plant: Plant) -> None:
    await plant.proposed()
    await refused(plant, BO, words="does not belong to this proposal", value=f"prop_1.{'a' * 32}")
    with pytest.raises(UnknownId):
        await plant.process().decisions.approve(f"prop_2.{'a' * 32}", by=BO)
    with pytest.raises(InvalidRequest):
        await plant.process().decisions.approve("prop_1", by=BO)


async def test_another_channel(plant: Plant) -> None:
    proposer = plant.process().proposer
    call, seen = await proposer.bind(CALL, "prop_1")
    body = {"id": "prop_1", "title": "Set the level", "risk": "medium", "requester": REQUESTER, "squad": SQUAD}
    await proposer.make(call, seen, {**body, "investigation_id": "inv_1"}, actor="system:worker")
    stream = investigation_stream("inv_1")
    posted = Posted(stream=stream, slot="card", channel="C1", ts="1.1", thread_ts=None, digest="d")
    await plant.store.keep_posted(posted)
    await refused(plant, CY, words="somewhere else", place="C2")
    value = button_value(await plant.store.proposal("prop_1"))
    assert await plant.process().decisions.approve(value, by=CY, place="C1") == "Approved. It is carried out now."


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (DEE, "This needs a responder of squad payment"),
        (FOREIGN, "Guests cannot decide"),
        (MACHINE, "Only people decide"),
    ],
)
async def test_who_may_not_reject_is_told_why(plant: Plant, by: Principal, words: str) -> None:
    proposal = await plant.proposed()
    with pytest.raises(NotAllowed, match=words):
        await plant.process().decisions.reject(button_value(proposal), by=by)
    assert (await plant.store.proposal("prop_1")).state is _S.PROPOSED


async def test_a_rejection_needs_the_real_button_in_its_place_and_an_open_proposal(plant: Plant) -> None:
    proposal, reject = await plant.proposed(), plant.process().decisions.reject
    with pytest.raises(NotAllowed, match="does not belong to this proposal"):
        await reject(f"prop_1.{'a' * 32}", by=BO)
    elsewhere = Click(by=BO, token=proposal.token, at=plant.clock.now(), place="C2", posted=frozenset({"C1"}))
    around = await plant.roles.surroundings()
    assert "somewhere else" in str(deciding.click_refusal(proposal, elsewhere, around, deciding.REJECT_RULES))
    assert await reject(button_value(proposal), by=REQUESTER) == "Rejected. Thank you."
    with pytest.raises(NotAllowed, match="takes no more decisions"):
        await reject(button_value(proposal), by=BO)


async def test_twice(plant: Plant) -> None:
    proposal = await plant.proposed()
    await plant.process().decisions.approve(button_value(proposal), by=CY)
    await refused(plant, CY, words="is approved; it takes no more decisions")
    await plant.process().remediation.step("prop_1")
    assert plant.switch.sent == 1
    with pytest.raises(NotAllowed, match="takes no more decisions"):
        await plant.process().decisions.approve(button_value(proposal), by=ANA)
    assert plant.switch.sent == 1


async def test_after_a_restart(tmp_path: Path) -> None:
    """The first click after a restart counts like any other: nothing about it lived in the process."""
    async with a_plant(tmp_path) as before:
        value = button_value(await before.proposed())
    async with a_plant(tmp_path, fresh=False) as after:
        assert await after.process().decisions.approve(value, by=CY) == "Approved. It is carried out now."
        assert (await after.process().remediation.step("prop_1")).state is _S.SUCCEEDED


async def test_while_slack_is_down_the_same_goes_over_http(plant: Plant) -> None:
    """The routes know nothing of Slack, and ask for the digest that was read."""
    proposal = await plant.proposed()
    store: Store = plant.store

    async def who() -> Principal:
        return CY

    router = make_proposals_router(store, plant.process().decisions, who)  # type: ignore[arg-type]
    routes: list[Any] = list(router.routes)
    approve = next(route.endpoint for route in routes if route.path.endswith("/approve"))
    with pytest.raises(InvalidRequest, match="not that of this proposal"):
        await approve("prop_1", DecisionBody(digest="0" * 64), CY)
    with pytest.raises(NotAllowed, match="you are a viewer"):
        await approve("prop_1", DecisionBody(digest=proposal.digest), STRANGE_KEY)
    told = await approve("prop_1", DecisionBody(digest=proposal.digest), CY)
    assert told["text"] == "Approved. It is carried out now."
    assert "token" not in told["proposal"]


async def test_while_the_target_is_down_nothing_is_sent_blind(plant: Plant) -> None:
    proposal = await plant.proposed()
    plant.switch.answer, plant.switch.readable = "lost", False
    await plant.process().decisions.approve(button_value(proposal), by=CY)
    assert (await plant.process().remediation.step("prop_1")).state is _S.UNKNOWN
    assert (await plant.process("two").remediation.step("prop_1")).state is _S.UNKNOWN
    assert plant.switch.sent == 1
    plant.switch.readable = True
    assert (await plant.process("two").remediation.step("prop_1")).state is _S.FAILED
    assert plant.switch.sent == 1


@pytest.mark.parametrize(("gone", "end", "sent"), [("preview", _S.SUPERSEDED, 0), ("sending", _S.FAILED, 1)])
async def test_a_target_deleted_after_the_approval(plant: Plant, gone: str, end: ProposalState, sent: int) -> None:
    """Before the last dry run, or in the very moment of sending: said, recorded, and nothing is left open."""
    proposal = await plant.proposed(undo=True)
    await plant.process().decisions.approve(button_value(proposal), by=CY)
    plant.switch.gone = gone
    done = await plant.process().remediation.step("prop_1")
    assert (done.state, plant.switch.sent, plant.switch.applied) == (end, sent, [])
    assert "no such switch" in (done.reason or done.outcome_text)
    kinds = [event.kind for event in await plant.store.read(proposal_stream("prop_1"))]
    assert kinds[-1] in (EventKind.PROPOSAL_SUPERSEDED, EventKind.EXECUTION_FINISHED)
    assert EventKind.UNDO_PROPOSED not in kinds, "there is nothing to undo"
    assert (await plant.process("two").remediation.step("prop_1")).state is end
    assert plant.switch.sent == sent


async def test_a_target_made_anew_under_the_same_name_is_another(plant: Plant) -> None:
    proposal = await plant.proposed()
    await plant.process().decisions.approve(button_value(proposal), by=CY)
    plant.switch.uid = "uid-2"
    done = await plant.process().remediation.step("prop_1")
    assert (done.state, plant.switch.sent) == (_S.SUPERSEDED, 0)
    assert "Somebody changed" in done.reason


async def test_a_flood_of_refused_clicks_fills_no_log(plant: Plant) -> None:
    await plant.proposed()
    for _ in range(60):
        with pytest.raises(NotAllowed):
            await plant.process().decisions.approve(f"prop_1.{'0' * 32}", by=DEE)
    assert len(await plant.store.read(proposal_stream("prop_1"))) <= 52


async def test_another_call_in_the_very_moment_of_sending(plant: Plant) -> None:
    """Everything is as it should be for the approved call, and only for it."""
    proposal = await plant.proposed()
    await plant.process().decisions.approve(button_value(proposal), by=CY)
    await plant.event("prop_1", EventKind.EXECUTION_STARTED, executor="one", digest=proposal.digest)
    await plant.event("prop_1", EventKind.TOOL_STARTED, digest=proposal.call.digest)
    gate = ApprovalGate(store=plant.store, roles=plant.roles, clock=plant.clock)
    other = proposal.call.model_copy(update={"arguments": {**proposal.call.arguments, "level": 9}})
    assert "another call" in str(await gate.refusal("prop_1", other))
    assert await gate.refusal("prop_1", proposal.call) is None
