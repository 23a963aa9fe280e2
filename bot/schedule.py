"""The schedule: whichever process holds its lease runs every sweep on time, and no other does."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from bot.border import border
from bot.errors import BotError
from bot.services.sweep import Sweeps
from bot.services.sweep_model import Sweep
from bot.store import Store
from connectors.model import Clock

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

log = structlog.get_logger(__name__)

LEASE = "schedule"
_LEASE_S = 10.0
_RENEW_S = 3.0


class Schedule:
    """Starts and stops with its process. Jobs live in memory; what ran when is in the sweeps' streams."""

    def __init__(self, *, sweeps: Sweeps, store: Store, clock: Clock, worker: str) -> None:
        self._sweeps, self._store, self._clock, self._worker = sweeps, store, clock, worker
        self._task: asyncio.Task[None] | None = None
        self._scheduler: AsyncIOScheduler | None = None
        self._jobs: dict[str, Sweep] = {}
        self._held = False

    @property
    def holds(self) -> bool:
        """True while this process runs the sweeps."""
        return self._held

    def start(self) -> None:
        """Begin; twice does no harm."""
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._forever(), name="schedule")

    async def stop(self) -> None:
        """Stop the jobs and let another process have the lease at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(BotError, OSError):
            if self.holds:
                await self._sweeps.keep_all()
        self._end()
        with contextlib.suppress(BotError, OSError):
            await self._store.drop(LEASE, worker=self._worker)

    async def _forever(self) -> None:
        while True:
            try:
                held = await self._store.hold(LEASE, worker=self._worker, lease_s=_LEASE_S)
            except (BotError, OSError) as error:
                log.warning("schedule.lease_unknown", reason=str(error))
                held = False
            if held and not self._held:
                self._begin()
            elif not held and self._held:
                log.warning("schedule.lease_lost")
                self._end()
            await asyncio.sleep(_RENEW_S)

    def _begin(self) -> None:
        self._held = True
        self.sync()
        log.info("schedule.begins", sweeps=sorted(self._jobs))

    def sync(self) -> None:
        """A job for every sweep that is on, as it is defined now."""
        wanted = {sweep.name: sweep for sweep in self._sweeps.sweeps if sweep.enabled} if self._held else {}
        if self._scheduler is None and not wanted:
            return
        from apscheduler.triggers.interval import IntervalTrigger

        scheduler = self._scheduler = self._scheduler or _started()
        for name in self._jobs.keys() - wanted.keys():
            scheduler.remove_job(name)
        for name, sweep in wanted.items():
            if self._jobs.get(name) != sweep:
                trigger, now = IntervalTrigger(seconds=int(sweep.every_s), timezone=UTC), datetime.now(UTC)
                scheduler.add_job(self._run, trigger, args=[sweep], id=name, next_run_time=now, replace_existing=True)
        self._jobs = wanted

    async def run_now(self, name: str) -> None:
        """The next tick of a sweep is now; one that is paused runs this once."""
        if not self._held:
            return
        if self._scheduler is not None and name in self._jobs:
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))
            return
        for sweep in self._sweeps.sweeps:
            if sweep.name == name:
                await self._run(sweep)

    def _end(self) -> None:
        if self._held:
            self._sweeps.forget()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
        self._held, self._scheduler, self._jobs = False, None, {}

    async def _run(self, sweep: Sweep) -> None:
        # The scheduler that cancels a job at its end would report that as the job's failure.
        with contextlib.suppress(asyncio.CancelledError), border("sweep.failed", sweep=sweep.name):
            outcome = await self._sweeps.run(sweep)
            log.info("sweep.ran", sweep=sweep.name, outcome=outcome.outcome, signals=outcome.signals)


def _started() -> AsyncIOScheduler:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler = AsyncIOScheduler(job_defaults=defaults, timezone=UTC)
    scheduler.start()
    return scheduler
