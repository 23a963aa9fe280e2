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
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli.world_process import Playing, WorldProcess
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.demo.workspace import Workspace


async def demo(settings: Settings, *, scenario: str, seed: int, port: int) -> None:
    """Run the demo until Ctrl-C. Everything listens on loopback and is gone afterwards."""
    started = time.monotonic()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inquest-demo-")))
        world = WorldProcess(scenario, seed, folder / "world")
        stack.push_async_callback(world.stop)
        await asyncio.to_thread(_preload)
        workspace = await _workspace(port)
        stack.push_async_callback(workspace.stop)
        address, own = await _up(stack, settings, folder, await world.ready(), workspace)
        _welcome(workspace.url, address, own, scenario, time.monotonic() - started)
        await stopping.wait()
        print("\nStopping …", file=sys.stderr)


def _preload() -> None:
    """Load what the page needs while the world starts in its own process; the Kubernetes driver, a second by itself,
    is loaded by its connector in a thread while a person is still opening the page."""
    for name in ("bot.cli.serve", "bot.demo.workspace", "bot.slack.app"):
        importlib.import_module(name)
    for name in ("kubernetes", "elasticsearch", "prometheus", "postgresql"):
        importlib.import_module(f"connectors.{name}")


async def _workspace(port: int) -> Workspace:
    """The simulated Slack on its usual port, or on a free one."""
    from bot.demo.workspace import Workspace

    workspace = Workspace()
    try:
        await workspace.start(port=port)
    except OSError:
        await workspace.start(port=0)
    return workspace


async def _up(
    stack: contextlib.AsyncExitStack, settings: Settings, folder: Path, world: Playing, workspace: Workspace
) -> tuple[str, Settings]:
    """Inquest itself; the address of its HTTP API and the settings it runs with."""
    from bot.app import ALL_PARTS
    from bot.cli.serve import up
    from bot.settings import SlackMode
    from bot.telemetry import configure_logs

    configure_logs(level="WARNING" if settings.log_level == "INFO" else settings.log_level, as_json=False)
    own = _demo_settings(settings, folder, world, workspace)
    return await stack.enter_async_context(up(own, SlackMode.SOCKET, *ALL_PARTS)), own


def _demo_settings(settings: Settings, folder: Path, world: Playing, workspace: Workspace) -> Settings:
    from pydantic import SecretStr

    from bot.demo.access import ACCESS_YAML
    from bot.settings import SlackMode

    sources = folder / "sources.yaml"
    sources.write_text(world.sources_yaml, encoding="utf-8")
    access = folder / "access.yaml"
    access.write_text(ACCESS_YAML, encoding="utf-8")
    return settings.model_copy(
        update={
            "sources_file": sources,
            "access_file": access,
            "default_sweeps": False,  # a newcomer asks first; the demo's file of sweeps shows the rest
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
    from bot.demo.world.plan import SCENARIOS

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
