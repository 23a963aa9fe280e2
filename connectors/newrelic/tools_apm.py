"""Tools over APM: signals, incidents, entities, deployments, free NRQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from connectors._reading import Reading
from connectors._sampling import step_for
from connectors.base import Answer, Ask, tool
from connectors.model import Changes, EvidenceKind, JsonObject, Objects, Series, SeriesSet, TimeWindow
from connectors.newrelic.arguments import (
    DeploymentArguments,
    EntityArguments,
    NrqlArguments,
    SignalArguments,
    ViolationArguments,
)
from connectors.newrelic.nerdgraph import search_entities
from connectors.newrelic.nrql import MAX_BUCKETS, among, free, literal, select, since, where
from connectors.newrelic.results import change_of, entity_item, free_rows, free_series, incident_item, is_series
from connectors.newrelic.signals import request_series, resource_series
from connectors.newrelic.tools_base import Tools

_POINTS = 240
_MOST_SERVICES = 50
_MOST_CHANGES = 500
_MOST_ENTITIES = 500
_INCIDENT_DAYS = 7
_LATENCIES = "percentile(duration, 50, 95, 99) AS 'latency', average(duration) AS 'mean'"
_SPAN_LATENCIES = "percentile(duration.ms, 50, 95, 99) AS 'latency', average(duration.ms) AS 'mean'"


class ApmTools(Tools):
    """Reads what agents report."""

    @tool(
        "Request rate, errors, latency and resource use of each service, with the time before as baseline.",
        returns=[EvidenceKind.SERIES],
    )
    async def get_service_signals(self, arguments: SignalArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.with_baseline(ask, arguments.baseline_minutes)
        step_s = max(10, step_for(span, points=min(_POINTS, MAX_BUCKETS)))
        queries = self._signal_queries(arguments.services, span, step_s)
        transactions, spans, containers = await asyncio.gather(*(self.run(reading, nrql) for nrql in queries))
        series = request_series(transactions, step_s=step_s, factor=1.0)
        known = {one.service for one in series}
        # Spans are sampled where agents also send transactions, so they only speak for services without any.
        series += [one for one in request_series(spans, step_s=step_s, factor=0.001) if one.service not in known]
        series += resource_series(containers, step_s=step_s)
        return self.cited(reading, SeriesSet(series=_filtered(series)), queries[0], span)

    def _signal_queries(self, services: Sequence[str], span: TimeWindow, step_s: int) -> tuple[str, str, str]:
        tail = f" TIMESERIES {step_s} seconds LIMIT {_MOST_SERVICES}{since(span)}"
        served = "`span.kind` IN ('server', 'consumer')"
        failed = "filter(count(*), WHERE error IS TRUE) AS 'errors'"
        span_failed = "filter(count(*), WHERE `otel.status_code` = 'ERROR') AS 'errors'"
        utilisation = (
            "average(cpuCoresUtilization) AS 'cpu', average(memoryWorkingSetUtilization) AS 'memory', "
            "max(restartCount) AS 'restarts'"
        )
        return (
            select(
                f"count(*) AS 'requests', {failed}, {_LATENCIES}",
                "Transaction",
                where(self.here, among("appName", services)),
                f" FACET appName{tail}",
            ),
            select(
                f"count(*) AS 'requests', {span_failed}, {_SPAN_LATENCIES}",
                "Span",
                where(self.here, served, among("service.name", services)),
                f" FACET `service.name`{tail}",
            ),
            select(
                utilisation,
                "K8sContainerSample",
                where(self.here, among("deploymentName", services)),
                f" FACET deploymentName{tail}",
            ),
        )

    @tool("Incidents (violations) that are open, worst first.", returns=[EvidenceKind.OBJECTS])
    async def list_violations(self, arguments: ViolationArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        span = TimeWindow(start=window.start - timedelta(days=_INCIDENT_DAYS), end=window.end)
        kept = ("event", "title", "priority", "openTime", "closeTime", "conditionName", "policyName", "targetName")
        picked = ", ".join(f"latest({one}) AS '{one}'" for one in (*kept, "incidentLink"))
        picked += ", latest(`entity.name`) AS 'entityName'"
        named = where(among("entity.name", arguments.services))
        nrql = select(picked, "NrAiIncident", named, f" FACET incidentId LIMIT 500{since(span)}")
        items = [incident_item(row) for row in await self.run(reading, nrql)]
        items = [item for item in items if _shown(item.fields, window, also_closed=arguments.also_closed)]
        items.sort(
            key=lambda item: (item.fields["state"] != "firing", item.fields["severity"] != "critical", item.name)
        )
        return self.cited(reading, Objects(items=tuple(items)), nrql, span)

    @tool("Services, hosts and other things that report, those that alert first.", returns=[EvidenceKind.OBJECTS])
    async def list_entities(self, arguments: EntityArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        parts = [f"accountId = {self.config.account_id}"]
        parts += [f"domain = '{arguments.domain}'"] if arguments.domain else []
        parts += [f"name LIKE {literal(arguments.name)}"] if arguments.name else []
        found = await search_entities(reading, " AND ".join(parts), most=min(_MOST_ENTITIES, ask.limits.max_rows))
        items = sorted((entity_item(raw) for raw in found), key=lambda item: (_calm(item.fields), item.name))
        return reading.answer(
            Objects(items=tuple(items)), language="nerdgraph", url=f"{self.config.app}/entity-explorer"
        )

    @tool("Deployments and other tracked changes of the window and before it.", returns=[EvidenceKind.CHANGES])
    async def list_deployments(self, arguments: DeploymentArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        span = TimeWindow(start=window.start - timedelta(hours=arguments.hours_before), end=window.end)
        kept = "timestamp, `entity.name`, version, commit, shortDescription, description, changelog, deepLink, user"
        named, tail = where(among("entity.name", arguments.services)), f" LIMIT {_MOST_CHANGES}{since(span)}"
        nrql = select(f"{kept}, category", "Deployment, ChangeTrackingEvent", named, tail)
        rows = await self.run(reading, nrql)
        if len(rows) == _MOST_CHANGES:
            reading.note(f"newest {_MOST_CHANGES} changes; there may be more")
        changes = [change for row in rows if (change := change_of(row, self.config.app)) is not None]
        changes.sort(key=lambda change: change.at, reverse=True)
        return self.cited(reading, Changes(items=tuple(changes)), nrql, span)

    @tool("Run one NRQL query after the guard.", returns=[EvidenceKind.ROWS, EvidenceKind.SERIES])
    async def run_nrql(self, arguments: NrqlArguments, ask: Ask) -> Answer:
        reading, window = self.reading(ask), self.window(ask)
        nrql, notes = free(arguments.nrql, window, ask.limits)
        results = await self.run(reading, nrql)
        for note in notes:
            reading.note(note)
        payload = free_series(results) if is_series(results) else free_rows(results)
        return self.cited(reading, payload, nrql, ask.window)

    async def services(self, reading: Reading) -> list[str]:
        """Names of the services that report now."""
        search = f"accountId = {self.config.account_id} AND domain IN ('APM', 'EXT') AND reporting = 'true'"
        return sorted({str(raw.get("name")) for raw in await search_entities(reading, search, most=1_000)})


def _filtered(series: Sequence[Series]) -> tuple[Series, ...]:
    return tuple(one for one in series if any(value is not None for _, value in one.points))


def _shown(fields: JsonObject, window: TimeWindow, *, also_closed: bool) -> bool:
    """Open at some moment of the window: now, or closed only after it began when those are wanted."""
    if fields["state"] == "firing":
        return True
    closed = fields["closed"]
    return also_closed and isinstance(closed, str) and closed >= window.start.isoformat()[:19]


def _calm(fields: JsonObject) -> bool:
    return fields["alert_severity"] not in ("CRITICAL", "WARNING")
