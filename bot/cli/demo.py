"""`inquest demo`: a simulated Slack workspace and a shop with an incident, and Inquest between them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import secrets
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from bot.app import ALL_PARTS
from bot.cli.serve import up
from bot.demo.workspace import Workspace
from bot.demo.world import SCENARIOS, World
from bot.errors import InvalidRequest
from bot.settings import Settings, SlackMode
from bot.telemetry import configure_logs
from connectors.registry import connector_class


async def demo(settings: Settings, *, scenario: str, seed: int, port: int) -> None:
    """Run the demo until Ctrl-C. Everything listens on loopback and is gone afterwards."""
    if scenario not in SCENARIOS:
        raise InvalidRequest(f"There is no scenario {scenario!r}. Known: {', '.join(SCENARIOS)}.")
    configure_logs(level="WARNING" if settings.log_level == "INFO" else settings.log_level, as_json=False)
    started = time.monotonic()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inquest-demo-")))
        world = World(scenario, seed, datetime.now(UTC), folder / "world")
        workspace = Workspace()
        await asyncio.gather(world.start(), _start(workspace, port), asyncio.to_thread(_preload))
        stack.push_async_callback(world.stop)
        stack.push_async_callback(workspace.stop)
        own = _demo_settings(settings, folder, world, workspace)
        address = await stack.enter_async_context(up(own, SlackMode.SOCKET, *ALL_PARTS))
        _welcome(workspace.url, address, own, scenario, time.monotonic() - started)
        await stopping.wait()
        print("\nStopping …", file=sys.stderr)


def _preload() -> None:
    """Import the drivers while the world's database starts; both take about a second."""
    for type_ in ("kubernetes", "elasticsearch", "prometheus", "postgresql"):
        connector_class(type_)
    importlib.import_module("bot.slack.app")
    importlib.import_module("kubernetes_asyncio.client")


async def _start(workspace: Workspace, port: int) -> None:
    try:
        await workspace.start(port=port)
    except OSError:
        await workspace.start(port=0)


def _demo_settings(settings: Settings, folder: Path, world: World, workspace: Workspace) -> Settings:
    sources = folder / "sources.yaml"
    sources.write_text(world.sources_yaml(), encoding="utf-8")
    return settings.model_copy(
        update={
            "sources_file": sources,
            "database_url": SecretStr(f"sqlite:///{folder / 'inquest.db'}"),
            "slack_mode": SlackMode.SOCKET,
            "slack_bot_token": SecretStr(workspace.bot_token),
            "slack_app_token": SecretStr(workspace.app_token),
            "slack_signing_secret": SecretStr(workspace.signing_secret),
            "slack_api_url": workspace.api_url,
            "api_token": SecretStr(secrets.token_urlsafe(24)),
            "http_port": 0,
        }
    )


def _welcome(url: str, api: str, settings: Settings, scenario: str, seconds: float) -> None:
    info = SCENARIOS[scenario]
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    print(f"""
Inquest is ready after {seconds:.1f} s. Nothing here leaves this machine.

  Open        {url}
  and type    /investigate {info.question}

  Incident    {scenario}: {info.description}
  Others      make demo SCENARIO=NAME   ({", ".join(SCENARIOS)})
  HTTP API    {api}/api/docs
              curl -H 'Authorization: Bearer {token}' \\
                   -H 'Content-Type: application/json' -d '{{"query": "{info.question}"}}' \\
                   '{api}/api/v1/investigate?wait=60'

Ctrl-C stops everything.
""", flush=True)  # fmt: skip
