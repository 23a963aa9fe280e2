"""Clicks whose values were forged: a button that Slack shows is an offer, never a permission."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.demo.workspace.config import BEN as BEN_ID
from bot.demo.workspace.config import CHLOE as CHLOE_ID
from bot.domain.access import Principal, PrincipalKind, Squad
from bot.domain.events import EventKind, NewEvent
from bot.domain.remediation import Proposal, ProposalState, Target, digest_of, event_payload, proposal_stream
from bot.domain.states import Risk
from bot.services.approvals import Decisions, button_value
from bot.services.policy import AccessFile, GivenRoles, Roles
from bot.slack.ports import Extras
from connectors.model import SystemClock, ToolCall
from tests.slack.conftest import ADA, BEN, ROOM, Scene, text_of
from tests.support.slack_control import Json

CHLOE, GUS = "chloe", "gus"
TARGET = Target(name="deployment shop/payment-service", uid="uid-1", version="7")
ASKER = Principal(kind=PrincipalKind.PERSON, id="U0ADA000001", name="ada")


def made(proposal_id: str, investigation_id: str, *, risk: Risk = Risk.MEDIUM) -> Proposal:
    arguments = {"namespace": "shop", "name": "payment-service", "to_revision": 41, "proposal": proposal_id}
    call = ToolCall(connector="kubernetes/production", tool="rollback_workload", arguments=arguments)
    now = datetime.now(UTC)
    return Proposal(
        id=proposal_id, seq=1, investigation_id=investigation_id, title=f"Roll back for {proposal_id}", risk=risk,
        call=call, target=TARGET, diff="image: 2 → 1", requester=ASKER, squad="payment", service="payment-service",
        evidence=("ev_1",), token=secrets.token_hex(16), digest=digest_of(call, TARGET, "image: 2 → 1", ("ev_1",)),
        made_at=now, updated_at=now, expires_at=now + timedelta(minutes=15),
    )  # fmt: skip


async def proposed(scene: Scene, *, risk: Risk = Risk.MEDIUM) -> tuple[Json, Proposal, Proposal]:
    """The message of one proposal, that proposal, and another one that stands in another channel."""
    squads = (Squad(name="payment", members=(BEN_ID, CHLOE_ID), lead=CHLOE_ID),)
    access = AccessFile(roles=GivenRoles(responder=(BEN_ID,)))
    decisions = Decisions(
        store=scene.store, roles=Roles(store=scene.store, access=access, squads=squads), clock=SystemClock()
    )
    scene.extras = Extras(proposals=decisions)
    await scene.start()
    await scene.control.command(ADA, "platform-incidents", "/investigate", "why is the queue full?")
    elsewhere = (await scene.store.investigations(limit=1))[0].id
    teller = await scene.asked()
    shown, hidden = made("prop_shown", teller.id, risk=risk), made("prop_hidden", elsewhere, risk=risk)
    for one in (shown, hidden):
        event = NewEvent(
            kind=EventKind.PROPOSAL_MADE, actor="system:worker", at=one.made_at, payload=event_payload(one)
        )
        await scene.store.append(proposal_stream(one.id), expected_seq=0, events=[event])
    card = await scene.card()

    async def look() -> Json | None:
        thread = await scene.control.messages(ROOM, thread_ts=card["ts"])
        return next((m for m in thread if "Roll back for prop_shown" in text_of(m)), None)

    async def posted() -> bool:
        return any(row.ts for row in await scene.store.posted(f"investigation/{elsewhere}"))

    await scene.control.until(posted)
    return await scene.control.until(look), await scene.store.proposal(shown.id), await scene.store.proposal(hidden.id)


async def states(scene: Scene) -> list[ProposalState]:
    return [(await scene.store.proposal(name)).state for name in ("prop_shown", "prop_hidden")]


FORGED: dict[str, Any] = {
    "another token": lambda shown, hidden: f"{shown.id}.{'f' * 32}",
    "the token of another": lambda shown, hidden: f"{shown.id}.{hidden.token}",
    "no token": lambda shown, hidden: shown.id,
    "an empty token": lambda shown, hidden: f"{shown.id}.",
    "a longer token": lambda shown, hidden: f"{button_value(shown)}0",
    "no such proposal": lambda shown, hidden: f"prop_none.{shown.token}",
    "not shown in this channel": lambda shown, hidden: button_value(hidden),
    "words": lambda shown, hidden: "approve everything",
    "nothing": lambda shown, hidden: "",
    "no text": lambda shown, hidden: None,
    "a list": lambda shown, hidden: [button_value(shown)],
    "megabytes": lambda shown, hidden: "x" * 300_000,
    "a stream": lambda shown, hidden: f"../access.{shown.token}",
}


@pytest.mark.parametrize("what", FORGED)
async def test_a_forged_value_approves_nothing(scene: Scene, what: str) -> None:
    message, shown, hidden = await proposed(scene)
    forged = {"value": FORGED[what](shown, hidden)}
    answer = await scene.control.click(BEN, message, "prop_approve", forge=forged)
    assert answer["error"] is None, "a forgery is answered, so that Slack does not deliver it again"

    async def told() -> bool:
        return bool(await scene.control.ephemerals(scene.room_id))

    await scene.control.until(told)
    assert await states(scene) == [ProposalState.PROPOSED, ProposalState.PROPOSED]
    assert not (await scene.store.proposal(shown.id)).approvals


async def test_the_true_value_counts_for_whom_it_may_and_for_nobody_else(scene: Scene) -> None:
    message, shown, _ = await proposed(scene)
    for user in (ADA, GUS):  # the asker, a guest
        await scene.control.click(user, message, "prop_approve", forge={"value": button_value(shown)})
    assert not (await scene.store.proposal(shown.id)).approvals
    await scene.control.click(BEN, message, "prop_approve")
    approvals = (await scene.store.proposal(shown.id)).approvals
    assert [one.principal_id for one in approvals] == [BEN_ID]


async def test_an_action_that_the_message_does_not_offer_is_judged_the_same(scene: Scene) -> None:
    message, shown, _ = await proposed(scene)
    forged = {"action_id": "prop_approve", "value": f"{shown.id}.{'0' * 32}"}
    await scene.control.click(BEN, message, "prop_details", forge=forged)
    forged = {"action_id": "no_such_action", "value": button_value(shown)}
    assert (await scene.control.click(BEN, message, "prop_details", forge=forged))["error"] is None
    assert await states(scene) == [ProposalState.PROPOSED, ProposalState.PROPOSED]


@pytest.mark.parametrize(
    "kept", ['{"id": "prop_shown.%s", "channel": "C0PAYINC001"}', '{"id": 7}', "[]", "not JSON", ""]
)
async def test_a_forged_form_approves_nothing(scene: Scene, kept: str) -> None:
    message, _, _ = await proposed(scene, risk=Risk.HIGH)
    await scene.control.click(CHLOE, message, "prop_approve")

    async def form() -> Any:
        return (await scene.control.read("state"))["modals"].get(CHLOE_ID)

    await scene.control.until(form)
    forged = {"private_metadata": kept.replace("%s", "f" * 32)}
    assert (await scene.control.submit(CHLOE, forge=forged))["error"] is None
    assert await states(scene) == [ProposalState.PROPOSED, ProposalState.PROPOSED]
