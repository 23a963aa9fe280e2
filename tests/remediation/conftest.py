"""Inquest over the demo's world and the loopback workspace, as `inquest demo` runs it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app import ALL_PARTS, App, slack_face
from bot.demo.access import ACCESS_YAML
from bot.demo.workspace import Workspace
from bot.demo.world import World
from bot.settings import Settings, SlackMode
from tests.support.slack_control import SlackControl

QUESTION = "why is checkout slow since 20 minutes?"


@dataclass
class Demo:
    """The running parts of one demo."""

    app: App
    world: World
    workspace: Workspace
    control: SlackControl


def demo_settings(folder: Path, world: World, workspace: Workspace) -> Settings:
    (folder / "sources.yaml").write_text(world.sources_yaml(), encoding="utf-8")
    (folder / "access.yaml").write_text(ACCESS_YAML, encoding="utf-8")
    return Settings.model_construct().model_copy(
        update={
            "sources_file": folder / "sources.yaml",
            "default_sweeps": False,
            "access_file": folder / "access.yaml",
            "database_url": SecretStr(f"sqlite:///{folder}/inquest.db"),
            "call_deadline_s": 60.0,  # the world shares this process, and machines may be busy
            "slack_mode": SlackMode.SOCKET,
            "slack_bot_token": SecretStr(workspace.bot_token),
            "slack_app_token": SecretStr(workspace.app_token),
            "slack_signing_secret": SecretStr(workspace.signing_secret),
            "slack_api_url": workspace.api_url,
        }
    )


@contextmanager
def apart() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread: a world computes for a while at a time, and nobody's acknowledgement should wait for it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="world", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The bad deployment, without a database of its own: the rollback is about Kubernetes."""
    made = World("bad_deployment", 1, datetime.now(UTC), tmp_path / "world", with_postgres=False)
    with apart() as loop:
        asyncio.run_coroutine_threadsafe(made.start(), loop).result()
        try:
            yield made
        finally:
            asyncio.run_coroutine_threadsafe(made.stop(), loop).result()


@pytest.fixture
async def demo(tmp_path: Path, world: World) -> AsyncIterator[Demo]:
    workspace = Workspace()
    await workspace.start()
    app = await App.create(demo_settings(tmp_path, world, workspace), os.environ)
    face = await slack_face(app, SlackMode.SOCKET)
    await face.start()
    await app.start(*ALL_PARTS)
    try:
        async with SlackControl(workspace.url) as control:
            yield Demo(app, world, workspace, control)
    finally:
        await face.stop()
        await app.stop()
        await workspace.stop()
