"""The loopback workspace is strict enough: a bot on plain Bolt fails its harder checks; Inquest passes the same."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.workspace import Workspace, WorkspaceConfig
from bot.demo.workspace.config import BOT_USER_ID
from tests.slack.conftest import ROOM, a_scene, text_of
from tests.support.slack_control import Json, SlackControl

SCALE = 60.0
CONFIG = WorkspaceConfig(clock_scale=SCALE, ack_timeout_s=2.0, retry_schedule_s=(0.0, 60.0, 300.0), self_events=False)
MANY = 12


@dataclass
class Subject:
    """A bot under test: how many requests it has kept, and the database file it keeps them in.

    `patience_s`: how long a check waits for what may never come.
    """

    control: SlackControl
    kept: Callable[[], Awaitable[int]]
    database: Path
    patience_s: float

    async def ask(self, words: str = "why is checkout slow?") -> None:
        await self.control.say("ada", ROOM, f"<@{BOT_USER_ID}> {words}")

    async def until_kept(self, count: int, *, within_s: float = 30.0) -> bool:
        async def enough() -> bool:
            return await self.kept() >= count

        try:
            await self.control.until(enough, within_s=within_s)
        except AssertionError:
            return False
        return True

    async def mentions(self) -> list[Json]:
        return [d for d in await self.control.deliveries() if d["kind"] == "events_api"]

    async def shown(self, count: int, *, within_s: float = 30.0) -> list[Json]:
        """Messages of the bot, once there are that many."""

        async def look() -> list[Json] | None:
            found = [m for m in await self.control.messages(ROOM) if m.get("bot_id")]
            return found if len(found) >= count else None

        found: list[Json] = await self.control.until(look, within_s=within_s)
        return found


async def delivered_twice_counts_once(subject: Subject) -> bool:
    await subject.ask()
    assert await subject.until_kept(1)
    for name in {one["delivery_id"] for one in await subject.mentions()}:  # as a mention and as a message
        await subject.control.do("redeliver", {"delivery_id": name, "times": 4})
    await asyncio.sleep(0.3)
    return await subject.kept() == 1


async def what_cannot_be_kept_is_not_acknowledged(subject: Subject) -> bool:
    """The database is locked for a moment; afterwards the request is there, because Slack delivered it again."""
    with closing(sqlite3.connect(subject.database, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        await subject.ask()

        async def answered() -> bool:
            return any(d["outcome"] not in (None, "", "pending", "sent") for d in await subject.mentions())

        await subject.control.until(answered, within_s=20.0)
        other.rollback()
    return await subject.until_kept(1, within_s=subject.patience_s)


async def a_mention_in_foreign_text_is_not_live(subject: Subject) -> bool:
    await subject.ask("why does the log say <!channel> and <https://evil.test|click>?")
    shown = await subject.shown(1)
    return not any("<!channel>" in text_of(m) or "<https://evil" in text_of(m) for m in shown)


async def nothing_is_lost_to_the_rate_limits(subject: Subject) -> bool:
    await subject.control.do("tiers", {"on": True, "overrides": {"chat.postMessage": 5}})
    for _ in range(MANY):
        await subject.ask()
    assert await subject.until_kept(MANY)
    try:
        await subject.shown(MANY, within_s=subject.patience_s)
    except AssertionError:
        return False
    return int((await subject.control.read("ledger", {"tally": "1"}))["tally"]["violations"]) == 0


CHECKS = (
    delivered_twice_counts_once,
    what_cannot_be_kept_is_not_acknowledged,
    a_mention_in_foreign_text_is_not_live,
    nothing_is_lost_to_the_rate_limits,
)


@asynccontextmanager
async def plain_bolt(folder: Path) -> AsyncIterator[Subject]:
    """What the first page of Bolt's tutorial gives: a listener that keeps the request and answers."""
    workspace, database = Workspace(CONFIG), folder / "plain.db"
    await workspace.start()
    client = AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)
    app = AsyncApp(client=client, token=workspace.bot_token, signing_secret=workspace.signing_secret)
    with closing(sqlite3.connect(database, timeout=0.1, isolation_level=None)) as link:
        link.execute("CREATE TABLE asked (text TEXT)")

        @app.event("app_mention")
        async def on_mention(event: Any, say: Any) -> None:
            link.execute("INSERT INTO asked VALUES (?)", (event["text"],))
            words = event["text"].partition("> ")[2]
            await say(text=f"On it: {words}", thread_ts=event["ts"])

        @app.event("message")
        async def on_message() -> None:
            return

        async def kept() -> int:
            return int(link.execute("SELECT count(*) FROM asked").fetchone()[0])

        handler = AsyncSocketModeHandler(app, app_token=workspace.app_token, web_client=client)
        await handler.connect_async()  # type: ignore[no-untyped-call]
        async with SlackControl(workspace.url) as control:
            try:
                yield Subject(control, kept, database, patience_s=4.0)
            finally:
                await handler.close_async()  # type: ignore[no-untyped-call]
                await workspace.stop()


@asynccontextmanager
async def inquest(folder: Path) -> AsyncIterator[Subject]:
    async with a_scene(folder, CONFIG) as scene:
        await scene.start(slack_pace=1 / SCALE)

        async def kept() -> int:
            return len(await scene.store.investigations(limit=100))

        yield Subject(scene.control, kept, folder / "inquest.db", patience_s=30.0)


async def passed(bot: Callable[[Path], Any], folder: Path) -> dict[str, bool]:
    found = {}
    for check in CHECKS:
        place = folder / check.__name__
        place.mkdir()
        async with bot(place) as subject:
            found[check.__name__] = await check(subject)
    return found


async def test_plain_bolt_fails_the_harder_checks(tmp_path: Path) -> None:
    assert await passed(plain_bolt, tmp_path) == dict.fromkeys((check.__name__ for check in CHECKS), False)


async def test_inquest_passes_them(tmp_path: Path) -> None:
    assert await passed(inquest, tmp_path) == dict.fromkeys((check.__name__ for check in CHECKS), True)
