"""The Web API as a bot uses it, through Slack's own client."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.workspace import Workspace
from tests.support.slack_control import SlackControl

ROOM = "C0PAYINC001"
MODAL: dict[str, Any] = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "M"},
    "blocks": [{"type": "divider"}],
}


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_authentication_names_slacks_errors(workspace: Workspace, client: AsyncWebClient) -> None:
    assert (await client.auth_test())["user_id"] == "U0INQUEST01"
    stranger = AsyncWebClient(token="xoxb-wrong", base_url=workspace.api_url)
    assert await refused(stranger.auth_test()) == "invalid_auth"
    assert await refused(AsyncWebClient(base_url=workspace.api_url).auth_test()) == "not_authed"
    assert await refused(client.apps_connections_open(app_token=workspace.bot_token)) == "not_allowed_token_type"
    assert await refused(client.api_call("chat.shout")) == "unknown_method"


async def test_missing_scope_says_what_is_needed_and_what_is_there(
    client: AsyncWebClient, control: SlackControl
) -> None:
    await control.do("scopes", {"remove": ["users:read"]})
    with pytest.raises(SlackApiError) as caught:
        await client.users_info(user="U0ADA000001")
    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "users:read"
    assert "chat:write" in caught.value.response["provided"]


async def test_channels_the_bot_cannot_use(client: AsyncWebClient, control: SlackControl) -> None:
    assert await refused(client.chat_postMessage(channel="C404", text="x")) == "channel_not_found"
    await control.do("members", {"channel": "general", "remove": ["inquest"]})
    assert await refused(client.chat_postMessage(channel="C0GENERAL01", text="x")) == "not_in_channel"
    await client.conversations_join(channel="C0GENERAL01")
    await client.chat_postMessage(channel="C0GENERAL01", text="x")


async def test_metadata_is_kept_and_returned_only_on_demand(client: AsyncWebClient) -> None:
    meta = {"event_type": "inquest", "event_payload": {"id": "ev_1"}}
    posted = await client.chat_postMessage(channel=ROOM, text="x", metadata=meta)
    plain = await client.conversations_history(channel=ROOM)
    assert "metadata" not in plain["messages"][0]
    full = await client.conversations_history(channel=ROOM, include_all_metadata=True)
    assert full["messages"][0]["metadata"] == meta
    await client.chat_update(channel=ROOM, ts=posted["ts"], text="y")
    again = await client.conversations_history(channel=ROOM, include_all_metadata=True)
    assert (again["messages"][0]["text"], again["messages"][0]["metadata"]) == ("y", meta)
    assert (
        await refused(client.chat_postMessage(channel=ROOM, text="x", metadata={"a": 1})) == "invalid_metadata_format"
    )


async def test_reply_to_a_missing_parent_becomes_top_level(client: AsyncWebClient, control: SlackControl) -> None:
    lost = await client.chat_postMessage(channel=ROOM, text="x", thread_ts="1700000000.000001")
    assert "thread_ts" not in lost["message"]
    parent = await client.chat_postMessage(channel=ROOM, text="parent")
    reply = await client.chat_postMessage(channel=ROOM, text="reply", thread_ts=parent["ts"])
    assert reply["message"]["thread_ts"] == parent["ts"]
    await control.do("forget", {"channel": ROOM, "ts": parent["ts"]})
    assert "thread_ts" not in (await client.chat_postMessage(channel=ROOM, text="z", thread_ts=parent["ts"]))["message"]


async def test_history_has_no_replies_and_pages(client: AsyncWebClient) -> None:
    parent = await client.chat_postMessage(channel=ROOM, text="0")
    for number in range(1, 4):
        await client.chat_postMessage(channel=ROOM, text=str(number), thread_ts=parent["ts"])
    await client.chat_postMessage(channel=ROOM, text="newest")
    first = await client.conversations_history(channel=ROOM, limit=1)
    assert ([m["text"] for m in first["messages"]], first["has_more"]) == (["newest"], True)
    cursor = first["response_metadata"]["next_cursor"]
    rest = await client.conversations_history(channel=ROOM, limit=1, cursor=cursor)
    assert (rest["messages"][0]["text"], rest["messages"][0]["reply_count"], rest["has_more"]) == ("0", 3, False)
    thread = await client.conversations_replies(channel=ROOM, ts=parent["ts"])
    assert [m["text"] for m in thread["messages"]] == ["0", "1", "2", "3"]
    assert await refused(client.conversations_replies(channel=ROOM, ts="1.1")) == "thread_not_found"


async def test_update_and_delete_are_for_own_messages(client: AsyncWebClient, control: SlackControl) -> None:
    said = await control.say("ada", ROOM, "mine")
    assert await refused(client.chat_update(channel=ROOM, ts=said["ts"], text="x")) == "cant_update_message"
    assert await refused(client.chat_delete(channel=ROOM, ts=said["ts"])) == "cant_delete_message"
    assert await refused(client.chat_update(channel=ROOM, ts="1.1", text="x")) == "message_not_found"
    own = await client.chat_postMessage(channel=ROOM, text="x", blocks=[{"type": "divider"}])
    assert await refused(client.chat_update(channel=ROOM, ts=own["ts"], text="x" * 4_001)) == "msg_too_long"
    kept = await client.chat_update(channel=ROOM, ts=own["ts"], text="y")
    assert [b["type"] for b in kept["message"]["blocks"]] == ["divider"]
    assert await refused(client.chat_postMessage(channel=ROOM, text="")) == "no_text"


async def test_an_outage_can_lose_the_answer_after_the_message_did_post(
    client: AsyncWebClient, control: SlackControl
) -> None:
    await control.do("outage", {"mode": "error", "after": True, "methods": ["chat.postMessage"], "times": 1})
    assert await refused(client.chat_postMessage(channel=ROOM, text="once")) == "internal_error"
    assert [m["text"] for m in await control.messages(ROOM)] == ["once"]
    await control.do("outage", {"mode": "status", "status": 503, "times": 1})
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=ROOM, text="never")
    hanging = AsyncWebClient(token=client.token, base_url=client.base_url, timeout=1, retry_handlers=[])
    await control.do("outage", {"mode": "hang", "methods": ["auth.test"]})
    with pytest.raises((asyncio.TimeoutError, aiohttp.ClientError)):
        await hanging.auth_test()
    await control.do("outage", {"clear": True})
    assert (await client.auth_test())["ok"]
    assert len(await control.messages(ROOM)) == 1


async def test_views_need_a_fresh_trigger_and_the_right_hash(
    workspace: Workspace, client: AsyncWebClient, control: SlackControl
) -> None:
    trigger = workspace.core.state.new_trigger("U0ADA000001")
    assert await refused(client.views_open(trigger_id="1.2.3", view=MODAL)) == "invalid_trigger_id"
    opened = await client.views_open(trigger_id=trigger, view={**MODAL, "external_id": "e1"})
    assert await refused(client.views_open(trigger_id=trigger, view=MODAL)) == "exchanged_trigger_id"
    old = workspace.core.state.new_trigger("U0ADA000001")
    workspace.core.state.triggers[old].born_s -= 3.1
    assert await refused(client.views_open(trigger_id=old, view=MODAL)) == "expired_trigger_id"
    updated = await client.views_update(external_id="e1", hash=opened["view"]["hash"], view=MODAL)
    assert updated["view"]["id"] == opened["view"]["id"]
    stale = client.views_update(view_id=opened["view"]["id"], hash=opened["view"]["hash"], view=MODAL)
    assert await refused(stale) == "hash_conflict"
    home = await client.views_publish(user_id="U0ADA000001", view={"type": "home", "blocks": [{"type": "divider"}]})
    assert (await control.do("home", {"user": "ada"}))["view"]["id"] == home["view"]["id"]


async def test_a_response_url_works_five_times(
    workspace: Workspace, control: SlackControl, client: AsyncWebClient
) -> None:
    token = workspace.core.state.new_response_url(ROOM, "U0ADA000001").token
    statuses = []
    async with aiohttp.ClientSession() as session:
        for number in range(6):
            address = f"{workspace.url}/response/{token}"
            async with session.post(address, json={"text": str(number)}) as response:
                statuses.append(response.status)
    assert statuses == [200] * 5 + [404]
    assert [m["text"] for m in await control.ephemerals(ROOM)] == ["0", "1", "2", "3", "4"]


async def test_files_are_uploaded_in_two_steps_and_shared(client: AsyncWebClient, control: SlackControl) -> None:
    parent = await client.chat_postMessage(channel=ROOM, text="x")
    png = b"\x89PNG\r\n\x1a\n" + b"0" * 64
    done = await client.files_upload_v2(
        filename="chart.png", content=png, title="Latency", channel=ROOM, thread_ts=parent["ts"]
    )
    shared = (await control.messages(ROOM, thread_ts=parent["ts"]))[1]
    assert (shared["files"][0]["title"], shared["subtype"]) == ("Latency", "file_share")
    image = {"type": "image", "alt_text": "a chart", "slack_file": {"id": done["file"]["id"]}}
    assert (await client.chat_postMessage(channel=ROOM, text="x", blocks=[image]))["ok"]
    assert await refused(client.files_info(file="F404")) == "file_not_found"


async def test_ephemerals_need_a_member(client: AsyncWebClient, control: SlackControl) -> None:
    await client.chat_postEphemeral(channel=ROOM, user="U0GUS000001", text="for you")
    assert [m["to"] for m in await control.ephemerals(ROOM)] == ["U0GUS000001"]
    outside = client.chat_postEphemeral(channel="C0PLTINC001", user="U0GUS000001", text="x")
    assert await refused(outside) == "user_not_in_channel"


async def test_control_api_refuses_other_sites(workspace: Workspace) -> None:
    async with aiohttp.ClientSession() as session:
        say = f"{workspace.url}/control/say"
        async with session.post(say, data={"user": "ada"}) as form:
            assert form.status == 415
        async with session.post(say, json={}, headers={"Origin": "https://evil.example"}) as foreign:
            assert foreign.status == 403
        async with session.get(workspace.url, headers={"Host": "evil.example"}) as rebound:
            assert rebound.status == 403
