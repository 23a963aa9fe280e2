"""Rate tiers with Retry-After and the ledger of violations; streamed messages."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.models.messages.chunk import MarkdownTextChunk, PlanUpdateChunk, TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.workspace import Workspace
from tests.support.slack_control import SlackControl

ROOM = "C0PAYINC001"


async def raw(workspace: Workspace, method: str) -> tuple[int, str | None]:
    headers = {"Authorization": f"Bearer {workspace.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{workspace.api_url}{method}", headers=headers, data={"channel": ROOM, "text": "x"}) as response,
    ):
        return response.status, response.headers.get("Retry-After")


async def test_tier_2_admits_twenty_a_minute_and_notes_who_does_not_wait(
    workspace: Workspace, control: SlackControl
) -> None:
    await control.do("clock", {"scale": 1})
    await control.do("tiers", {"on": True})
    answers = [await raw(workspace, "conversations.list") for _ in range(22)]
    assert [status for status, _ in answers] == [200] * 20 + [429] * 2
    assert 55 <= int(answers[20][1] or 0) <= 60
    calls = await control.calls("conversations.list")
    assert [c["violation"] for c in calls[19:]] == [False, False, True]
    assert (await control.read("ledger", {"tally": "1"}))["tally"]["violations"] == 1
    assert (await raw(workspace, "users.list"))[0] == 200


async def test_posting_is_limited_per_channel(workspace: Workspace, control: SlackControl) -> None:
    await control.do("clock", {"scale": 1})
    await control.do("tiers", {"on": True})
    answers = [(await raw(workspace, "chat.postMessage"))[0] for _ in range(5)]
    assert answers == [200] * 4 + [429]


async def test_a_client_that_waits_gets_through_on_the_scaled_clock(
    workspace: Workspace, control: SlackControl
) -> None:
    await control.do("tiers", {"on": True, "overrides": {"chat.update": 1}})
    patient = AsyncWebClient(
        token=workspace.bot_token,
        base_url=workspace.api_url,
        retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=1)],
    )
    posted = await patient.chat_postMessage(channel=ROOM, text="x")
    for number in range(2):
        await patient.chat_update(channel=ROOM, ts=posted["ts"], text=str(number))
    calls = await control.calls("chat.update")
    assert [c["status"] for c in calls] == [200, 429, 200]
    assert not any(c["violation"] for c in calls)


async def started(client: AsyncWebClient, **more: Any) -> tuple[str, str]:
    parent = str((await client.chat_postMessage(channel=ROOM, text="parent"))["ts"])
    answer = await client.chat_startStream(
        channel=ROOM, thread_ts=parent, recipient_user_id="U0ADA000001", recipient_team_id="T0ACMESIM01", **more
    )
    return parent, str(answer["ts"])


async def test_stream_draws_a_plan_then_text(client: AsyncWebClient, control: SlackControl) -> None:
    parent, ts = await started(client, task_display_mode="plan", chunks=[PlanUpdateChunk(title="Looking")])
    update = TaskUpdateChunk(id="1", title="Prometheus", status="in_progress")
    await client.chat_appendStream(channel=ROOM, ts=ts, chunks=[update, MarkdownTextChunk(text="**So** ")])
    done = TaskUpdateChunk(id="1", title="Prometheus", status="complete", output="8×")
    await client.chat_appendStream(channel=ROOM, ts=ts, chunks=[done, MarkdownTextChunk(text="far")])
    drawn = (await control.messages(ROOM, thread_ts=parent))[1]
    assert drawn["is_streaming"]
    plan, text = drawn["blocks"]
    assert (plan["title"], [t["status"] for t in plan["tasks"]]) == ("Looking", ["complete"])
    assert text["text"] == "**So** far"
    await client.chat_stopStream(channel=ROOM, ts=ts, blocks=[{"type": "divider"}])
    final = (await control.messages(ROOM, thread_ts=parent))[1]
    assert [b["type"] for b in final["blocks"]] == ["plan", "markdown", "divider"]
    with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
        await client.chat_appendStream(channel=ROOM, ts=ts, markdown_text="more")


async def test_stream_in_a_channel_needs_its_recipient(client: AsyncWebClient) -> None:
    parent = (await client.chat_postMessage(channel=ROOM, text="parent"))["ts"]
    with pytest.raises(SlackApiError, match="missing_recipient_team_id"):
        await client.chat_startStream(channel=ROOM, thread_ts=parent)
    with pytest.raises(SlackApiError, match="missing_recipient_user_id"):
        await client.chat_startStream(channel=ROOM, thread_ts=parent, recipient_team_id="T0ACMESIM01")


async def test_stream_refuses_wrong_status_and_too_much_text(client: AsyncWebClient) -> None:
    _, ts = await started(client)
    wrong = {"type": "task_update", "id": "1", "title": "t", "status": "completed"}
    with pytest.raises(SlackApiError, match="invalid_chunks"):
        await client.chat_appendStream(channel=ROOM, ts=ts, chunks=[wrong])
    with pytest.raises(SlackApiError, match="msg_too_long"):
        await client.chat_appendStream(channel=ROOM, ts=ts, markdown_text="x" * 12_001)
    await client.chat_appendStream(channel=ROOM, ts=ts, markdown_text="x" * 12_000)
