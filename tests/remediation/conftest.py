"""Inquest over the demo's world and the loopback workspace, as `inquest demo` runs it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
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


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    """The bad deployment, without a database of its own: the rollback is about Kubernetes."""
    world = World("bad_deployment", 1, datetime.now(UTC), tmp_path / "world", with_postgres=False)
    await world.start()
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
        await world.stop()
