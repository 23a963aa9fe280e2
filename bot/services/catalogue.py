"""What can be asked and what is known to exist: one catalogue for questions, planning and faces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.domain.access import Squad
from bot.domain.question import Service, Setting, Source
from bot.errors import BotError
from bot.services.execute import Execute, Instance
from bot.store.discovery import Discovery, KnownMetric, KnownService
from connectors.errors import ConnectorError
from connectors.model import Clock, Effect, Health, HealthStatus, SourceSchema, SystemClock

log = structlog.get_logger(__name__)

_DESCRIBE_DEADLINE_S = 8.0
_MOST_SERVICES = 10_000
_FRESH_S = 300.0
_RECALLED = timedelta(days=7)
_METRICS_KEPT = timedelta(days=30)
METRIC_KINDS = frozenset({"counter", "gauge", "histogram", "summary", "metric", "untyped", "unknown"})
"""Kinds of schema entries that are metrics; `metric` says nothing of its type."""


@dataclass(frozen=True)
class SourceInfo:
    """What configuration says about a source beside its connector."""

    name: str
    type: str
    environment: str
    squad: str | None = None
    services: tuple[str, ...] = ()


@dataclass
class Catalogue:
    """Sources, squads and the services seen so far. `refresh` asks the sources; reading never waits for them.

    `memory` keeps what was seen over restarts, with when that was.
    """

    execute: Execute
    infos: Sequence[SourceInfo]
    squads: Sequence[Squad]
    environments: tuple[str, ...] = ("production",)
    default_window_minutes: int = 30
    memory: Discovery | None = None
    clock: Clock = field(default_factory=SystemClock)
    discovered: dict[str, None] = field(default_factory=dict)
    _calls: dict[str, set[str]] = field(default_factory=dict)
    _schemas: dict[str, tuple[float, SourceSchema]] = field(default_factory=dict)
    _health: dict[str, Health] = field(default_factory=dict)
    _first: asyncio.Event = field(default_factory=asyncio.Event)

    async def setting(self) -> Setting:
        """The surroundings of a question as known now."""
        return Setting(
            services=tuple(self._services()),
            squads=tuple(self.squads),
            sources=tuple(self._source(info) for info in self.infos),
            environments=self.environments,
            default_window_minutes=self.default_window_minutes,
        )

    def _services(self) -> list[Service]:
        owners = {name: squad.name for squad in self.squads for name in squad.services}
        named = [*owners, *(name for info in self.infos for name in info.services), *self.discovered]
        return [Service(name=name, squad=owners.get(name)) for name in dict.fromkeys(named)]

    def _source(self, info: SourceInfo) -> Source:
        connector = self.execute.instances[info.name].connector
        return Source(
            name=info.name,
            type=info.type,
            environment=info.environment,
            squad=info.squad,
            services=info.services,
            # A reasoner chooses reads; changes come from runbooks and go through people.
            tools=tuple(tool for tool in connector.tools() if tool.effect is Effect.READ),
        )

    async def refresh(self) -> None:
        """Ask every source what services it sees; a source that does not answer keeps what it said before."""
        if not self._first.is_set():
            await self._recall()
        found = await asyncio.gather(*(self._describe(info) for info in self.infos))
        told = [(info, schema) for info, schema in zip(self.infos, found, strict=True) if schema is not None]
        self._discover(name for _, schema in told for name in schema.services)
        self._first.set()
        await self._remember(told)

    def note_call(self, caller: str, callee: str) -> None:
        """One service was seen to call another; it is kept at the next refresh."""
        self._calls.setdefault(caller, set()).add(callee)

    def _discover(self, names: Iterable[str]) -> None:
        for name in names:
            if len(self.discovered) < _MOST_SERVICES:
                self.discovered.setdefault(name)

    async def _recall(self) -> None:
        """What earlier processes saw, so that a question right after a start knows the services."""
        if self.memory is None:
            return
        try:
            known = await self.memory.services()
        except (BotError, OSError) as error:
            log.warning("catalogue.not_recalled", reason=str(error))
            return
        recent = [one for one in known if self.clock.now() - one.last_seen_at <= _RECALLED]
        self._discover(one.name for one in recent)
        for one in recent:
            self._calls.setdefault(one.name, set()).update(one.calls)

    async def _remember(self, told: Sequence[tuple[SourceInfo, SourceSchema]]) -> None:
        """Into the tables of services and metrics."""
        if self.memory is None:
            return
        now, owners = self.clock.now(), {name: squad.name for squad in self.squads for name in squad.services}
        seen: dict[tuple[str, str], list[str]] = {}
        for info, schema in told:
            for name in schema.services:
                seen.setdefault((info.environment, name), []).append(info.name)
        services = [
            KnownService(environment, name, owners.get(name), tuple(sources), self._calls_of(name), now, now)
            for (environment, name), sources in seen.items()
        ]
        metrics = [metric for info, schema in told for metric in _metrics(info.name, schema, now)]
        try:
            await self.memory.keep_services(services[:_MOST_SERVICES])
            await self.memory.keep_metrics(metrics)
            await self.memory.forget_metrics(before=now - _METRICS_KEPT)
        except (BotError, OSError) as error:
            log.warning("catalogue.not_kept", reason=str(error))

    async def seen(self) -> list[KnownService]:
        """Every service that a source ever named, with when; empty where nothing is kept."""
        return await self.memory.services() if self.memory is not None else []

    async def metrics(self) -> list[KnownMetric]:
        """Every metric that a source names; from the table of them where there is one."""
        if self.memory is not None:
            return await self.memory.metrics([info.name for info in self.infos])
        found = [(info.name, await self.described(info.name)) for info in self.infos]
        now = self.clock.now()
        return [metric for name, schema in found if schema for metric in _metrics(name, schema, now)]

    def _calls_of(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self._calls.get(name, ())))

    async def known(self, timeout_s: float) -> None:
        """Wait for the first refresh, but not long: a question must not hang on discovery."""
        try:
            await asyncio.wait_for(self._first.wait(), timeout_s)
        except TimeoutError:
            log.info("catalogue.not_ready")

    async def described(self, name: str) -> SourceSchema | None:
        """What one source holds, at most five minutes old; None when there is no such source or it does not answer."""
        at, schema = self._schemas.get(name, (0.0, None))
        if schema is not None and time.monotonic() - at < _FRESH_S:
            return schema
        info = next((info for info in self.infos if info.name == name), None)
        return await self._describe(info) if info else None

    async def _describe(self, info: SourceInfo) -> SourceSchema | None:
        instance = self.execute.instances[info.name]
        try:
            async with asyncio.timeout(_DESCRIBE_DEADLINE_S):
                await _open(instance)
                schema = await instance.connector.describe()
                self._schemas[info.name] = time.monotonic(), schema
                return schema
        except (ConnectorError, TimeoutError, OSError) as error:
            log.info("catalogue.source_silent", source=info.name, reason=str(error))
        except instance.connector.driver_errors as error:
            log.info("catalogue.source_silent", source=info.name, reason=str(instance.connector.translate(error)))
        return None

    async def check(self) -> dict[str, Health]:
        """The health of every source, asked now, side by side."""
        names = [info.name for info in self.infos]
        found = await asyncio.gather(*(self._check(name) for name in names))
        self._health = dict(zip(names, found, strict=True))
        return dict(self._health)

    @property
    def health(self) -> dict[str, Health]:
        """What the last `check` said; empty before the first."""
        return dict(self._health)

    async def _check(self, name: str) -> Health:
        instance = self.execute.instances[name]
        try:
            await _open(instance)
        except ConnectorError as error:
            return Health(status=HealthStatus.UNHEALTHY, latency_ms=0.0, detail=str(error))
        return await instance.connector.check()


def _metrics(source: str, schema: SourceSchema, now: datetime) -> Iterator[KnownMetric]:
    for entry in schema.entries:
        if entry.kind in METRIC_KINDS:
            kind = "" if entry.kind == "metric" else entry.kind
            yield KnownMetric(source, entry.name, kind, entry.description or "", tuple(entry.fields), now, now)


async def _open(instance: Instance) -> None:
    if not instance.opened:
        await instance.connector.open()
        instance.opened = True
