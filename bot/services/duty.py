"""Work that one process at a time does for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.border import border
from bot.store import Store


async def keep_duty(
    name: str, work: Callable[[], Awaitable[object]], *, store: Store, worker: str, every_s: float, lease_s: float
) -> None:
    """Do a round of `work` every `every_s` seconds while this worker holds the duty, until cancelled.

    `lease_s` is after how many seconds of silence another process takes the duty over.
    """
    while True:
        with border(f"{name}.round_failed"):
            if await store.hold(name, worker=worker, lease_s=lease_s):
                await work()
        await asyncio.sleep(every_s)
