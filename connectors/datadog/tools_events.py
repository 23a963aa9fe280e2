"""Tools over monitors, events and deployments."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from connectors._json import mapping, need_list, text
from connectors._reading import Reading
from connectors._sampling import step_for
from connectors.base import Answer, Ask, tool
from connectors.datadog import api
from connectors.datadog.arguments import DeploymentArguments, EventArguments, MonitorArguments
from connectors.datadog.items import deployment_of, event_item, monitor_item, new_versions
from connectors.datadog.links import events_link, metric_link, monitor_link
from connectors.datadog.signals import operations
from connectors.datadog.tools_base import LANGUAGE
from connectors.datadog.tools_metrics import MetricTools
from connectors.model import Change, Changes, EvidenceKind, JsonObject, Objects, TimeWindow

_PAGE = 1_000
_MOST_PAGES = 5
_MOST_EVENTS = 500


class EventTools(MetricTools):
    """Reads what Datadog watches and what it was told."""

    @tool("Monitors that alert, warn or lack data, worst first.", returns=[EvidenceKind.OBJECTS])
    async def list_monitors(self, arguments: MonitorArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        wanted = set(self.chosen(arguments.services))
        items = []
        for raw in await self._monitors(reading):
            item = monitor_item(raw, monitor_link(self.config, text(raw, "id") or ""))
            elsewhere = self.config.env and mapping(item.fields, "labels").get("env") not in (None, self.config.env)
            if elsewhere or (not arguments.every_state and item.fields["state"] == "ok"):
                continue
            if not wanted or item.fields["service"] in wanted or item.fields["service"] is None:
                items.append(item)
        items.sort(key=lambda item: (item.fields["state"] != "firing", item.name))
        url = f"{self.config.app}/monitors/manage"
        return reading.answer(Objects(items=tuple(items)), language="http", url=url)

    async def _monitors(self, reading: Reading) -> list[JsonObject]:
        found: list[JsonObject] = []
        for page in range(_MOST_PAGES):
            params = {"group_states": "alert,warn,no data", "page": str(page), "page_size": str(_PAGE)}
            shown = f"GET /api/v1/monitor page {page}"
            part = need_list(await reading.get("/api/v1/monitor", params, show=shown), reading.name)
            found += part
            if len(part) < _PAGE:
                return found
        reading.note(f"first {len(found):,} monitors")
        return found

    @tool("Events of the window and before it, newest first.", returns=[EvidenceKind.OBJECTS])
    async def list_events(self, arguments: EventArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self._reaching_back(ask, arguments.hours_before)
        query = " ".join([*self.clauses(arguments.services), *([f"({arguments.query})"] if arguments.query else [])])
        limit = min(_MOST_EVENTS, ask.limits.max_rows)
        events = await self._events(reading, query, span, most=limit + 1)
        if len(events) > limit:
            reading.note(f"newest {limit:,} events; there are more")
        items = tuple(event_item(raw) for raw in events[:limit])
        url = events_link(self.config, query, span)
        return reading.answer(Objects(items=items), language=LANGUAGE, url=url, window=span)

    @tool("Deployments: events that tell of them, and versions that began to serve.", returns=[EvidenceKind.CHANGES])
    async def list_deployments(self, arguments: DeploymentArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self._reaching_back(ask, arguments.hours_before)
        query = " ".join([*self.clauses(arguments.services), f"({self.config.deployment_query})"])
        url = events_link(self.config, query, span)
        events, versions = await asyncio.gather(
            self._events(reading, query, span, most=_MOST_EVENTS), self._versions(reading, arguments, span)
        )
        told = [change for raw in events if (change := deployment_of(raw, url)) is not None]
        named = {(change.service, change.version) for change in told}
        changes = told + [change for change in versions if (change.service, change.version) not in named]
        changes.sort(key=lambda change: change.at, reverse=True)
        return reading.answer(Changes(items=tuple(changes)), language=LANGUAGE, url=url, window=span)

    async def _versions(self, reading: Reading, arguments: DeploymentArguments, span: TimeWindow) -> list[Change]:
        found = operations(await self.metric_names(reading, "trace."))
        if not found:
            return []
        scope = self.scope(arguments.services)
        queries = [f"sum:trace.{one}.hits{scope} by {{service,version}}.as_count()" for one in found]
        step_s = max(60, step_for(span, points=480))
        plots = await api.timeseries(reading, queries, span, step_s=step_s)
        return new_versions(plots, url=metric_link(self.config, queries[0], span))

    async def _events(self, reading: Reading, query: str, span: TimeWindow, *, most: int) -> list[JsonObject]:
        body: JsonObject = {"filter": api.span_filter(query, span), "sort": "-timestamp"}
        return await api.pages(reading, "/api/v2/events/search", body, most=most)

    def _reaching_back(self, ask: Ask, hours: int) -> TimeWindow:
        window = self.window(ask)
        return TimeWindow(start=window.start - timedelta(hours=hours), end=window.end)
