"""Claims investigations and runs them. Any number may run at once, here and on other machines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from bot.domain.investigation import Investigation
from bot.errors import BotError, StoreBusy
from bot.services.investigate import Investigator
from bot.services.watchdog import QUIET_S
from bot.store import Claim, Fence, Full, Store
from bot.store.claims import SUSPECT_CLAIMS
from bot.store.rows import SCHEDULES_CLASS, queue_class

log = structlog.get_logger(__name__)

# Long enough to sit out a pause of this process, short enough that frozen work goes on elsewhere within three seconds.
# A database of one process has nobody to go on elsewhere; there only a claim that could not be given back waits for it.
_LEASE_S = 2.0
_LEASE_ALONE_S = 15.0
_RENEWALS_PER_LEASE = 3
_POLL_S = 1.0
_PAUSE_AFTER_ERROR_S = 1.0
_ALONE_S = 3.0


def incarnation() -> str:
    """A name for this process as it runs now; a restart is somebody else."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of a worker's slots scheduled work may have, and how many one squad."""

    schedules: int
    squad: int

    @classmethod
    def of(cls, slots: int) -> Shares:
        """Half and three quarters, at least one: a person, and another squad, soon finds a free slot."""
        return cls(schedules=max(1, slots // 2), squad=max(1, slots * 3 // 4))

    def full(self, running: Sequence[Investigation]) -> Full:
        """What has its share already."""
        scheduled = sum(queue_class(one) == SCHEDULES_CLASS for one in running)
        squads = Counter(one.squad for one in running if one.squad)
        busy = frozenset(squad for squad, count in squads.items() if count >= self.squad)
        suspects = any(_is_suspect(one) for one in running)
        return Full(schedules=scheduled >= self.schedules, squads=busy, suspects=suspects)


def _is_suspect(claimed: Investigation) -> bool:
    """It was claimed twice before without progress; this claim is counted already."""
    return claimed.claims > SUSPECT_CLAIMS


class Worker:
    """Takes the next investigation whenever a slot is free. `stop` hands back what it holds."""

    def __init__(
        self,
        *,
        store: Store,
        investigator: Investigator,
        slots: int,
        name: str | None = None,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._quiet_s = quiet_s
        self._store = store
        self.investigator = investigator
        self._slots = asyncio.Semaphore(slots)
        self._name = name or incarnation()
        self._shares = Shares.of(slots)
        self._running: dict[Fence, asyncio.Task[None]] = {}
        self._work: dict[Fence, asyncio.Task[object]] = {}
        self._held: dict[Fence, Claim] = {}
        self._lease_s = _LEASE_ALONE_S if store.alone else _LEASE_S
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def running(self) -> int:
        """How many investigations run here now."""
        return len(self._running)

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._forever(), name="worker"),
            asyncio.create_task(self._renew_forever(), name="worker leases"),
            asyncio.create_task(self._cut_forever(), name="worker watch"),
        ]

    async def stop(self) -> None:
        """Stop claiming, cut what runs (it goes on elsewhere or after a restart), and wait for it."""
        tasks = [*self._tasks, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forever(self) -> None:
        while True:
            await self._slots.acquire()
            claim = None
            try:
                claim = await self._next()
            finally:
                if claim is None:
                    self._slots.release()
            if claim is not None:
                task = asyncio.create_task(self._run(claim), name=f"investigation {claim.investigation.id}")
                self._running[claim.fence], self._held[claim.fence] = task, claim
                task.add_done_callback(partial(self._finished, claim.fence))
                if self._store.alone and _is_suspect(claim.investigation) and len(self._running) == 1:
                    await self._alone(claim.investigation.id, task)

    async def _alone(self, investigation_id: str, task: asyncio.Task[None]) -> None:
        """Claim nothing beside a suspect until it made progress, for a while: then a death speaks against it alone, and
        one that was only unlucky is not held up by others until the next death. With many workers nobody waits for it:
        others go on with the rest."""
        end = time.monotonic() + _ALONE_S
        while not task.done() and time.monotonic() < end:
            with contextlib.suppress(BotError, OSError):
                if not _is_suspect(await self._store.investigation(investigation_id)):
                    return
            await asyncio.sleep(_ALONE_S / 60)

    def _finished(self, fence: Fence, _: asyncio.Task[None]) -> None:
        del self._running[fence], self._held[fence]
        self._slots.release()

    async def _next(self) -> Claim | None:
        """The next claim, or None after a while without work or after an error of the store."""
        try:
            full = self._shares.full([claim.investigation for claim in self._held.values()])
            if self._store.alone and not self._held:
                full = full.model_copy(update={"idle": True})
            claim = await self._store.claim_next(worker=self._name, lease_s=self._lease_s, full=full)
            if claim is None:
                await self._store.wait_for_work(_POLL_S)
        except (BotError, OSError) as error:
            log.warning("worker.store_unavailable", reason=str(error))
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
            return None
        except Exception:  # the border of this task: a worker that claims no more would look alive for ever
            log.exception("worker.claiming_failed")
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
            return None
        return claim

    async def _run(self, claim: Claim) -> None:
        """One investigation, until it is done or its lease is lost."""
        await self._end_earlier(claim.fence)
        work = self._work[claim.fence] = asyncio.create_task(self.investigator.run(claim))
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            log.info("worker.handing_back", investigation=claim.investigation.id)
            raise
        finally:
            work.cancel()
            results = await asyncio.gather(work, return_exceptions=True)
            del self._work[claim.fence]
            self._report(claim, results[0])
            with contextlib.suppress(BotError, OSError):
                await self._store.release(claim.fence)

    async def _end_earlier(self, fence: Fence) -> None:
        """After a freeze the same investigation may come back to us before we noticed that we had lost it."""
        earlier = [work for held, work in self._work.items() if held.investigation_id == fence.investigation_id]
        for work in earlier:
            work.cancel()
        await asyncio.gather(*earlier, return_exceptions=True)

    def _report(self, claim: Claim, result: object) -> None:
        if isinstance(result, StoreBusy):
            log.warning("worker.store_unavailable", investigation=claim.investigation.id, reason=str(result))
        elif isinstance(result, Exception):
            log.error("worker.investigation_failed", investigation=claim.investigation.id, exc_info=result)

    async def _renew_forever(self) -> None:
        """Keep all claims with one statement at a time. A store that is away for a moment is tried again."""
        while True:
            await asyncio.sleep(self._lease_s / _RENEWALS_PER_LEASE)
            asked = set(self._work)
            if not asked:
                continue
            try:
                held = await self._store.renew_all(asked, worker=self._name, lease_s=self._lease_s)
            except (BotError, OSError) as error:
                log.warning("worker.renew_failed", reason=str(error))
                continue
            except Exception:  # the border of this task: without it every claim would be lost, one after the other
                log.exception("worker.renew_failed")
                continue
            for fence in asked:
                if held.get(fence.investigation_id) != fence.token:
                    self._lost(fence)

    def _lost(self, fence: Fence) -> None:
        """Another has it: stop at once. What would still be written is refused anyway."""
        work = self._work.get(fence)
        if work is not None and not work.done():
            log.warning("worker.lease_lost", investigation=fence.investigation_id)
            work.cancel()

    async def _cut_forever(self) -> None:
        """Cut what stands still in our hands: it is claimed anew, and set aside as poisoned when that does not help."""
        seen: dict[Fence, tuple[int, float]] = {}
        while True:
            await asyncio.sleep(self._quiet_s / 4)
            seen = {fence: self._progress(fence, seen.get(fence)) for fence in self._work}
            for fence, (_, since) in seen.items():
                if time.monotonic() - since >= self._quiet_s:
                    log.error("worker.cut_stuck", investigation=fence.investigation_id)
                    self._work[fence].cancel()

    def _progress(self, fence: Fence, before: tuple[int, float] | None) -> tuple[int, float]:
        """The sequence that the work has got to by its own writes, and since when."""
        seq = self.investigator.progress(fence.investigation_id)
        return before if before and before[0] == seq else (seq, time.monotonic())
