"""The whole way in the demo: the investigation proposes, Ben approves in Slack, the rollout is undone, it recovers."""

from __future__ import annotations

from typing import Any

from bot.domain.remediation import Proposal, ProposalState
from tests.remediation.conftest import QUESTION, Demo
from tests.slack.conftest import ADA, BEN, ROOM, text_of
from tests.support.slack_control import Json

ROOM_ID = "C0PAYINC001"


async def proposed(demo: Demo) -> tuple[Json, Proposal]:
    """The proposal's message in the thread of the card, once it is there."""
    assert (await demo.control.command(ADA, ROOM, "/investigate", QUESTION))["error"] is None

    async def look() -> Json | None:
        for root in await demo.control.messages(ROOM):
            for message in await demo.control.messages(ROOM, thread_ts=root["ts"]):
                if _is_proposal(message):
                    return message
        return None

    message: Json = await demo.control.until(look, within_s=240.0)
    found = await demo.app.store.proposals()
    return message, found[0]


def _is_proposal(message: Json) -> bool:
    return any(e.get("action_id") == "prop_approve" for b in message.get("blocks") or [] for e in b.get("elements", []))


async def whisper(demo: Demo, containing: str) -> str:
    async def look() -> str | None:
        return next((text_of(m) for m in await demo.control.ephemerals(ROOM_ID) if containing in text_of(m)), None)

    return str(await demo.control.until(look, within_s=30.0))


async def state(demo: Demo, proposal: Proposal, *wanted: ProposalState, within_s: float = 60.0) -> Proposal:
    async def look() -> Proposal | None:
        now = await demo.app.store.proposal(proposal.id)
        return now if now.state in wanted else None

    found: Proposal = await demo.control.until(look, within_s=within_s)
    return found


def version_of(demo: Demo) -> str:
    return str(demo.world.cluster.workloads["payment-service"].current.version)


async def in_thread(demo: Demo, card: Json, containing: str) -> str:
    async def look() -> str | None:
        thread = await demo.control.messages(ROOM, thread_ts=card["thread_ts"])
        return next((text_of(m) for m in thread if containing in text_of(m)), None)

    return str(await demo.control.until(look, within_s=60.0))


async def test_a_click_undoes_the_bad_release_and_the_symptom_goes(demo: Demo) -> None:
    message, proposal = await proposed(demo)
    shown = text_of(message)
    bad = version_of(demo)
    assert "Roll back payment-service to revision" in shown
    assert f"{bad} → " in shown.replace("payment-service:", "") or bad in shown
    assert "a responder of squad payment, not ada" in shown

    # Whoever asked may not approve it, and is told who may.
    assert (await demo.control.click(ADA, message, "prop_approve"))["error"] is None
    assert "somebody else has to approve it: a responder of squad payment" in await whisper(demo, "somebody else")
    assert version_of(demo) == bad

    assert (await demo.control.click(BEN, message, "prop_approve"))["error"] is None
    await whisper(demo, "Approved. It is carried out now.")
    began = await state(demo, proposal, ProposalState.VERIFYING, ProposalState.SUCCEEDED)
    assert version_of(demo) != bad, "the release is undone in the cluster"
    assert began.sends == 1
    assert "ben approved" in await in_thread(demo, message, "ben approved")

    done = await state(demo, proposal, ProposalState.SUCCEEDED, ProposalState.FAILED, within_s=600.0)
    assert done.state is ProposalState.SUCCEEDED, done.outcome_text
    assert done.recovery_s is not None
    assert "It worked" in await in_thread(demo, message, "It worked")
    assert await demo.app.store.broken_links() == []


async def test_a_target_that_was_changed_meanwhile_is_left_alone(demo: Demo) -> None:
    message, proposal = await proposed(demo)
    workload = demo.world.cluster.workloads["payment-service"]
    demo.world.cluster.scale(workload, 6, demo.world.clock())
    bad = version_of(demo)
    await demo.control.click(BEN, message, "prop_approve")
    done = await state(demo, proposal, ProposalState.SUPERSEDED)
    assert "changed" in done.reason
    assert done.sends == 0
    assert version_of(demo) == bad


async def test_reject_asks_why_and_keeps_it(demo: Demo) -> None:
    message, proposal = await proposed(demo)
    await demo.control.click(BEN, message, "prop_reject")

    async def form() -> Any:
        return (await demo.control.read("state"))["modals"].get("U0BEN000001")

    await demo.control.until(form)
    await demo.control.submit(BEN, {"why": {"why": {"type": "plain_text_input", "value": "the new version is needed"}}})
    done = await state(demo, proposal, ProposalState.REJECTED)
    assert done.reason == "the new version is needed"
    again = await demo.control.click(BEN, message, "prop_approve", as_seen=True)
    assert again["error"] is None
    assert "rejected" in await whisper(demo, "takes no more decisions")
