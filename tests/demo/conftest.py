"""A loopback workspace, its control client, and a plain Bolt bot to point at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.workspace import Workspace, WorkspaceConfig
from tests.support.slack_control import SlackControl


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    space = Workspace(WorkspaceConfig(clock_scale=600.0, ack_timeout_s=0.4, self_events=False))
    await space.start()
    yield space
    await space.stop()


@pytest.fixture
async def control(workspace: Workspace) -> AsyncIterator[SlackControl]:
    async with SlackControl(workspace.url) as client:
        yield client


@pytest.fixture
def client(workspace: Workspace) -> AsyncWebClient:
    return AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)


@pytest.fixture
async def app(workspace: Workspace, client: AsyncWebClient) -> AsyncApp:
    return AsyncApp(client=client, token=workspace.bot_token, signing_secret=workspace.signing_secret)


@pytest.fixture
async def connected(workspace: Workspace, app: AsyncApp, client: AsyncWebClient) -> AsyncIterator[AsyncApp]:
    handler = AsyncSocketModeHandler(app, app_token=workspace.app_token, web_client=client)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    yield app
    await handler.close_async()  # type: ignore[no-untyped-call]
