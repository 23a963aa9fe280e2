"""Roles by Slack user group: who joins may, who leaves may not, an unheard Slack changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.demo.workspace import Workspace
from bot.demo.workspace.config import ADA, BEN
from bot.domain.access import Role, Squad
from bot.domain.events import EventKind
from bot.errors import NotAllowed
from bot.services.approvals import ApprovalGate, Decisions, button_value
from bot.services.groups import Groups, is_group
from bot.services.policy import AccessFile, GivenRoles, Roles
from bot.slack.people import People
from bot.slack.publisher.limiter import Limiter
from bot.slack.web import SlackWeb
from tests.remediation.making import BO, DEE, SQUAD
from tests.remediation.plant import Plant, a_plant

ACCESS = AccessFile(roles=GivenRoles(responder=("S0ONCALL",), admin=("S0ADMINS", BO.id)))
SQUADS = (Squad(name=SQUAD, members=frozenset({"S0ONCALL"}), services=("payment-service",)),)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with a_plant(tmp_path) as made:
        made.roles = Roles(store=made.store, access=ACCESS, squads=SQUADS)
        yield made


class Slack:
    """Who is in which group; None: no answer."""

    def __init__(self) -> None:
        self.groups: dict[str, list[str] | None] = {"S0ONCALL": [], "S0ADMINS": []}

    async def members(self, group: str) -> Sequence[str] | None:
        return self.groups[group]


def groups_of(plant: Plant) -> Groups:
    return Groups(store=plant.store, access=ACCESS, squads=SQUADS, clock=plant.clock)


async def held(plant: Plant, person: str) -> set[tuple[Role, str | None]]:
    grants = (await plant.roles.surroundings()).authority_of(person).grants
    return {(grant.role, grant.squad) for grant in grants}


def test_which_names_are_groups() -> None:
    assert is_group("S0ONCALL")
    assert not any(is_group(name) for name in ("U0BEN000001", "W012", "Sam", "", "S-1"))


async def test_a_group_by_itself_gives_nobody_anything(plant: Plant) -> None:
    """Until Slack has said who is in it."""
    assert await held(plant, DEE.id) == set()
    assert groups_of(plant).names == {"S0ONCALL", "S0ADMINS"}


async def test_who_joins_may_and_who_leaves_may_not(plant: Plant) -> None:
    slack, groups = Slack(), groups_of(plant)
    proposal = await plant.proposed()
    decisions = plant.process().decisions
    with pytest.raises(NotAllowed, match="you are a viewer"):
        await decisions.approve(button_value(proposal), by=DEE)
    slack.groups["S0ONCALL"] = [DEE.id]
    assert await groups.sync(slack.members) == 1
    assert await groups.sync(slack.members) == 0, "nothing changed"
    assert await held(plant, DEE.id) == {(Role.RESPONDER, SQUAD)}
    assert await decisions.approve(button_value(proposal), by=DEE) == "Approved. It is carried out now."
    slack.groups["S0ONCALL"] = []
    assert await groups.sync(slack.members) == 1
    done = await plant.process().remediation.step(proposal.id)
    assert "do not hold any more" in done.reason, "asked again right before it is carried out"
    assert plant.switch.sent == 0


async def test_admins_by_group(plant: Plant) -> None:
    slack = Slack()
    slack.groups["S0ADMINS"] = [DEE.id]
    await groups_of(plant).sync(slack.members)
    assert await held(plant, DEE.id) == {(Role.ADMIN, None)}


async def test_an_unheard_slack_changes_nothing(plant: Plant) -> None:
    slack, groups = Slack(), groups_of(plant)
    slack.groups["S0ONCALL"] = [DEE.id]
    await groups.sync(slack.members)
    slack.groups["S0ADMINS"] = None
    slack.groups["S0ONCALL"] = []
    assert await groups.sync(slack.members) == 0
    assert await held(plant, DEE.id) == {(Role.RESPONDER, SQUAD)}


async def test_what_people_were_given_by_hand_is_left_alone(plant: Plant) -> None:
    slack, groups = Slack(), groups_of(plant)
    await plant.role(EventKind.ROLE_GRANTED, "UEVA", Role.RESPONDER, SQUAD)
    await groups.sync(slack.members)
    assert await held(plant, "UEVA") == {(Role.RESPONDER, SQUAD)}
    assert await held(plant, BO.id) == {(Role.ADMIN, None)}


async def test_the_gate_decides_by_the_same_rows(plant: Plant) -> None:
    """A process without Slack reads them from the log."""
    slack = Slack()
    slack.groups["S0ONCALL"] = [DEE.id]
    await groups_of(plant).sync(slack.members)
    elsewhere = Roles(store=plant.store, access=ACCESS, squads=SQUADS)
    gate = ApprovalGate(store=plant.store, roles=elsewhere, clock=plant.clock)
    decisions = Decisions(store=plant.store, roles=elsewhere, clock=plant.clock)
    proposal = await plant.proposed()
    await decisions.approve(button_value(proposal), by=DEE)
    await plant.event(proposal.id, EventKind.EXECUTION_STARTED, executor="x", digest=proposal.digest)
    await plant.event(proposal.id, EventKind.TOOL_STARTED, digest=proposal.call.digest)
    assert await gate.refusal(proposal.id, proposal.call) is None


async def test_slack_says_who_is_in_a_group() -> None:
    workspace = Workspace()
    await workspace.start()
    web = SlackWeb(token=workspace.bot_token, base_url=workspace.api_url, limiter=Limiter())
    people = People(web)
    try:
        assert await people.of_group("S0PAYMENT01") == [ADA, BEN]
        assert await people.of_group("S0NOBODY") == [], "a group that is gone has nobody"
    finally:
        await workspace.stop()
    assert await people.of_group("S0PAYMENT01") is None, "Slack is away"
    await web.close()
