"""`python -m tests.remediation.tallies`: counts what must never happen, over many rounds, and prints the counts."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

import structlog

from bot.domain.evidence import ChosenBy
from bot.domain.remediation import Proposal, proposal_stream
from bot.domain.states import Outcome, Risk
from bot.errors import BotError
from bot.services.approvals import button_value
from connectors.model import JsonObject, ToolCall
from tests.remediation import plans
from tests.remediation.explorer import explore
from tests.remediation.making import ANA, BO, CY, DEE, REQUESTER
from tests.remediation.plant import Plant, a_plant

TOOLS = ("set_level", "read_outcome", "read_level", "approve", "delete_everything", "")


async def clicks(rounds: int) -> None:
    """64 clicks at once from two processes' services on one store."""
    wrong = 0
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            async with a_plant(Path(folder)) as plant:
                wrong += not await _one_round(plant, number)
    print(f"clicks: {rounds} rounds of 64, {wrong} with other than one execution")


async def _one_round(plant: Plant, number: int) -> bool:
    proposal = await plant.proposed(key=f"prop_{number}")
    processes = [plant.process("one"), plant.process("two")]

    async def click(index: int) -> None:
        try:
            by = CY if index % 3 else ANA
            await processes[index % 2].decisions.approve(button_value(proposal), by=by)
        except BotError:
            return

    running = [asyncio.create_task(process.remediation.run()) for process in processes]
    await asyncio.gather(*(click(index) for index in range(64)))
    while (await plant.store.proposal(proposal.id)).state.is_open:
        await asyncio.sleep(0.005)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return plant.switch.applied == [proposal.id] and plant.switch.sent == 1


async def cuts(rounds: int) -> None:
    """A process is cut at a random moment of carrying out; another goes on."""
    double = open_ = 0
    for number in range(rounds):
        dice = random.Random(number)
        with tempfile.TemporaryDirectory() as folder:
            async with a_plant(Path(folder)) as plant:
                proposal = await plant.proposed()
                plant.switch.pause_s = dice.uniform(0, 0.01)
                await plant.process().decisions.approve(button_value(proposal), by=CY)
                task = asyncio.create_task(plant.process("one").remediation.step(proposal.id))
                await asyncio.sleep(dice.uniform(0, 0.06))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                done = await _taken_over(plant, proposal.id)
                double += plant.switch.sent > 1
                open_ += done.state.is_open
    print(f"cuts while it is carried out: {rounds}, {double} double executions, {open_} left open")


async def _taken_over(plant: Plant, proposal_id: str) -> Proposal:
    """The next process goes on; a write of the first that was under way may still land before."""
    other = plant.process("two")
    for _ in range(50):
        try:
            return await other.remediation.step(proposal_id)
        except BotError:
            await asyncio.sleep(0.01)
    return await plant.store.proposal(proposal_id)


async def adversary(plans: int) -> None:
    """Random calls with random approvals through the gate, and random clicks, in a process that holds everything."""
    writes = approvals = 0
    with tempfile.TemporaryDirectory() as folder:
        async with a_plant(Path(folder)) as plant:
            one, proposal = plant.process(), await plant.proposed()
            stream = proposal_stream(proposal.id)
            dice = random.Random(7)
            one.execute.attach(stream, _Nowhere())
            for _ in range(plans):
                one.execute.attach(stream, _Nowhere())
                done = await one.execute.run(
                    _random_call(dice, proposal.call.arguments), by=dice.choice(list(ChosenBy)), stream=stream,
                    approval=dice.choice([None, "", proposal.id, proposal.token, "prop_x", button_value(proposal)]),
                )  # fmt: skip
                writes += done.outcome is Outcome.SUCCEEDED and done.call.tool == "set_level"
            for value in (proposal.id, proposal.token, button_value(proposal)[:-1] + "x"):
                for by in (BO, ANA, CY, DEE, REQUESTER):
                    approvals += await _accepted(one.decisions.approve(value, by=by))
            for by in (DEE, REQUESTER):
                approvals += await _accepted(one.decisions.approve(button_value(proposal), by=by))
            sent = plant.switch.sent
    print(f"adversary: {plans:,} random plans, {writes + sent} writes, {approvals} approvals")


async def written_plans() -> None:
    """The two hundred of the file, beside a proposal that waits and one that is approved, and as turns of a model."""
    tally: Counter[str] = Counter()
    for approved in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            async with a_plant(Path(folder)) as plant:
                proposal = await plant.proposed()
                if approved:
                    await plant.process().decisions.approve(button_value(proposal), by=CY)
                for plan in plans.written():
                    await plans.at_the_gate(plant, plan, proposal, tally)
    by_family: dict[str, list[plans.HostilePlan]] = {}
    for plan in plans.written():
        by_family.setdefault(plan.family, []).append(plan)
    for number, family in enumerate(by_family.values()):
        await plans.as_a_model(family, tally, seed=number)
    shown = ", ".join(f"{name} {tally[name]}" for name in plans.MUST_BE_ZERO)
    print(f"written plans: {tally['plans']} played at the gate, {tally['investigations']} investigations; {shown}")


def _random_call(dice: random.Random, real: JsonObject) -> ToolCall:
    arguments: JsonObject = dict(real) if dice.random() < 0.5 else {"level": dice.randint(0, 9), "proposal": "prop_1"}
    if dice.random() < 0.3:
        arguments["approved"] = True
    return ToolCall(connector="switch/main", tool=dice.choice(TOOLS), arguments=arguments)


async def _accepted(work: object) -> bool:
    try:
        await work  # type: ignore[misc]
    except BotError:
        return False
    return True


class _Nowhere:
    async def record(self, events: object, evidence: object = ()) -> None:
        """Keeps nothing."""


def main() -> None:
    """All tallies."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser()
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--plans", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=9)
    wanted = parser.parse_args()
    began = time.monotonic()
    for risk in Risk:
        found, worlds = explore(risk, wanted.depth)
        print(f"interleavings to depth {wanted.depth}, risk {risk.value}: {worlds:,} worlds, {len(found)} violations")
    asyncio.run(clicks(wanted.clicks))
    asyncio.run(cuts(wanted.cuts))
    asyncio.run(adversary(wanted.plans))
    asyncio.run(written_plans())
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
