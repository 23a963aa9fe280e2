"""What is still sent when nobody waits any more: the end of a query that a cancelled call left at its backend."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

TIMEOUT_S = 2.0


class Afterwards:
    """Requests that outlive their call, never their link. Time limits at the backend are the net below them."""

    def __init__(self, *expected: type[Exception]) -> None:
        self._expected = (*expected, TimeoutError, OSError)
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, request: Callable[[], Awaitable[object]]) -> None:
        """Start it; the expected errors, and the lack of an answer, are nobody's concern any more."""
        task = asyncio.get_running_loop().create_task(self._sent(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for all of them, before the link goes."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sent(self, request: Callable[[], Awaitable[object]]) -> None:
        with contextlib.suppress(*self._expected):
            async with asyncio.timeout(TIMEOUT_S):
                await request()
