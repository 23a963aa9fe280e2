"""A real Bolt app over signed HTTP against the loopback workspace, and servers that answer badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.workspace import Workspace
from tests.support.slack_control import SlackControl

ROOM = "payments-incidents"


@asynccontextmanager
async def listening(application: web.Application, path: str = "/slack/events") -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    await runner.cleanup()


def answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    application = web.Application()
    application.router.add_post("/slack/events", handler)
    return application


async def attempts(control: SlackControl, count: int) -> list[dict[str, Any]]:
    async def enough() -> Any:
        found = await control.deliveries()
        return len(found) >= count and all(d["outcome"] != "sent" for d in found) and found

    found: list[dict[str, Any]] = await control.until(enough)
    return found


async def test_bolt_accepts_command_event_and_click(
    app: AsyncApp, control: SlackControl, client: AsyncWebClient
) -> None:
    seen: list[str] = []

    @app.command("/investigate")
    async def on_command(ack: Any, command: Any) -> None:
        seen.append(command["text"])
        await ack({"response_type": "in_channel", "text": "Everybody sees this"})

    @app.event("app_mention")
    async def on_mention(event: Any) -> None:
        seen.append(event["user"])

    @app.action("go")
    async def on_click(ack: Any, body: Any, respond: Any) -> None:
        seen.append(body["message"]["metadata"]["event_type"] if "metadata" in body["message"] else "no metadata")
        await ack()
        await respond("updated", replace_original=True)

    async with listening(app.web_app("/slack/events")) as url:
        await control.do("delivery", {"request_url": url})
        assert (await control.command("ada", ROOM, "/investigate", "what & why?"))["error"] is None
        await control.say("ben", ROOM, "<@U0INQUEST01> look")
        button = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
        posted = await client.chat_postMessage(
            channel="C0PAYINC001", text="Go?", blocks=[{"type": "actions", "elements": [button]}]
        )
        assert (await control.click("ben", {"channel": ROOM, "ts": posted["ts"]}, "go"))["error"] is None

        async def updated() -> bool:
            return any(m["text"] == "updated" and m["ts"] == posted["ts"] for m in await control.messages(ROOM))

        assert await control.until(updated)
    assert sorted(seen) == ["U0BEN000001", "no metadata", "what & why?"]
    assert "Everybody sees this" in [m["text"] for m in await control.messages(ROOM)]


async def test_every_delivery_is_signed_over_its_raw_body(workspace: Workspace, control: SlackControl) -> None:
    verifier = SignatureVerifier(workspace.signing_secret)
    verdicts: list[bool] = []

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        verdicts.append(verifier.is_valid_request(body, dict(request.headers)))
        verdicts.append(not verifier.is_valid_request(body + b" ", dict(request.headers)))
        return web.Response()

    async with listening(answering(handler)) as url:
        await control.do("delivery", {"request_url": url})
        await control.say("ada", "general", "ünï=cødé&more")
        await control.command("ada", ROOM, "/ask", "a=b & ü")
        await attempts(control, 2)
    assert verdicts == [True] * 4


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (500, {}, ["http_error"] * 4),
        (404, {}, ["http_error"] * 4),
        (503, {"X-Slack-No-Retry": "1"}, ["http_error"]),
        (204, {}, ["acked"]),
    ],
)
async def test_failed_events_are_retried_three_times_unless_told_not_to(
    control: SlackControl, status: int, headers: dict[str, str], expected: list[str]
) -> None:
    retries: list[tuple[str | None, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        retries.append((request.headers.get("X-Slack-Retry-Num"), request.headers.get("X-Slack-Retry-Reason")))
        return web.Response(status=status, headers=headers)

    async with listening(answering(handler)) as url:
        await control.do("delivery", {"request_url": url})
        await control.say("ada", "general", "hello")
        found = await attempts(control, len(expected))
        await asyncio.sleep(0.05)
    assert [d["outcome"] for d in found] == expected
    assert len({d["event_id"] for d in found}) == 1
    assert retries[0] == (None, None)
    assert retries[1:] == [(str(n), "http_error") for n in range(1, len(expected))]


async def test_slow_answer_counts_as_timeout_even_when_it_comes(control: SlackControl) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0 if "X-Slack-Retry-Num" in request.headers else 0.6)
        return web.Response()

    async with listening(answering(handler)) as url:
        await control.do("delivery", {"request_url": url})
        await control.say("ada", "general", "hello")
        first, second = await attempts(control, 2)
    assert (first["outcome"], second["reason"], second["outcome"]) == ("timeout", "http_timeout", "acked")


async def test_nobody_listening_is_connection_failed(control: SlackControl) -> None:
    await control.do("delivery", {"request_url": "http://127.0.0.1:9/slack/events"})
    await control.say("ada", "general", "hello")
    assert [d["outcome"] for d in await attempts(control, 4)] == ["connection_failed"] * 4
    assert (await control.command("ada", ROOM, "/ask", "x"))["error"] == "app_unreachable"


async def test_retries_wait_as_slack_does_on_the_scaled_clock(control: SlackControl) -> None:
    """At 600 Slack seconds a second the second and third retry come after 0.1 s and 0.5 s of the wall."""
    await control.do("delivery", {"request_url": "http://127.0.0.1:9/slack/events"})
    await control.say("ada", "general", "hello")
    times = [d["sent_at"] for d in await attempts(control, 4)]
    assert times[2] - times[1] >= 0.1
    assert times[3] - times[2] >= 0.5


async def test_copies_go_to_any_of_several_addresses_with_the_same_id(control: SlackControl) -> None:
    """At least once, in any order, to any process: what de-duplication has to survive."""
    seen: list[tuple[str, str]] = []

    async def first(request: web.Request) -> web.Response:
        seen.append(("first", (await request.json())["event_id"]))
        return web.Response()

    async def second(request: web.Request) -> web.Response:
        seen.append(("second", (await request.json())["event_id"]))
        return web.Response()

    async with listening(answering(first)) as one, listening(answering(second)) as two:
        await control.do("delivery", {"request_url": [one, two], "copies": 3, "jitter_s": 0.05})
        for number in range(5):
            await control.say("ada", "general", str(number))
        await attempts(control, 20)
    counts = {event_id: sum(e == event_id for _, e in seen) for _, event_id in seen}
    assert list(counts.values()) == [4] * 5
    assert {name for name, _ in seen} == {"first", "second"}
