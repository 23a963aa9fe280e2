"""In front of Bolt: full, slow, failing and doubled deliveries."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest

from bot.slack.receiver.dispatch import FULL, SLOW, Answer, Receiver


class Door:
    """A Bolt app whose one listener counts, and waits until it is let go."""

    def __init__(self) -> None:
        async def authorize(**_: Any) -> AuthorizeResult:
            return AuthorizeResult(enterprise_id=None, team_id="T1", bot_token="xoxb-1")

        self.app = AsyncApp(authorize=authorize, process_before_response=True, request_verification_enabled=False)
        self.open = asyncio.Event()
        self.ran = 0
        self.fails = 0
        self.app.command("/x")(self.listen)
        self.app.event("app_mention")(self.listen)

    async def listen(self, ack: AsyncAck) -> None:
        self.ran += 1
        await self.open.wait()
        if self.fails:
            self.fails -= 1
            raise RuntimeError("boom")
        await ack()


def command(trigger: str) -> AsyncBoltRequest:
    body = {"command": "/x", "team_id": "T1", "user_id": "U1", "trigger_id": trigger}
    return AsyncBoltRequest(mode="socket_mode", body=body)


def mention(event_id: str) -> AsyncBoltRequest:
    event = {"type": "app_mention", "user": "U1", "text": "x", "ts": "1.1", "channel": "C1"}
    body = {"type": "event_callback", "event_id": event_id, "team_id": "T1", "event": event}
    return AsyncBoltRequest(mode="socket_mode", body=body)


async def test_the_same_delivery_at_once_runs_once_and_all_get_the_answer() -> None:
    door = Door()
    receiver = Receiver(door.app, max_in_flight=10)
    taking = [asyncio.create_task(receiver.take(mention("Ev1"))) for _ in range(5)]
    await asyncio.sleep(0)
    door.open.set()
    assert {a.status for a in await asyncio.gather(*taking)} == {200}
    assert (await receiver.take(mention("Ev1"))).status == 200
    assert door.ran == 1


async def test_a_failed_delivery_may_come_again() -> None:
    door = Door()
    door.open.set()
    door.fails = 1
    receiver = Receiver(door.app, max_in_flight=10)
    assert (await receiver.take(mention("Ev1"))).status == 500
    assert (await receiver.take(mention("Ev1"))).status == 200
    assert door.ran == 2


async def test_when_full_people_are_told_and_slack_is_asked_to_come_again() -> None:
    door = Door()
    receiver = Receiver(door.app, max_in_flight=2)
    busy = [asyncio.create_task(receiver.take(mention(f"Ev{n}"))) for n in range(2)]
    await asyncio.sleep(0)
    refused = await receiver.take(mention("Ev9"))
    assert (refused.status, refused.headers) == (503, {"retry-after": "1"})
    told = await receiver.take(command("1.9"))
    assert told.status == 200
    assert told.payload == {"response_type": "ephemeral", "text": FULL}
    door.open.set()
    await asyncio.gather(*busy)
    assert (await receiver.take(mention("Ev9"))).status == 200


async def test_what_takes_too_long_is_not_acknowledged_as_done() -> None:
    door = Door()
    receiver = Receiver(door.app, max_in_flight=10, deadline_s=0.02)
    assert (await receiver.take(mention("Ev1"))).status == 503
    assert json.loads((await receiver.take(command("1.1"))).body)["text"] == SLOW
    door.open.set()
    await receiver.drain(1.0)
    assert (await receiver.take(mention("Ev1"))).status == 200
    assert door.ran == 2


def test_an_answer_over_a_socket() -> None:
    assert Answer(200).payload is None
    assert Answer(200, "hi").payload == {"text": "hi"}
    assert Answer(200, '{"a": 1}', {"content-type": "application/json;charset=utf-8"}).payload == {"a": 1}
