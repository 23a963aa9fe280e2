"""Claims investigations and runs them. Any number may run at once, here and on other machines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket

import structlog

from bot.errors import BotError, FenceLost
from bot.services.investigate import Investigator
from bot.store import Claim, Store

log = structlog.get_logger(__name__)

_LEASE_S = 15.0
_POLL_S = 1.0
_PAUSE_AFTER_ERROR_S = 1.0


def incarnation() -> str:
    """A name for this process as it runs now; a restart is somebody else."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class Worker:
    """Takes the next investigation whenever a slot is free. `stop` hands back what it holds."""

    def __init__(self, *, store: Store, investigator: Investigator, slots: int, name: str | None = None) -> None:
        self._store = store
        self._investigator = investigator
        self._slots = asyncio.Semaphore(slots)
        self._name = name or incarnation()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def running(self) -> int:
        """How many investigations run here now."""
        return len(self._running)

    def start(self) -> None:
        self._loop = asyncio.create_task(self._forever(), name="worker")

    async def stop(self) -> None:
        """Stop claiming, cut what runs (it goes on elsewhere or after a restart), and wait for it."""
        tasks = [task for task in (self._loop, *self._running) if task is not None]
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
                self._running.add(task)
                task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _next(self) -> Claim | None:
        """The next claim, or None after a while without work or after an error of the store."""
        try:
            claim = await self._store.claim_next(worker=self._name, lease_s=_LEASE_S)
            if claim is None:
                await self._store.wait_for_work(_POLL_S)
        except (BotError, OSError) as error:
            log.warning("worker.store_unavailable", reason=str(error))
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
            return None
        return claim

    async def _run(self, claim: Claim) -> None:
        """One investigation, its lease renewed alongside. A lost lease stops the work at once."""
        work = asyncio.create_task(self._investigator.run(claim))
        lease = asyncio.create_task(self._renew(claim))
        try:
            await asyncio.wait({work, lease}, return_when=asyncio.FIRST_COMPLETED)
            if lease.done() and not work.done():
                log.warning("worker.lease_lost", investigation=claim.investigation.id)
        except asyncio.CancelledError:
            log.info("worker.handing_back", investigation=claim.investigation.id)
            raise
        finally:
            for task in (work, lease):
                task.cancel()
            results = await asyncio.gather(work, lease, return_exceptions=True)
            self._report(claim, results[0])
            with contextlib.suppress(BotError, OSError):
                await self._store.release(claim.fence)

    def _report(self, claim: Claim, result: object) -> None:
        if isinstance(result, Exception):
            log.error("worker.investigation_failed", investigation=claim.investigation.id, exc_info=result)

    async def _renew(self, claim: Claim) -> None:
        """Renew until the lease is lost; returns then. A store that is away for a moment is tried again."""
        while True:
            await asyncio.sleep(_LEASE_S / 3)
            try:
                await self._store.renew(claim.fence, lease_s=_LEASE_S)
            except FenceLost:
                return
            except (BotError, OSError) as error:
                log.warning("worker.renew_failed", investigation=claim.investigation.id, reason=str(error))
