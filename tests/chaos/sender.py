"""Slack's side of HTTP delivery from a process of its own: signed, open loop, timed by its own clock.

`python -m tests.chaos.sender ORDER` (JSON) sends by a fixed timetable, whatever the answers are, and prints what
became of every delivery. A late start counts: latency runs from the moment a delivery was due.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel

from bot.domain.ids import derived_id

CHANNEL, TEAM, BOT = "C0PAYINC001", "T0ACMESIM01", "U0INQUEST01"
PEOPLE = ("U0ADA000001", "U0BEN000001", "U0CHLOE0001", "U0DANA00001")


class Order(BaseModel):
    """`per_s` deliveries a second for `seconds`, to `urls` in turn; every `click_every`th is a click (0: none).

    `copies`: send each so many times, shuffled, at once; then the timetable does not count.
    """

    urls: list[str]
    secret: str
    per_s: float = 10.0
    seconds: float = 1.0
    click_every: int = 0
    copies: int = 1
    count: int = 0
    at_once: int = 64
    prefix: str = "Ev"
    seed: int = 1
    clicks_on: list[str] = []
    warm: int = 0


@dataclass
class Delivery:
    """One thing Slack has to say."""

    id: str
    kind: str
    body: bytes
    content_type: str


def mention(name: str, *, number: int = 0, text: str | None = None) -> Delivery:
    """Somebody mentions the bot in a channel."""
    words = text or f"why is checkout slow? case-{number:06d}"
    event = {
        "type": "app_mention", "user": PEOPLE[number % 4], "text": f"<@{BOT}> {words}", "channel": CHANNEL,
        "ts": f"17{number:08d}.000100", "event_ts": f"17{number:08d}.000100", "team": TEAM,
    }  # fmt: skip
    authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": BOT, "is_bot": True}
    body = {
        "token": "t", "team_id": TEAM, "api_app_id": "A0INQUEST01", "event": event, "type": "event_callback",
        "event_id": name, "event_time": 1_700_000_000, "authorizations": [authorization],
    }  # fmt: skip
    return Delivery(f"event/{name}", "mention", json.dumps(body).encode(), "application/json")


def click(name: str, investigation_id: str, *, action: str = "inv_helpful", number: int = 0) -> Delivery:
    """Somebody presses a button of a card."""
    payload = {
        "type": "block_actions", "user": {"id": PEOPLE[number % 4], "team_id": TEAM}, "team": {"id": TEAM},
        "api_app_id": "A0INQUEST01", "trigger_id": name, "channel": {"id": CHANNEL},
        "container": {"type": "message", "channel_id": CHANNEL, "message_ts": "1700000000.000100"},
        "message": {"ts": "1700000000.000100"},
        "actions": [{"action_id": action, "block_id": "b", "type": "button", "value": investigation_id,
                     "action_ts": "1700000000.1"}],
    }  # fmt: skip
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return Delivery(f"trigger/{name}", "click", body, "application/x-www-form-urlencoded")


def signed(delivery: Delivery, secret: str) -> dict[str, str]:
    """The headers of a delivery signed now."""
    stamp = str(int(time.time()))
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + delivery.body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": delivery.content_type,
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={mac}",
    }


def opened_by(delivery: Delivery) -> str:
    """The id of the investigation that a mention opens."""
    return derived_id("inv", delivery.id)


class Sender:
    """Sends deliveries and keeps what came of each."""

    def __init__(self, session: aiohttp.ClientSession, order: Order) -> None:
        self._session, self._order = session, order
        self._random = random.Random(order.seed)
        self.opened = list(order.clicks_on)
        self.results: list[dict[str, Any]] = []

    async def send_planned(self, planned: Delivery, *, to: int, due: float) -> None:
        """A click goes to a card that can be there: to an investigation whose mention was acknowledged."""
        one = planned
        if planned.kind == "click":
            number = int(planned.body)
            name = f"{self._order.prefix}c{number}"
            target = self._random.choice(self.opened) if self.opened else None
            one = click(name, target, number=number) if target else mention(name, number=number)
        await self.send(one, to=to, due=due)

    async def send(self, delivery: Delivery, *, to: int, due: float) -> None:
        url = self._order.urls[to % len(self._order.urls)] + "/slack/events"
        try:
            async with self._session.post(url, data=delivery.body, headers=signed(delivery, self._order.secret)) as got:
                await got.read()
                status = got.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            status = -1 if isinstance(error, TimeoutError) else -2
        if status == 200 and delivery.kind == "mention":
            self.opened.append(opened_by(delivery))
        ms = 1000 * (time.perf_counter() - due)
        self.results.append({"id": delivery.id, "kind": delivery.kind, "status": status, "ms": round(ms, 2)})


def timetable(order: Order) -> list[Delivery]:
    """What is sent, in order. A click carries its number only; where it goes is seen when it is due."""
    total = order.count or int(order.per_s * order.seconds)
    return [
        Delivery("", "click", str(n).encode(), "")
        if order.click_every and n % order.click_every == 0
        else mention(f"{order.prefix}{n}", number=n)
        for n in range(total)
    ]


async def open_loop(sender: Sender, deliveries: list[Delivery], *, per_s: float) -> None:
    """Each at its time, whether or not the earlier ones were answered."""
    tasks: list[asyncio.Task[None]] = []
    began = time.perf_counter() + 0.05
    for n, delivery in enumerate(deliveries):
        due = began + n / per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(sender.send_planned(delivery, to=n, due=due)))
    await asyncio.gather(*tasks)


async def shuffled(sender: Sender, deliveries: list[Delivery], order: Order) -> None:
    """Each `copies` times in random order, to random addresses, `at_once` under way."""
    random_ = random.Random(order.seed)
    every = [one for one in deliveries for _ in range(order.copies)]
    random_.shuffle(every)
    left = iter([(one, random_.randrange(len(order.urls))) for one in every])

    async def lane() -> None:
        for one, to in left:
            for _ in range(20):  # as Slack does after anything but a 200, only sooner
                await sender.send(one, to=to, due=time.perf_counter())
                if sender.results[-1]["status"] != 503:
                    break
                await asyncio.sleep(0.2)

    await asyncio.gather(*(lane() for _ in range(order.at_once)))


async def main(order: Order) -> None:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        warm = Sender(session, order)
        for n in range(order.warm):
            await warm.send(mention(f"{order.prefix}w{n}", number=n), to=n, due=time.perf_counter())
        sender, deliveries = Sender(session, order), timetable(order)
        if order.copies > 1:
            await shuffled(sender, deliveries, order)
        else:
            await open_loop(sender, deliveries, per_s=order.per_s)
    print(json.dumps(sender.results))


if __name__ == "__main__":
    asyncio.run(main(Order.model_validate_json(sys.argv[1])))
