"""Run the workspace alone: `python -m bot.demo.workspace`. Prints one JSON line that tells a bot how to connect."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys

from bot.demo.workspace.config import WorkspaceConfig
from bot.demo.workspace.workspace import Workspace


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bot.demo.workspace", description="A loopback Slack workspace.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--tiers", action="store_true", help="enforce Slack's rate limits")
    parser.add_argument("--scale", type=float, default=1.0, help="Slack seconds that pass in one second")
    parser.add_argument("--ack-timeout", type=float, default=3.0, help="seconds the bot has to acknowledge")
    parser.add_argument("--request-url", default=None, help="deliver by signed HTTP there instead of Socket Mode")
    parser.add_argument("--no-self-events", action="store_true", help="do not send the bot its own messages")
    parser.add_argument("--seed", type=int, default=1, help="seed of ids and of the choice of connection")
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> None:
    config = WorkspaceConfig(
        tiers=options.tiers,
        clock_scale=options.scale,
        ack_timeout_s=options.ack_timeout,
        request_url=options.request_url,
        self_events=not options.no_self_events,
        seed=options.seed,
    )
    workspace = Workspace(config)
    await workspace.start(port=options.port)
    told = {key: getattr(workspace, key) for key in ("url", "api_url", "bot_token", "app_token", "signing_secret")}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    end = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, end.set)
    await end.wait()
    await workspace.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(_options()))
