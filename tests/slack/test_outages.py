"""A click while Slack's own methods fail: it counts, once, and shows as soon as Slack can be spoken to again."""

from __future__ import annotations

from bot.demo.workspace.config import BEN as BEN_ID
from bot.domain.remediation import ProposalState
from tests.slack.conftest import BEN, ROOM, Scene, text_of
from tests.slack.test_forged_clicks import proposed
from tests.support.slack_control import Json


async def test_an_approval_counts_while_slack_cannot_be_written_to(scene: Scene) -> None:
    message, shown, _ = await proposed(scene)
    for method in ("chat.update", "chat.postMessage", "chat.postEphemeral"):
        await scene.control.do("outage", {"mode": "status", "methods": [method], "status": 503})
    assert (await scene.control.click(BEN, message, "prop_approve"))["error"] is None
    now = await scene.store.proposal(shown.id)
    assert (now.state, [one.principal_id for one in now.approvals]) == (ProposalState.APPROVED, [BEN_ID])
    again = await scene.control.click(BEN, message, "prop_approve", as_seen=True)
    assert again["error"] is None
    assert len((await scene.store.proposal(shown.id)).approvals) == 1
    await scene.control.do("outage", {"clear": True})

    async def told() -> Json | None:
        thread = await scene.control.messages(ROOM, thread_ts=message["thread_ts"])
        return next((m for m in thread if "ben approved" in text_of(m)), None)

    await scene.control.until(told)
