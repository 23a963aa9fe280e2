"""The Slack face on a real store and real services, talking to the loopback workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.demo.workspace import Workspace, WorkspaceConfig
from bot.domain.question import Service, Setting, Source
from bot.services.investigations import Investigations
from bot.slack.app import SlackFace
from bot.slack.config import Mode, SlackConfig
from bot.slack.ports import Extras
from bot.store import Store
from connectors.model import SystemClock
from tests.slack.story import Teller
from tests.support.slack_control import Json, SlackControl

ROOM = "payments-incidents"
ADA, BEN = "ada", "ben"

SETTING = Setting(
    services=(Service(name="checkout-api", aliases=("checkout",)), Service(name="payment-service")),
    sources=(
        Source(name="prometheus/main", type="prometheus", environment="production"),
        Source(name="postgresql/payment", type="postgresql", environment="production"),
    ),
)


@dataclass
class Scene:
    """Everything one test needs."""

    workspace: Workspace
    control: SlackControl
    store: Store
    investigations: Investigations
    extras: Extras = field(default_factory=Extras)
    face: SlackFace | None = None

    def config(self, mode: Mode = Mode.SOCKET, **changes: Any) -> SlackConfig:
        return SlackConfig(
            bot_token=self.workspace.bot_token,
            app_token=self.workspace.app_token,
            signing_secret=self.workspace.signing_secret,
            api_base_url=self.workspace.api_url,
            mode=mode,
            sockets=1,
            card_interval_s=0.05,
            **changes,
        )

    async def start(self, **changes: Any) -> SlackFace:
        self.face = SlackFace(
            self.config(**changes), investigations=self.investigations, store=self.store, extras=self.extras
        )
        await self.face.start()
        return self.face

    async def asked(self, text: str = "why is checkout slow since 30 minutes?", user: str = ADA) -> Teller:
        """An investigation opened by typing, with its card posted."""
        answer = await self.control.command(user, ROOM, "/investigate", text)
        assert answer["error"] is None, answer
        await self.card()
        newest = (await self.store.investigations(limit=1))[0]
        return Teller(self.store, newest.id)

    def teller(self, investigation_id: str) -> Teller:
        return Teller(self.store, investigation_id)

    async def roots(self) -> list[Json]:
        """Messages of the bot at the top of the room."""
        found = await self.control.messages(ROOM)
        return [m for m in found if m.get("bot_id") and m.get("thread_ts", m["ts"]) == m["ts"]]

    async def card(self, containing: str = "Investigation") -> Json:
        async def look() -> Json | None:
            return next((m for m in await self.roots() if containing in text_of(m)), None)

        found: Json = await self.control.until(look)
        return found

    async def replies(self, card: Json, count: int) -> list[Json]:
        async def look() -> list[Json] | None:
            found = await self.control.messages(ROOM, thread_ts=card["ts"])
            return found[1:] if len(found) > count else None

        found: list[Json] = await self.control.until(look)
        return found

    async def whisper(self, containing: str) -> Json:
        async def look() -> Json | None:
            return next((m for m in await self.control.ephemerals(self.room_id) if containing in text_of(m)), None)

        found: Json = await self.control.until(look)
        return found

    @property
    def room_id(self) -> str:
        return "C0PAYINC001"


def text_of(value: Any) -> str:
    """Every word a person can read in a message or view."""
    if isinstance(value, dict):
        return "\n".join(text_of(v) for k, v in value.items() if k not in ("metadata", "type", "action_id", "block_id"))
    if isinstance(value, list):
        return "\n".join(text_of(v) for v in value)
    return value if isinstance(value, str) else ""


@asynccontextmanager
async def a_scene(tmp_path: Path, config: WorkspaceConfig) -> AsyncIterator[Scene]:
    workspace = Workspace(config)
    await workspace.start()
    store = await Store.open(f"sqlite:///{tmp_path}/inquest.db", create=True)

    async def setting() -> Setting:
        return SETTING

    investigations = Investigations(store=store, setting=setting, clock=SystemClock())
    async with SlackControl(workspace.url) as control:
        scene = Scene(workspace, control, store, investigations)
        try:
            yield scene
        finally:
            if scene.face:
                await scene.face.stop()
            await store.close()
            await workspace.stop()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, WorkspaceConfig()) as made:
        yield made
