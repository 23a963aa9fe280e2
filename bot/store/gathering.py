"""Small questions that many ask at the same moment, put to the database as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Gathered(Generic[K, V]):
    """Questions that come while one is under way share the next; an answer is never older than its question."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[dict[K, V]]]) -> None:
        self._ask = ask
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._answer_all())
        return await asyncio.shield(answer)

    async def _answer_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            (found,) = await asyncio.gather(self._ask(list(asked)), return_exceptions=True)
            for key, answer in asked.items():
                if isinstance(found, BaseException):
                    answer.set_exception(found)
                    answer.exception()  # looked at here too: whoever asked may be gone
                else:
                    answer.set_result(found.get(key))
