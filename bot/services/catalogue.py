"""What can be asked and what is known to exist: one catalogue for questions, planning and faces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from bot.domain.access import Squad
from bot.domain.question import Service, Setting, Source
from bot.services.execute import Execute, Instance
from connectors.errors import ConnectorError
from connectors.model import Effect, Health, HealthStatus, SourceSchema

log = structlog.get_logger(__name__)

_DESCRIBE_DEADLINE_S = 8.0
_MOST_SERVICES = 10_000


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
    """Sources, squads and the services seen so far. `refresh` asks the sources; reading never waits for them."""

    execute: Execute
    infos: Sequence[SourceInfo]
    squads: Sequence[Squad]
    environments: tuple[str, ...] = ("production",)
    default_window_minutes: int = 30
    discovered: dict[str, None] = field(default_factory=dict)
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
        found = await asyncio.gather(*(self._describe(info) for info in self.infos))
        for schema in found:
            for name in schema.services if schema else ():
                if len(self.discovered) < _MOST_SERVICES:
                    self.discovered.setdefault(name)
        self._first.set()

    async def known(self, timeout_s: float) -> None:
        """Wait for the first refresh, but not long: a question must not hang on discovery."""
        try:
            await asyncio.wait_for(self._first.wait(), timeout_s)
        except TimeoutError:
            log.info("catalogue.not_ready")

    async def described(self, name: str) -> SourceSchema | None:
        """What one source holds, asked now; None when there is no such source or it does not answer."""
        info = next((info for info in self.infos if info.name == name), None)
        return await self._describe(info) if info else None

    async def _describe(self, info: SourceInfo) -> SourceSchema | None:
        instance = self.execute.instances[info.name]
        try:
            async with asyncio.timeout(_DESCRIBE_DEADLINE_S):
                await _open(instance)
                return await instance.connector.describe()
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


async def _open(instance: Instance) -> None:
    if not instance.opened:
        await instance.connector.open()
        instance.opened = True
