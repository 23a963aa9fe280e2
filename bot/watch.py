"""Wires what watches on its own: sweeps on a schedule, alerts of other systems; part of the composition root.

Sweeps run by default over every source that can tell; alert intake is asked for by a webhook secret.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Sequence
from datetime import datetime

import structlog

from bot.border import border
from bot.domain.access import Principal, PrincipalKind
from bot.domain.anomaly import Anomaly, Signal
from bot.domain.question import Source
from bot.domain.states import Severity
from bot.errors import BotError, InvalidRequest
from bot.schedule import LEASE, Schedule
from bot.services.alerts import Alerts
from bot.services.catalogue import Catalogue
from bot.services.execute import Execute
from bot.services.investigations import Investigations, OpenRequest
from bot.services.policy import Roles
from bot.services.sweep import SweepOutcome, Sweeps
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_changes import AsksChanges
from bot.services.sweep_config import find, load_watching
from bot.services.sweep_desk import SweepDesk
from bot.services.sweep_model import Sweep, Watching
from bot.services.sweep_neighbours import Neighbourhood
from bot.services.sweep_words import SweepWords
from bot.settings import Settings
from bot.store import Store
from bot.worker import incarnation
from connectors.model import Clock, JsonObject

log = structlog.get_logger(__name__)

SWEEPS = Principal(kind=PrincipalKind.SCHEDULE, id="sweeps", name="Inquest's sweeps")
_TEND_S = 2.0
_NEIGHBOURS_S = 300.0
_ONE_TICK_S = 120.0


class Watch:
    """Anomalies, and what feeds them. Only one process at a time sweeps and takes alerts in: the lease holder's."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: Store,
        execute: Execute,
        catalogue: Catalogue,
        investigations: Investigations,
        roles: Roles,
        clock: Clock,
    ) -> None:
        self._settings, self._store, self._execute, self._clock = settings, store, execute, clock
        self._catalogue, self._investigations = catalogue, investigations
        self._channels = {service: min(s.channels) for s in roles.squads if s.channels for service in s.services}
        self._squad_channels = {squad.name: min(squad.channels) for squad in roles.squads if squad.channels}
        self._watching: Watching | None = None
        self._applied = 0
        self._worker = incarnation()
        self._neighbours = Neighbourhood(execute=execute, catalogue=catalogue, clock=clock)
        self.anomalies = Anomalies(
            store=store,
            clock=clock,
            neighbours=self._neighbours,
            channel_of=self._channel_of,
            investigate=self._investigate,
            changes=AsksChanges(execute=execute, catalogue=catalogue),
            quiet=self._quiet,
        )
        self.desk = SweepDesk(store=store, clock=clock, may=roles.may_respond, base=self._base, sources=self._sources)
        self.words = SweepWords(self.anomalies, lambda: self._sweeps, discover=self._discover)
        self._sweeps: Sweeps | None = None
        self._schedule: Schedule | None = None
        self._alerts: Alerts | None = None
        self._tending: asyncio.Task[None] | None = None

    def intake(self, *, takes: bool) -> Alerts | None:
        """The door for alerts, made once; None without a webhook secret.

        `takes`: this process may also turn them into anomalies, as the one with the scheduler does; others only store.
        """
        secret = self._settings.webhook_secret
        if self._alerts is None and secret is not None:
            self._alerts = Alerts(
                store=self._store,
                anomalies=self.anomalies,
                clock=self._clock,
                secrets={"*": secret},
                takes=takes,
                lease=(LEASE, self._worker),
            )
            self._alerts.start()
        if takes:
            self._tend()
        return self._alerts

    async def start_sweeps(self) -> None:
        """Begin to sweep (the scheduler part): what the file says, else the defaults. Its errors name the line."""
        wanted = await self._listed()
        self._sweeps = self._over(wanted)
        self._schedule = Schedule(sweeps=self._sweeps, store=self._store, clock=self._clock, worker=self._worker)
        self._tend()
        log.info("sweeps.started", sweeps=[sweep.name for sweep in wanted])

    async def run_once(self, name: str) -> tuple[SweepOutcome, list[str]]:
        """One tick in a process that sweeps nothing else: what it did, and every series that is out of normal now.

        InvalidRequest while another process has the schedule: two would tell the same twice.
        """
        sweep = find(await self._listed(), name)
        if not await self._store.hold(LEASE, worker=self._worker, lease_s=_ONE_TICK_S):
            raise InvalidRequest(f"Another process runs the sweeps now. In Slack, /sweeps run {name} asks it.")
        try:
            sweeps = self._over([sweep])
            outcome, watch = await sweeps.run(sweep), sweeps.watch(name)
        finally:
            await self._store.drop(LEASE, worker=self._worker)
        return outcome, [place.odd.text for place in watch.places.values() if place.odd] if watch else []

    def _over(self, wanted: Sequence[Sweep]) -> Sweeps:
        return Sweeps(wanted, store=self._store, execute=self._execute, anomalies=self.anomalies, clock=self._clock)

    async def _discover(self) -> str:
        """Ask every source what it holds, now; how much is known then."""
        await self._catalogue.refresh()
        services = len((await self._catalogue.setting()).services)
        return f"{services} services and {len(await self._catalogue.metrics())} metrics are known now."

    async def _sources(self) -> Sequence[Source]:
        return (await self._catalogue.setting()).sources

    async def _base(self) -> Sequence[Sweep]:
        """What the file says, else the defaults; read once."""
        if self._watching is None:
            asked = self._settings.sweeps_file.exists() or self._settings.default_sweeps
            file, sources = self._settings.sweeps_file, await self._sources()
            self._watching = load_watching(file, os.environ, sources) if asked else Watching()
        return self._watching.sweeps

    async def _listed(self) -> list[Sweep]:
        """Every sweep as it is defined now, with the channel it speaks in."""
        sources = await self._sources()
        listed = [self._in_channel(one.sweep, sources) for one in await self.desk.listed()]
        self._applied = self.desk.version
        return listed

    async def _follow_changes(self) -> None:
        """What people made, changed, paused or want to run now."""
        if self._sweeps is None or self._schedule is None:
            return
        await self.desk.refresh()
        if self.desk.version != self._applied:
            self._sweeps.replace(await self._listed())
            self._schedule.sync()
        for name in self.desk.take_wanted():
            await self._schedule.run_now(name)

    async def stop(self) -> None:
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        if self._schedule is not None:
            await self._schedule.stop()
        if self._alerts is not None:
            await self._alerts.stop()

    def _tend(self) -> None:
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend_forever(), name="anomalies")

    async def _tend_forever(self) -> None:
        """Learns who calls whom, starts the schedule, then wakes snoozed anomalies and asks what changed."""
        asked_at = -_NEIGHBOURS_S
        while True:
            with border("anomalies.not_tended"):
                if time.monotonic() - asked_at >= _NEIGHBOURS_S:
                    asked_at = time.monotonic()
                    await self._neighbours.refresh()
                await self.anomalies.tend()
                await self._follow_changes()
            if self._schedule is not None:
                self._schedule.start()
            await asyncio.sleep(_TEND_S)

    def _in_channel(self, sweep: Sweep, sources: Sequence[Source]) -> Sweep:
        """A sweep over a source that belongs to a squad, such as its database, speaks in that squad's channel."""
        squad = next((source.squad for source in sources if source.name == sweep.source), None)
        channel = self._squad_channels.get(squad or "")
        return sweep if sweep.channel or not channel else sweep.model_copy(update={"channel": channel})

    def _channel_of(self, service: str) -> str | None:
        return self._channels.get(service) or (self._watching.channel if self._watching else None)

    def _quiet(self, signals: Collection[Signal], severity: Severity, now: datetime) -> str:
        return self._watching.quiet(signals, severity, now) if self._watching else ""

    async def _investigate(self, anomaly: Anomaly) -> str | None:
        """A critical anomaly is investigated once, in the thread of its alert where Slack shows one."""
        channel = anomaly.channel
        origin: JsonObject = {"face": "schedule"}
        if channel:
            origin = {"face": "slack", "channel": channel, "anomaly": anomaly.id}
        request = OpenRequest(
            text=anomaly.title or "What is behind this anomaly?",
            since=anomaly.since(self._clock.now()),
            services=anomaly.askable,
            origin=origin,
            channel=channel,
        )
        try:
            opened = await self._investigations.open(request, by=SWEEPS, delivery_id=f"anomaly:{anomaly.id}")
        except BotError as error:
            log.warning("anomaly.not_investigated", anomaly=anomaly.id, reason=str(error))
            return None
        return opened.id
