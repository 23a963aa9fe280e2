"""Plays one world in a process of its own: `python -m bot.demo.world SCENARIO SEED DIRECTORY`.

Prints one JSON line when everything answers, and ends when its standard input is closed, so that it never outlives
whoever started it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from bot.demo.world.plan import SCENARIOS
from bot.demo.world.world import World


def _tell(told: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


async def play(scenario: str, seed: int, directory: Path) -> None:
    """Start, say where, and wait for the end of standard input."""
    if scenario not in SCENARIOS:
        _tell({"error": f"There is no scenario {scenario!r}. Known: {', '.join(SCENARIOS)}."})
        return
    world = World(scenario, seed, datetime.now(UTC), directory)
    await world.start()
    try:
        _tell({"sources": world.sources_yaml(), "question": world.question})
        await asyncio.to_thread(sys.stdin.buffer.read)
    finally:
        await world.stop()


if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 50)
    asyncio.run(play(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
