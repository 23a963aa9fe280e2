"""Another try when the database is away for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.store.backend import StoreUnreachable

T = TypeVar("T")

_TRIES = 4
_FIRST_PAUSE_S = 0.05
_LONGER = 4  # pauses of 0.05, 0.2 and 0.8 s: about a second in all, which is what a restart of a small database takes


async def again_when_away(work: Callable[[int], Awaitable[T]]) -> T:
    """What `work(attempt)` gives, tried up to four times. StoreUnreachable after the last."""
    for attempt in range(_TRIES - 1):
        try:
            return await work(attempt)
        except StoreUnreachable:
            await asyncio.sleep(_FIRST_PAUSE_S * _LONGER**attempt)
    return await work(_TRIES - 1)
