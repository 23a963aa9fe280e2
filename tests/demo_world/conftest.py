"""Worlds for tests, started and stopped around each one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.demo.world import World

NOW = datetime(2026, 3, 10, 14, 5, 7, tzinfo=UTC)
StartWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def start_world(tmp_path: Path) -> AsyncIterator[StartWorld]:
    """A function that starts a world; every world it started is stopped at the end."""
    started: list[World] = []

    async def start(scenario: str, seed: int = 1, *, with_postgres: bool = False) -> World:
        world = World(scenario, seed, NOW, tmp_path / f"{scenario}-{seed}", with_postgres=with_postgres)
        started.append(world)
        await world.start()
        return world

    yield start
    for world in started:
        await world.stop()
