"""`inquest investigate`: the same investigation in the terminal, against your sources or the demo's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import SecretStr

from bot.app import App, Part
from bot.cli.show import LiveProgress, report_lines
from bot.cli.world_process import Playing, WorldProcess
from bot.domain.access import Principal, PrincipalKind
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.services.investigations import OpenRequest
from bot.settings import Settings

EXIT_FAILED = 3
_DISCOVERY_WAIT_S = 3.0


async def investigate(
    settings: Settings, request: OpenRequest, *, as_json: bool, demo: str | None = None, seed: int = 1
) -> int:
    """Run one investigation to its end; returns the exit status."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inquest-")))
        if demo:
            world = WorldProcess(demo, seed, folder / "world")
            stack.push_async_callback(world.stop)
            settings = reaching(await world.ready(), settings, folder)
        app = await stack.enter_async_context(running(settings))
        await app.catalogue.known(_DISCOVERY_WAIT_S)
        person = Principal(kind=PrincipalKind.PERSON, id=os.environ.get("USER", "terminal"))
        opened = await app.investigations.open(request, by=person)
        done = await _follow(app, opened, quiet=as_json)
    return _print(done, as_json=as_json)


def reaching(world: Playing, settings: Settings, folder: Path) -> Settings:
    """Settings that point at a playing world."""
    sources = folder / "sources.yaml"
    sources.write_text(world.sources_yaml, encoding="utf-8")
    database = SecretStr(f"sqlite:///{folder / 'inquest.db'}")
    return settings.model_copy(update={"sources_file": sources, "database_url": database})


@contextlib.asynccontextmanager
async def running(settings: Settings, *parts: Part) -> AsyncIterator[App]:
    """An app that works in the background until the block ends."""
    app = await App.create(settings, os.environ)
    try:
        await app.start(*parts)
        yield app
    finally:
        await app.stop()


async def _follow(app: App, opened: Investigation, *, quiet: bool) -> Investigation:
    """Wait for the end, showing what comes in; Ctrl-C cancels the investigation, not just the watching."""
    progress = LiveProgress()
    state = opened
    try:
        async for _ in app.store.follow(investigation_stream(opened.id), after=0):
            state = await app.investigations.get(opened.id)
            if not quiet:
                progress.show(state)
            if state.state.is_settled:
                break
    except asyncio.CancelledError:
        print("Cancelled.", file=sys.stderr)
        raise
    return state


def _print(done: Investigation, *, as_json: bool) -> int:
    if done.report is None or done.state is not InvestigationState.COMPLETED:
        print(f"The investigation is {done.state.value}: {done.reason}", file=sys.stderr)
        return EXIT_FAILED
    if as_json:
        print(json.dumps(done.report.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join(report_lines(done.report)))
    return 0
