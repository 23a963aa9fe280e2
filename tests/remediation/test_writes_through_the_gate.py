"""Every write over HTTP, from proposal to its end: previewed, approved, sent once, settled by its target, undone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.events import EventKind
from bot.domain.remediation import Proposal, ProposalState, proposal_stream
from bot.errors import InvalidRequest
from bot.services.approvals import button_value
from connectors.errors import Rejected
from connectors.model import Limits, ToolCall
from tests.remediation.making import CY
from tests.remediation.plant import Plant, a_plant
from tests.remediation.targets import NAMES, Target, a_target

_S = ProposalState


class Scene:
    """A plant, a target, and its double."""

    def __init__(self, plant: Plant, target: Target, server: Any) -> None:
        self.plant, self.target, self.server = plant, target, server

    async def approved(self, *, key: str = "prop_1", wanted: ToolCall | None = None) -> Proposal:
        proposal = await self.plant.proposed(key=key, wanted=wanted or self.target.call)
        await self.plant.process().decisions.approve(button_value(proposal), by=CY)
        return proposal

    async def step(self, proposal: Proposal, name: str = "one") -> Proposal:
        return await self.plant.process(name).remediation.step(proposal.id)


@contextlib.asynccontextmanager
async def a_scene(name: str, folder: Path) -> AsyncIterator[Scene]:
    async with contextlib.AsyncExitStack() as stack:
        target, server = await stack.enter_async_context(a_target(name))
        plant = await stack.enter_async_context(a_plant(folder, more={target.call.connector: target.make}))
        yield Scene(plant, target, server)


@pytest.fixture(params=NAMES)
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with a_scene(request.param, tmp_path) as made:
        yield made


async def test_the_whole_way_and_back(scene: Scene) -> None:
    proposal = await scene.approved()
    assert proposal.diff
    assert scene.target.effects() == 0, "a proposal changes nothing"
    done = await scene.step(proposal)
    assert (done.state, scene.target.effects()) == (_S.SUCCEEDED, 1)
    if scene.target.back is not None:
        back = await scene.approved(key="prop_2", wanted=scene.target.back)
        assert (await scene.step(back)).state is _S.SUCCEEDED
    assert await scene.plant.store.broken_links() == []


@pytest.mark.parametrize("wrote", [True, False])
async def test_a_kill_between_write_and_record_is_settled_by_the_target(scene: Scene, wrote: bool) -> None:
    proposal = await scene.approved()
    await scene.plant.event(proposal.id, EventKind.EXECUTION_STARTED, executor="gone", digest=proposal.digest)
    if wrote:
        gone = scene.target.make()
        await gone.call(proposal.call, Limits())
        await gone.close()
    done = await scene.step(proposal, "two")
    assert done.state is (_S.SUCCEEDED if wrote else _S.FAILED)
    assert scene.target.effects() == int(wrote), "whoever takes over sends nothing"
    kinds = [event.kind for event in await scene.plant.store.read(proposal_stream(proposal.id))]
    assert EventKind.OUTCOME_UNKNOWN in kinds
    assert EventKind.TARGET_READ in kinds


async def test_a_write_that_was_done_is_not_done_again_even_by_the_connector(one_of_each: Scene) -> None:
    proposal = await one_of_each.plant.proposed(wanted=one_of_each.target.call)
    connector = one_of_each.target.make()
    await connector.call(proposal.call, Limits())
    with pytest.raises(Rejected):
        await connector.call(proposal.call, Limits())
    await connector.close()
    assert one_of_each.target.effects() == 1


async def test_a_target_that_changed_is_left_alone(one_of_each: Scene) -> None:
    proposal = await one_of_each.approved()
    one_of_each.target.change()
    before = one_of_each.server.fingerprint()
    done = await one_of_each.step(proposal)
    assert done.state is _S.SUPERSEDED
    assert done.reason
    assert one_of_each.server.fingerprint() == before


async def test_a_target_that_changes_at_the_last_moment_is_left_alone(one_of_each: Scene) -> None:
    """After the second dry run, right before sending: the connector itself compares."""
    proposal = await one_of_each.plant.proposed(wanted=one_of_each.target.call)
    one_of_each.target.change()
    before = one_of_each.server.fingerprint()
    connector = one_of_each.target.make()
    with pytest.raises(Rejected):
        await connector.call(proposal.call, Limits())
    await connector.close()
    assert one_of_each.server.fingerprint() == before


# -- what the other side may do ---------------------------------------------------------------------------------------


@pytest.fixture(params=[name for name in NAMES if "data_center" not in name])
async def one_of_each(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """Cloud alone where both sorts of Jira behave alike."""
    async with a_scene(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=["flag", "webhook"])
async def moody(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with a_scene(request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize(("mood", "end"), [("late", _S.SUCCEEDED), ("lost", _S.FAILED)])
async def test_a_lost_answer_is_settled_and_never_sent_again(moody: Scene, mood: str, end: ProposalState) -> None:
    proposal = await moody.approved()
    moody.server.mood = mood
    assert (await moody.step(proposal)).state is end
    assert moody.server.writes == [proposal.id], "once, under its own key"


async def test_a_webhook_that_hangs_leaves_nothing_half_done(moody: Scene) -> None:
    proposal = await moody.approved()
    moody.server.mood = "hang"
    process = moody.plant.process()
    instance = process.execute.instances[moody.target.call.connector]
    instance.limits = Limits(deadline_s=1.0)
    assert (await process.remediation.step(proposal.id)).state is _S.FAILED
    assert moody.server.writes == [proposal.id]
    assert moody.target.effects() == 0


@pytest.mark.parametrize("status", [403, 409, 422])
async def test_a_refusal_such_as_a_quota_is_told_and_recorded(moody: Scene, status: int) -> None:
    proposal = await moody.approved()
    moody.server.refuse_with = status
    done = await moody.step(proposal)
    assert done.state is _S.FAILED
    assert "quota" in done.outcome_text
    assert moody.server.writes == [proposal.id]


async def test_while_the_target_is_away_nothing_is_lost(moody: Scene) -> None:
    """Down between approval and execution: the proposal is out of date, with the reason, and nothing was sent."""
    proposal = await moody.approved()
    await moody.server.__aexit__()
    done = await moody.step(proposal)
    assert done.state is _S.SUPERSEDED
    assert "cannot be reached" in done.reason
    assert moody.server.writes == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("set_flag", {"flag": "../admin", "enabled": True}),
        ("set_flag", {"flag": "fast-lane", "enabled": "yes"}),
        ("set_flag", {"flag": "no-such-flag", "enabled": True}),
        ("set_flag", {"flag": "fast-lane", "enabled": True}),
        ("send_page", {"severity": "huge", "text": "x"}),
        ("send_page", {"severity": "minor", "text": "x" * 201}),
        ("drop_flag", {"flag": "fast-lane"}),
    ],
)
async def test_what_is_out_of_bounds_never_becomes_a_proposal(
    moody: Scene, tool: str, arguments: dict[str, Any]
) -> None:
    before = moody.server.fingerprint()
    with pytest.raises(InvalidRequest) as refused:
        await moody.plant.proposed(wanted=moody.target.call.model_copy(update={"tool": tool, "arguments": arguments}))
    assert str(refused.value).endswith(".")
    assert moody.server.fingerprint() == before


async def test_an_expired_approval_sends_nothing(moody: Scene) -> None:
    proposal = await moody.approved()
    moody.plant.clock.ahead = timedelta(minutes=16)
    assert (await moody.step(proposal)).state is _S.EXPIRED
    assert moody.server.writes == []
