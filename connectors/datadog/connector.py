"""The Datadog connector: lifecycle, health and what there is; the tools are in the modules beside it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ValidationError

from connectors._json import need_mapping
from connectors._linked import LinkedConnector
from connectors.base import Ask
from connectors.datadog import api
from connectors.datadog.config import DatadogConfig
from connectors.datadog.tools_events import EventTools
from connectors.datadog.tools_logs import LogTools
from connectors.datadog.tools_spans import SpanTools
from connectors.errors import Unauthorized
from connectors.http import HttpClient
from connectors.model import Health, HealthStatus, JsonObject, Limits, SchemaEntry, SourceSchema

_PROBE = Limits(deadline_s=8.0, max_bytes=4_000_000)
_MOST_METRICS = 2_000


class DatadogConnector(EventTools, LogTools, SpanTools, LinkedConnector[DatadogConfig, HttpClient]):
    """Reads one organisation through Datadog's API."""

    type: ClassVar[str] = "datadog"
    driver_errors = (ValidationError,)  # an answer whose values do not fit our types
    Config = DatadogConfig

    def make_link(self) -> HttpClient:
        return HttpClient(self.config.access(), name=self.name)

    def prepare(self) -> None:
        self.pace = api.Pace(self.clock)

    async def probe(self) -> Health:
        """Both keys are asked: `validate` looks at the API key only."""
        reading = self.reading(Ask(None, _PROBE, self.clock))
        answer = need_mapping(await reading.get("/api/v1/validate"), self.name, "valid")
        if answer.get("valid") is not True:
            raise Unauthorized(f"{self.name}: the API key is not valid for site {self.config.site}.")
        await self.metric_names(reading, "trace.")
        words = f"Both keys are accepted on site {self.config.site}"
        hint = "" if self.config.env else "; set env to read one environment only"
        return Health(status=HealthStatus.HEALTHY, latency_ms=0.0, detail=f"{words}{hint}.")

    async def describe(self) -> SourceSchema:
        ask = Ask(None, _PROBE, self.clock)
        reading = self.reading(ask)
        names = sorted(await self.metric_names(reading, ""))
        count: JsonObject = {"aggregation": "count", "type": "total"}
        query, span = " ".join(self.clauses(())), self.window(ask)
        found = await api.aggregate(reading, kind="spans", query=query, span=span, compute=[count], by=["service"])
        services = sorted({bucket.by["service"] for bucket in found if bucket.by.get("service")})
        entries = tuple(SchemaEntry(name=name, kind="metric") for name in names[:_MOST_METRICS])
        cut = f"first {len(entries):,} of {len(names):,} metrics" if len(names) > len(entries) else None
        return SourceSchema(entries=entries, services=tuple(services), truncated=cut)
