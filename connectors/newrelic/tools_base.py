"""What the tool modules of New Relic share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors._reading import Reading
from connectors.base import Answer, Ask
from connectors.http import HttpClient
from connectors.model import Clock, JsonObject, Payload, TimeWindow
from connectors.newrelic.config import NewRelicConfig
from connectors.newrelic.nerdgraph import LANGUAGE, run_nrql
from connectors.newrelic.nrql import literal, name, select, since
from connectors.newrelic.results import query_link, value_of

_DEFAULT_SPAN = timedelta(minutes=30)
_KEPT_FOR = timedelta(minutes=10)
SERVICE_ATTRIBUTES = ("service.name", "entity.name", "service", "serviceName", "appName", "container_name")
LEVEL_ATTRIBUTES = ("level", "log.level", "severity", "severity.text", "loglevel")


class Shape(NamedTuple):
    """Which attributes of log lines name the service and the level; None: none does."""

    service: str | None
    level: str | None


class Tools:
    """Base of the tool modules; the connector gives the client."""

    config: NewRelicConfig
    name: str
    clock: Clock
    link: HttpClient

    def prepare(self) -> None:
        """State of the discovery; the connector calls it once."""
        self._shape: tuple[datetime, Shape] | None = None
        self._looking = asyncio.Lock()

    def reading(self, ask: Ask) -> Reading:
        return Reading(self.link, ask, name=self.name)

    def window(self, ask: Ask) -> TimeWindow:
        """The call's window, else the last half hour."""
        now = self.clock.now()
        return ask.window or TimeWindow(start=now - _DEFAULT_SPAN, end=now)

    def with_baseline(self, ask: Ask, minutes: int) -> TimeWindow:
        """The window and the time before it, at least as long as the window."""
        window = self.window(ask)
        before = max(timedelta(minutes=minutes), window.duration) if minutes else timedelta(0)
        return TimeWindow(start=window.start - before, end=window.end)

    async def run(self, reading: Reading, nrql: str) -> list[JsonObject]:
        return await run_nrql(reading, self.config.account_id, nrql)

    @property
    def here(self) -> str:
        """The condition that keeps one environment's events, or nothing."""
        attribute, value = self.config.environment_attribute, self.config.environment_value
        return f"{name(attribute)} = {literal(value)}" if attribute and value else ""

    def cited(self, reading: Reading, payload: Payload, nrql: str, window: TimeWindow | None) -> Answer:
        """The answer with a link into the query builder."""
        url = query_link(self.config.app, self.config.account_id, nrql)
        return reading.answer(payload, language=LANGUAGE, url=url, window=window)

    async def shape(self, reading: Reading, span: TimeWindow) -> Shape:
        """Asked once in ten minutes: which attributes most log lines have."""
        async with self._looking:
            now = self.clock.now()
            if self._shape is not None and now - self._shape[0] < _KEPT_FOR:
                return self._shape[1]
            wanted = [*SERVICE_ATTRIBUTES, *LEVEL_ATTRIBUTES]
            counts = ", ".join(f"count({name(one)}) AS 'c{index}'" for index, one in enumerate(wanted))
            found = await self.run(reading, select(counts, "Log", tail=since(span)))
            row = found[0] if found else {}
            held = {one: value_of(row, f"c{index}") or 0.0 for index, one in enumerate(wanted)}
            shape = Shape(_most(held, SERVICE_ATTRIBUTES), _most(held, LEVEL_ATTRIBUTES))
            if any(held.values()):
                self._shape = (now, shape)
            return shape


def _most(held: dict[str, float], attributes: Sequence[str]) -> str | None:
    """The attribute on most lines, the earlier one of equals."""
    best = max(attributes, key=lambda one: held[one])
    return best if held[best] else None
