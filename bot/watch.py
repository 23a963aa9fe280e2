"""Wires what watches on its own: sweeps on a schedule, alerts of other systems; part of the composition root.

Both are asked for: sweeps by a sweeps file, alert intake by a webhook secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import structlog

from bot.domain.access import Principal, PrincipalKind, Squad
from bot.domain.anomaly import Anomaly
from bot.errors import BotError
from bot.schedule import Schedule
from bot.services.alerts import Alerts
from bot.services.catalogue import Catalogue
from bot.services.execute import Execute
from bot.services.investigations import Investigations, OpenRequest
from bot.services.sweep import Sweeps
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_config import load_sweeps
from bot.settings import Settings
from bot.store import Store
from bot.worker import incarnation
from connectors.model import Clock, JsonObject

log = structlog.get_logger(__name__)

SWEEPS = Principal(kind=PrincipalKind.SCHEDULE, id="sweeps", name="Inquest's sweeps")


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
        squads: Sequence[Squad],
        clock: Clock,
    ) -> None:
        self._settings, self._store, self._execute, self._clock = settings, store, execute, clock
        self._catalogue, self._investigations = catalogue, investigations
        self._channels = {service: min(s.channels) for s in squads if s.channels for service in s.services}
        self.anomalies = Anomalies(
            store=store, clock=clock, channel_of=self._channels.get, investigate=self._investigate
        )
        self._schedule: Schedule | None = None
        self._alerts: Alerts | None = None

    def intake(self, *, takes: bool) -> Alerts | None:
        """The door for alerts, made once; None without a webhook secret.

        `takes`: this process also turns them into anomalies, as the one with the scheduler does; others only store.
        """
        secret = self._settings.webhook_secret
        if self._alerts is None and secret is not None:
            self._alerts = Alerts(
                store=self._store, anomalies=self.anomalies, clock=self._clock, secrets={"*": secret}, takes=takes
            )
            self._alerts.start()
        return self._alerts

    async def start_sweeps(self, environment: Mapping[str, str] | None = None) -> None:
        """Begin to sweep (the scheduler part), when there is a sweeps file. Its errors name the line."""
        if not self._settings.sweeps_file.exists():
            return
        sources = (await self._catalogue.setting()).sources
        wanted = load_sweeps(self._settings.sweeps_file, environment or os.environ, sources)
        sweeps = Sweeps(wanted, store=self._store, execute=self._execute, anomalies=self.anomalies, clock=self._clock)
        self._schedule = Schedule(sweeps=sweeps, store=self._store, clock=self._clock, worker=incarnation())
        self._schedule.start()
        log.info("sweeps.started", sweeps=[sweep.name for sweep in wanted])

    async def stop(self) -> None:
        if self._schedule is not None:
            await self._schedule.stop()
        if self._alerts is not None:
            await self._alerts.stop()

    async def _investigate(self, anomaly: Anomaly) -> str | None:
        """A critical anomaly is investigated once, in its squad's channel where there is one."""
        channel = anomaly.channel or next((self._channels[s] for s in anomaly.services if s in self._channels), None)
        origin: JsonObject = {"face": "slack", "channel": channel} if channel else {"face": "schedule"}
        request = OpenRequest(
            text=anomaly.title or "What is behind this anomaly?",
            services=anomaly.services,
            origin=origin,
            channel=channel,
        )
        try:
            opened = await self._investigations.open(request, by=SWEEPS, delivery_id=f"anomaly:{anomaly.id}")
        except BotError as error:
            log.warning("anomaly.not_investigated", anomaly=anomaly.id, reason=str(error))
            return None
        return opened.id
