"""The queue of work as the store offers it: claim, keep, give back, wait."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bot.errors import StoreBusy
from bot.store import claims
from bot.store.core import Core
from bot.store.model import Claim, Fence, Full
from bot.store.signals import wait_for

_NOTHING_FULL = Full()


class Queue(Core):
    """Who works on what."""

    _looked = 0.0
    _full = _NOTHING_FULL

    async def claim_next(self, *, worker: str, lease_s: float = 15.0, full: Full = _NOTHING_FULL) -> Claim | None:
        """Take the next investigation that needs a worker, people's before schedules'; None when there is none.

        What the worker has enough of (`full`) is left to others.
        """
        self._signals.work.clear()
        self._backend.watch_others()
        self._full = full
        claimer = self._claimer(worker=worker, lease_s=lease_s)
        taken = await self._backend.write(lambda c: claims.claim(c, claimer))
        if taken is None:
            return None
        self._remember(taken[1])
        return taken[0]

    async def renew(self, fence: Fence, *, lease_s: float = 15.0) -> None:
        """Keep a claim for another `lease_s`. FenceLost."""
        await self._again(lambda c: claims.renew(c, fence, until=self._until(lease_s)))

    async def renew_all(self, fences: Collection[Fence], *, worker: str, lease_s: float = 15.0) -> dict[str, int]:
        """Keep these claims of a worker with one statement; gives investigation id → token of those still held."""
        until, holder = self._until(lease_s), self._backend.holder
        return await self._again(lambda c: claims.renew_all(c, fences, worker=worker, holder=holder, until=until(c)))

    async def release(self, fence: Fence) -> None:
        """Give a claim back. Nothing happens when it was lost already."""
        if await self._again(lambda c: claims.release(c, fence)):
            self._signals.work.set()

    async def wait_for_work(self, timeout_s: float) -> None:
        """Return when there may be something to claim, at the latest after `timeout_s`.

        A process that died makes no sound: every now and then the table is asked, once for all who wait.
        """
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            if await wait_for(self._signals.work, min(left, self._backend.poll_s)):
                return
            await self._look_for_work()

    async def _look_for_work(self) -> None:
        now = time.monotonic()
        if now < self._looked + self._backend.poll_s / 2:
            return
        self._looked = now
        claimer = self._claimer(worker="", lease_s=0)
        with contextlib.suppress(StoreBusy):
            if await self._backend.read(lambda c: claims.is_waiting(c, claimer)):
                self._signals.work.set()

    def _claimer(self, *, worker: str, lease_s: float) -> claims.Claimer:
        return claims.Claimer(
            workspace=self._workspace,
            worker=worker,
            holder=self._backend.holder,
            lease_s=lease_s,
            now=self._clock.now(),
            cached=self._heads.get,
            full=self._full,
        )

    def _until(self, lease_s: float) -> Callable[[Connection], datetime]:
        return lambda c: claims.database_now(c, self._clock.now()) + timedelta(seconds=lease_s)
