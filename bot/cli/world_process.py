"""The demo's world in a process of its own, as real backends would be: its work does not slow Inquest down.

Imports nothing heavy, so that the world is starting while the rest of Inquest is still being loaded.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from bot.errors import BotError, InvalidRequest

_READY_S = 60.0
_STOP_S = 10.0


class Playing(NamedTuple):
    """A world that runs: the `sources.yaml` that reaches it, and what a person in it would ask."""

    sources_yaml: str
    question: str


class WorldProcess:
    """Starts at once; `ready` waits until every backend answers; `stop` ends it."""

    def __init__(self, scenario: str, seed: int, directory: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module; arguments are no command line
            [sys.executable, "-m", "bot.demo.world", scenario, str(seed), str(directory)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; the world ends when its input is closed
        )

    async def ready(self) -> Playing:
        """The addresses. InvalidRequest for an unknown scenario."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), _READY_S)
        if not line:
            raise BotError("The demo's world did not start; its own words stand above.")
        told = json.loads(line)
        if "error" in told:
            raise InvalidRequest(told["error"])
        return Playing(told["sources"], told["question"])

    async def stop(self) -> None:
        """Close its input, which ends it; insist after ten seconds."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
