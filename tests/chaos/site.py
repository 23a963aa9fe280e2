"""A running installation for a trial: database, Slack, web and worker nodes, and people who keep asking."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.demo.workspace.config import BOT_USER_ID
from tests.chaos.node import Options
from tests.chaos.oracles import Verdict, judge, rows
from tests.chaos.yard import Node, Yard, database, yard
from tests.support.servers import PostgresServer
from tests.support.slack_control import SlackControl

SCALE = 60.0
"""Slack seconds in one of the wall: a retry after a minute comes after a second."""
ROOMS = ("payments-incidents", "platform-incidents", "general")
SOURCES = 4


@dataclass
class Site:
    """Everything of one trial."""

    yard: Yard
    control: SlackControl
    url: str
    server: PostgresServer | None
    random: random.Random
    asked: int = 0
    nodes: list[Node] = field(default_factory=list)
    _asking: asyncio.Task[None] | None = None

    @property
    def calls(self) -> Path:
        return self.yard.folder / "calls.jsonl"

    def options(self, parts: list[str], **changes: Any) -> Options:
        given: dict[str, Any] = {
            "database": self.url, "parts": parts, "calls": str(self.calls), "sources": SOURCES,
            "delay_s": (0.0, 0.25), "pace": 1 / SCALE, "card_interval_s": 0.05,
        }  # fmt: skip
        return Options.model_validate(given | changes)

    def add(self, name: str, parts: list[str], **changes: Any) -> Node:
        node = self.yard.place(name, self.options(parts, **changes))
        self.nodes.append(node)
        return node

    async def deliver_to(self, *webs: Node) -> None:
        await self.control.do("delivery", {"request_url": [f"{web.url}/slack/events" for web in webs]})

    async def ask(self) -> None:
        """Somebody mentions the bot."""
        self.asked += 1
        room = self.random.choice(ROOMS)
        person = self.random.choice(["ada", "ben", "chloe"])
        await self.control.say(person, room, f"<@{BOT_USER_ID}> why is checkout slow? case-{self.asked:06d}")

    def keep_asking(self, per_s: float) -> None:
        async def forever() -> None:
            while True:
                await self.ask()
                await asyncio.sleep(self.random.expovariate(per_s))

        self._asking = asyncio.create_task(forever())

    async def stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def settle(self, *, within_s: float = 90.0) -> float:
        """Wait until Slack has nothing left to deliver and nothing is left to do or show; seconds it took."""
        started = time.monotonic()
        while time.monotonic() < started + within_s:
            if not await self._open_deliveries() and not await self._left():
                await asyncio.sleep(0.3)
                return time.monotonic() - started
            await asyncio.sleep(0.2)
        return time.monotonic() - started

    async def _open_deliveries(self) -> bool:
        ended: dict[str, bool] = {}
        attempts: dict[str, int] = {}
        for one in await self.control.deliveries():
            name = one["delivery_id"]
            ended[name] = ended.get(name, False) or one["outcome"] == "acked"
            attempts[name] = max(attempts.get(name, 0), one["attempt"])
        return any(not ended[name] and attempts[name] < 3 for name in ended)

    async def _left(self) -> bool:
        try:
            waiting = await rows(self.url, "SELECT count(*) FROM outbox WHERE published_seq < latest_seq")
            working = await rows(
                self.url, "SELECT count(*) FROM investigations WHERE status NOT IN ('completed', 'cancelled', 'failed')"
            )
        except OSError:
            return True
        return bool(waiting[0][0] or working[0][0])

    async def judge(self, *, zombies: bool = False) -> Verdict:
        """Stop everything in good order, then look."""
        stops = [await self.yard.stop(node) for node in self.nodes if node.lives()]
        verdict = await self._judge(zombies)
        verdict.facts["slowest stop_s"] = round(max(stops, default=0.0), 2)
        return verdict

    async def _judge(self, zombies: bool) -> Verdict:
        return await judge(self.url, self.control, calls=self.calls, expected_calls=SOURCES, zombies=zombies)


@contextlib.asynccontextmanager
async def site(
    kind: str, *, seed: int, settings: dict[str, str] | None = None, disk: Path | None = None
) -> AsyncIterator[Site]:
    """An empty installation on `sqlite` or `postgresql`; nodes are added by the trial. `disk`: where SQLite lies."""
    async with yard("--scale", str(SCALE), "--seed", str(seed)) as made, made.control() as control:  # noqa: SIM117 - long
        async with database(kind, disk or made.folder, settings=settings) as (url, server):
            parts = Site(made, control, url, server, random.Random(seed))
            try:
                yield parts
            finally:
                await parts.stop_asking()
                for node in parts.nodes:
                    node.send(18)
                    node.send(9)
