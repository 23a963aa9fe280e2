"""What commands of the terminal share: an app that works while the command runs, and the person who typed it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import SecretStr

from bot.app import App, Part
from bot.cli.world_process import Playing, WorldProcess
from bot.domain.access import Principal, PrincipalKind
from bot.settings import Settings


@contextlib.asynccontextmanager
async def working(settings: Settings, *, demo: str | None, seed: int) -> AsyncIterator[App]:
    """An app that works in the background until the block ends: over these settings, or over a scenario of the demo.

    It sweeps nothing and takes no alerts in: a person asked one question.
    """
    async with contextlib.AsyncExitStack() as stack:
        if demo:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inquest-")))
            world = WorldProcess(demo, seed, folder / "world")
            stack.push_async_callback(world.stop)
            settings = _reaching(await world.ready(), settings, folder)
        app = await App.create(settings, os.environ)
        stack.push_async_callback(app.stop)
        await app.start(Part.WORKER)
        yield app


def whoever_typed() -> Principal:
    """The person at this terminal."""
    return Principal(kind=PrincipalKind.PERSON, id=os.environ.get("USER", "terminal"))


def _reaching(world: Playing, settings: Settings, folder: Path) -> Settings:
    sources = folder / "sources.yaml"
    sources.write_text(world.sources_yaml, encoding="utf-8")
    database = SecretStr(f"sqlite:///{folder / 'inquest.db'}")
    return settings.model_copy(update={"sources_file": sources, "database_url": database})
