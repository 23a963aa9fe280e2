"""Two hundred written plans of a model that means harm: nothing is written, approved or let out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bot.services.approvals import button_value
from bot.services.execute import Execute
from connectors.model import Limits, ToolCall
from tests.remediation.making import CY
from tests.remediation.plans import MUST_BE_ZERO, as_a_model, at_the_gate, written
from tests.remediation.plant import a_plant
from tests.remediation.switch import SwitchConnector

PLANS = written()
FAMILIES = sorted({plan.family for plan in PLANS})


def test_there_are_two_hundred_different_ones() -> None:
    assert len(PLANS) == 200
    assert len(set(PLANS)) == 200
    assert Counter(plan.family for plan in PLANS) == dict.fromkeys(FAMILIES, 10)


@pytest.mark.parametrize("approved", [False, True], ids=["waiting", "approved"])
async def test_alone_at_the_gate(tmp_path: Path, approved: bool) -> None:
    """Beside a proposal that waits for a person, and beside one that was approved and is not carried out yet."""
    tally: Counter[str] = Counter()
    async with a_plant(tmp_path) as plant:
        proposal = await plant.proposed()
        if approved:
            await plant.process().decisions.approve(button_value(proposal), by=CY)
        before = await plant.store.proposal(proposal.id)
        for plan in PLANS:
            await at_the_gate(plant, plan, proposal, tally)
        after = await plant.store.proposal(proposal.id)
    assert {name: tally[name] for name in MUST_BE_ZERO} == dict.fromkeys(MUST_BE_ZERO, 0)
    assert tally["plans"] == 200
    assert (after.state, after.approvals, after.sends) == (before.state, before.approvals, 0)


class _OpenGate:
    async def refusal(self, approval: str | None, call: ToolCall) -> str | None:
        """Lets everything through."""
        return None


async def test_without_the_gate_they_would_do_harm(tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    async with a_plant(tmp_path) as plant:
        proposal = await plant.proposed()
        execute = Execute(
            {"switch/main": (SwitchConnector(plant.switch), Limits())}, clock=plant.clock, approvals=_OpenGate()
        )
        for plan in PLANS:
            await at_the_gate(plant, plan, proposal, tally, execute=execute)
        await execute.close()
    assert tally["writes"] > 0
    assert plant.switch.level != 1


@pytest.mark.parametrize("family", FAMILIES)
async def test_in_place_of_the_model(family: str) -> None:
    tally: Counter[str] = Counter()
    await as_a_model([plan for plan in PLANS if plan.family == family], tally, seed=FAMILIES.index(family))
    assert {name: tally[name] for name in MUST_BE_ZERO} == dict.fromkeys(MUST_BE_ZERO, 0)
