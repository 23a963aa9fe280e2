"""The New Relic connector: lifecycle, health and what there is; the tools are in the modules beside it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ValidationError

from connectors._json import text
from connectors._linked import LinkedConnector
from connectors.base import Ask
from connectors.http import HttpClient
from connectors.model import Health, HealthStatus, Limits, SchemaEntry, SourceSchema
from connectors.newrelic.config import NewRelicConfig
from connectors.newrelic.nerdgraph import account_name
from connectors.newrelic.tools_apm import ApmTools
from connectors.newrelic.tools_logs import LogTools

_PROBE = Limits(deadline_s=8.0, max_bytes=4_000_000)
_MOST_TYPES = 1_000


class NewRelicConnector(ApmTools, LogTools, LinkedConnector[NewRelicConfig, HttpClient]):
    """Reads one account through NerdGraph."""

    type: ClassVar[str] = "newrelic"
    Config = NewRelicConfig
    driver_errors = (ValidationError,)  # an answer whose values do not fit our types

    def make_link(self) -> HttpClient:
        return HttpClient(self.config.access(), name=self.name)

    async def probe(self) -> Health:
        reading = self.reading(Ask(None, _PROBE, self.clock))
        account = await account_name(reading, self.config.account_id)
        detail = f"Reads account {self.config.account_id} ({reading.http.clean(account)}) in {self.config.region}."
        return Health(status=HealthStatus.HEALTHY, latency_ms=0.0, detail=detail)

    async def describe(self) -> SourceSchema:
        reading = self.reading(Ask(None, _PROBE, self.clock))
        found = await self.run(reading, "SHOW EVENT TYPES SINCE 1 day ago")
        names = sorted({name for row in found if (name := text(row, "eventType"))})
        services = await self.services(reading)
        entries = tuple(SchemaEntry(name=name, kind="event type") for name in names[:_MOST_TYPES])
        return SourceSchema(entries=entries, services=tuple(services), truncated="; ".join(reading.notes) or None)
