"""What every part of the store stands on: a database, asked again when it is away, and the known ends of streams."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TypeVar

from bot.store import rows
from bot.store.backend import Backend, Work
from bot.store.retrying import again_when_away
from bot.store.signals import Signals
from bot.store.writing import Head, Writing
from connectors.model import Clock

_KEPT_HEADS = 512
T = TypeVar("T")


class Core:
    """The database and what this process remembers of it."""

    def __init__(self, backend: Backend, *, workspace: str, clock: Clock, signals: Signals) -> None:
        self._backend, self._workspace, self._clock, self._signals = backend, workspace, clock, signals
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._writes: set[asyncio.Task[Head]] = set()
        self._closed = False

    @property
    def alone(self) -> bool:
        """No other process can work on this database."""
        return self._backend.alone

    async def close(self) -> None:
        """Finish what was promised, free the claims' liveness, close the database. Twice does no harm."""
        if self._closed:
            return
        self._closed = True
        if self._writes:
            await asyncio.wait(self._writes)
        await self._backend.close()

    async def _again(self, work: Work[T]) -> T:
        """Write what may safely be written twice."""
        return await again_when_away(lambda _: self._backend.write(work))

    async def _ask(self, work: Work[T]) -> T:
        return await again_when_away(lambda _: self._backend.read(work))

    def _remember(self, writing: Writing) -> None:
        self._heads[writing.stream] = writing.after
        self._heads.move_to_end(writing.stream)
        while len(self._heads) > _KEPT_HEADS:
            self._heads.popitem(last=False)
        state = writing.after.investigation
        self._signals.appended(writing.stream, writing.events, work=state is not None and rows.is_ready(state))
        self._backend.hint(writing.stream)
