"""A real Bolt app over Socket Mode against the loopback workspace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.workspace import Workspace
from tests.support.slack_control import SlackControl

ROOM = "payments-incidents"
BUTTONS = [
    {
        "type": "actions",
        "block_id": "choices",
        "elements": [
            {"type": "button", "action_id": "go", "value": "42", "text": {"type": "plain_text", "text": "Go"}}
        ],
    }
]


async def test_command_is_acked_with_a_message_only_the_caller_sees(connected: AsyncApp, control: SlackControl) -> None:
    @connected.command("/investigate")
    async def on_command(ack: Any, command: Any) -> None:
        await ack(f"On it: {command['text']}")

    answer = await control.command("ada", ROOM, "/investigate", "why?")
    assert answer["error"] is None
    [shown] = await control.ephemerals(ROOM)
    assert (shown["text"], shown["to"]) == ("On it: why?", "U0ADA000001")
    assert (await control.deliveries())[-1]["outcome"] == "acked"


async def test_unanswered_command_is_an_error_the_person_sees(connected: AsyncApp, control: SlackControl) -> None:
    @connected.command("/ask")
    async def on_command(ack: Any) -> None:
        await asyncio.sleep(0.6)
        await ack("too late")

    answer = await control.command("ada", ROOM, "/ask", "anything")
    assert answer["error"] == "operation_timeout"
    assert "/ask failed" in answer["text"]

    async def late() -> bool:
        return bool((await control.deliveries())[-1]["outcome"] == "late")

    await control.until(late)


async def test_command_without_any_bot_is_unreachable(control: SlackControl) -> None:
    assert (await control.command("ada", ROOM, "/ask", "x"))["error"] == "app_unreachable"
    assert (await control.command("ada", ROOM, "/nonsense"))["error"] == "unknown_command"


async def test_mention_reaches_the_bot_and_the_reply_lands_in_the_thread(
    connected: AsyncApp, control: SlackControl
) -> None:
    @connected.event("app_mention")
    async def on_mention(event: Any, say: Any) -> None:
        await say(text="Looking.", thread_ts=event["ts"])

    @connected.event("message")
    async def on_message() -> None:
        return

    asked = await control.say("ada", ROOM, "<@U0INQUEST01> why?")

    async def answered() -> Any:
        return (await control.messages(ROOM, thread_ts=asked["ts"]))[1:]

    [reply] = await control.until(answered)
    assert reply["text"] == "Looking."
    parent = (await control.messages(ROOM, thread_ts=asked["ts"]))[0]
    assert (parent["reply_count"], parent["latest_reply"]) == (1, reply["ts"])


async def test_click_opens_a_modal_and_its_input_comes_back(
    connected: AsyncApp, control: SlackControl, client: AsyncWebClient
) -> None:
    seen: dict[str, Any] = {}
    why = {"type": "plain_text_input", "action_id": "why", "multiline": True}
    view = {
        "type": "modal",
        "callback_id": "reason",
        "private_metadata": "p1",
        "title": {"type": "plain_text", "text": "Reject"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [{"type": "input", "block_id": "b", "label": {"type": "plain_text", "text": "Why?"}, "element": why}],
    }

    @connected.action("go")
    async def on_click(ack: Any, body: Any) -> None:
        await ack()
        seen["value"] = body["actions"][0]["value"]
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    @connected.view("reason")
    async def on_submit(ack: Any, view: Any) -> None:
        text = view["state"]["values"]["b"]["why"]["value"]
        seen.setdefault("texts", []).append(text)
        if text == "no":
            await ack(response_action="errors", errors={"b": "Say more."})
        else:
            await ack()

    posted = await client.chat_postMessage(channel="C0PAYINC001", text="Go?", blocks=BUTTONS)
    card = {"channel": ROOM, "ts": posted["ts"]}
    assert (await control.click("ben", card, "go"))["error"] is None

    async def open_modal() -> Any:
        return (await control.read("state"))["modals"].get("U0BEN000001")

    await control.until(open_modal)
    refused = await control.submit("ben", {"b": {"why": {"type": "plain_text_input", "value": "no"}}})
    assert refused["errors"] == {"b": "Say more."}
    done = await control.submit("ben", {"b": {"why": {"type": "plain_text_input", "value": "because"}}})
    assert done["errors"] == {}
    assert not await open_modal()
    assert seen == {"value": "42", "texts": ["no", "because"]}


async def test_event_acked_late_is_delivered_again_with_a_reason(connected: AsyncApp, control: SlackControl) -> None:
    calls: list[str] = []

    @connected.middleware
    async def slow_first_time(req: Any, next_: Any) -> None:
        calls.append(req.headers.get("x-slack-retry-num", ["none"])[0])
        if len(calls) == 1:
            await asyncio.sleep(0.7)
        await next_()

    @connected.event("message")
    async def on_message() -> None:
        return

    await control.say("ada", "general", "hello")

    async def twice() -> Any:
        return len(await control.deliveries()) >= 2 and await control.deliveries()

    first, second = (await control.until(twice))[:2]
    assert first["event_id"] == second["event_id"]
    assert first["envelope_id"] != second["envelope_id"]
    assert (second["attempt"], second["reason"]) == (1, "timeout")


async def test_plain_bolt_repeats_its_effect_on_redelivery(connected: AsyncApp, control: SlackControl) -> None:
    """The harder check a bot without de-duplication fails: one request, delivered three times, one effect."""

    @connected.event("message")
    async def on_message(say: Any) -> None:
        await say("effect")

    await control.say("ada", "general", "once")

    async def effects() -> int:
        return sum(m["text"] == "effect" for m in await control.messages("general"))

    await control.until(effects)
    first = (await control.deliveries())[0]
    assert (await control.do("redeliver", {"delivery_id": first["delivery_id"], "times": 2}))["acked"] == 2

    async def three() -> bool:
        return await effects() == 3

    assert await control.until(three), "plain Bolt must fail this check, else the workspace is too kind"


async def test_eleventh_connection_is_refused(workspace: Workspace, client: AsyncWebClient) -> None:
    opener = AsyncWebClient(token=workspace.app_token, base_url=workspace.api_url)
    async with aiohttp.ClientSession() as session:
        kinds = []
        sockets = []
        for _ in range(11):
            address = (await opener.apps_connections_open(app_token=workspace.app_token))["url"]
            sockets.append(await session.ws_connect(address))
            kinds.append(await sockets[-1].receive_json())
        assert [k["type"] for k in kinds] == ["hello"] * 10 + ["disconnect"]
        assert kinds[-1]["reason"] == "too_many_websockets"
        assert kinds[9]["num_connections"] == 10
        for socket in sockets:
            await socket.close()


async def test_refresh_is_announced_and_the_bot_comes_back(connected: AsyncApp, control: SlackControl) -> None:
    struck = await control.do("sockets", {"action": "refresh_requested"})
    assert struck["struck"] == 1

    async def back() -> bool:
        answer = await control.do("sockets")
        return bool(answer["opened"] == 2 and len(answer["connections"]) == 1)

    await control.until(back, within_s=15)


async def test_half_open_socket_swallows_deliveries(connected: AsyncApp, control: SlackControl) -> None:
    @connected.command("/ask")
    async def on_command(ack: Any) -> None:
        await ack()

    await control.do("sockets", {"action": "half_open"})
    assert (await control.command("ada", ROOM, "/ask", "x"))["error"] == "operation_timeout"
    await control.do("sockets", {"action": "heal"})
    assert (await control.command("ada", ROOM, "/ask", "x"))["error"] is None


async def test_deaf_socket_answers_pings_but_delivers_nothing(
    workspace: Workspace, client: AsyncWebClient, control: SlackControl
) -> None:
    async with two_sockets(workspace) as (first, second):
        await control.do("sockets", {"action": "deaf", "connection": "conn-1"})
        pong = asyncio.get_running_loop().create_task(first.receive())
        await first.ping(b"are you there")
        assert (await asyncio.wait_for(pong, 2)).data == b"are you there"
        for number in range(8):
            await control.say("ada", "general", str(number))

        async def unheard() -> Any:
            return [d for d in await control.deliveries() if d["connection"] == "conn-1" and d["outcome"] == "timeout"]

        assert await control.until(unheard)
        assert (await second.receive_json(timeout=2))["type"] == "events_api"
        with pytest.raises(asyncio.TimeoutError):
            await first.receive(timeout=0.1)


async def test_envelope_on_a_dying_socket_goes_to_another_at_once(workspace: Workspace, control: SlackControl) -> None:
    async with two_sockets(workspace) as sockets:
        await control.say("ada", "general", "hello")
        reading = {asyncio.create_task(s.receive_json(timeout=5)): s for s in sockets}
        done, waiting = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop()
        await reading[first].close()
        again = await waiting.pop()
        assert again["payload"]["event_id"] == first.result()["payload"]["event_id"]
        assert (again["retry_attempt"], again["retry_reason"]) == (1, "connection_failed")


async def test_no_hello_and_refused_connections_on_command(workspace: Workspace, control: SlackControl) -> None:
    await control.do("sockets", {"action": "no_hello"})
    async with two_sockets(workspace, hello=False) as (first, _):
        with pytest.raises(asyncio.TimeoutError):
            await first.receive(timeout=0.1)
    await control.do("sockets", {"action": "deny"})
    opener = AsyncWebClient(token=workspace.app_token, base_url=workspace.api_url)
    with pytest.raises(SlackApiError, match="internal_error"):
        await opener.apps_connections_open(app_token=workspace.app_token)


@asynccontextmanager
async def two_sockets(
    workspace: Workspace, *, hello: bool = True
) -> AsyncIterator[list[aiohttp.ClientWebSocketResponse]]:
    opener = AsyncWebClient(token=workspace.app_token, base_url=workspace.api_url)
    async with aiohttp.ClientSession() as session:
        sockets = []
        for _ in range(2):
            address = (await opener.apps_connections_open(app_token=workspace.app_token))["url"]
            sockets.append(await session.ws_connect(address, autoping=False))
            if hello:
                assert (await sockets[-1].receive_json(timeout=2))["type"] == "hello"
        yield sockets
        for socket in sockets:
            await socket.close()
