"""Tools over metrics: signals of services, free queries, metric names."""

from __future__ import annotations

import asyncio

from connectors._json import mapping, need_mapping
from connectors._reading import Reading
from connectors._sampling import step_for
from connectors.base import Answer, Ask, tool
from connectors.datadog import api
from connectors.datadog.arguments import MetricArguments, SignalArguments, WordArguments
from connectors.datadog.links import metric_link
from connectors.datadog.signals import canonical, operations, request_wishes, use_wishes
from connectors.datadog.tools_base import LANGUAGE, Tools
from connectors.model import Column, EvidenceKind, Rows, Series, SeriesSet

_POINTS = 240
_MOST_NAMES = 200
_PER_REQUEST = 12


class MetricTools(Tools):
    """Reads metrics."""

    @tool(
        "Request rate, errors, latency and resource use of each service, with the time before as baseline.",
        returns=[EvidenceKind.SERIES],
    )
    async def get_service_signals(self, arguments: SignalArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.with_baseline(ask, arguments.baseline_minutes)
        found = operations(await self.metric_names(reading, "trace."))
        scope = self.scope(arguments.services)
        wishes = [*request_wishes(found, scope), *use_wishes(scope)]
        step_s = max(10, step_for(span, points=_POINTS))
        slices = [wishes[at : at + _PER_REQUEST] for at in range(0, len(wishes), _PER_REQUEST)]
        answers = await asyncio.gather(
            *(api.timeseries(reading, [wish.query for wish in part], span, step_s=step_s) for part in slices)
        )
        plots = [
            plot._replace(query=plot.query + index * _PER_REQUEST)
            for index, part in enumerate(answers)
            for plot in part
        ]
        if not found:
            reading.note("no APM metric of a serving operation was found")
        series = canonical(wishes, plots, step_s=step_s)
        url = metric_link(self.config, wishes[0].query, span)
        return reading.answer(SeriesSet(series=tuple(series)), language=LANGUAGE, url=url, window=span)

    @tool("Run one metric query over the window.", returns=[EvidenceKind.SERIES])
    async def query_metrics(self, arguments: MetricArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.with_baseline(ask, arguments.baseline_minutes)
        step_s = step_for(span, points=_POINTS)
        plots = await api.timeseries(reading, [arguments.query], span, step_s=step_s)
        series = tuple(
            Series(
                labels=plot.tags,
                service=plot.tags.get("service"),
                metric=_metric_name(arguments.query),
                unit=plot.unit,
                step_s=step_s,
                points=tuple(plot.points),
            )
            for plot in plots
        )
        url = metric_link(self.config, arguments.query, span)
        return reading.answer(SeriesSet(series=series), language=LANGUAGE, url=url, window=span)

    @tool("Names of metrics that hold some words.", returns=[EvidenceKind.ROWS])
    async def search_metrics(self, arguments: WordArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        words = arguments.words.lower().split() or [""]
        names = await self.metric_names(reading, max(words, key=len))
        kept = sorted(name for name in names if all(word in name.lower() for word in words))
        rows = tuple((name,) for name in kept[:_MOST_NAMES])
        if len(kept) > len(rows):
            reading.note(f"first {len(rows)} of {len(kept):,} metrics")
        return reading.answer(
            Rows(columns=(Column(name="metric", type="text"),), rows=rows),
            language=LANGUAGE,
            url=f"{self.config.app}/metric/summary",
        )

    async def metric_names(self, reading: Reading, part: str) -> list[str]:
        """Names of metrics seen in the last day that hold the part."""
        answer = await reading.get(
            "/api/v1/search", {"q": f"metrics:{part}"}, show=f"GET /api/v1/search metrics:{part}"
        )
        found = mapping(need_mapping(answer, reading.name, "results"), "results").get("metrics")
        return [str(name) for name in found] if isinstance(found, list) else []


def _metric_name(query: str) -> str:
    """`avg:system.cpu.user{…}` → `system.cpu.user`."""
    return query.partition("{")[0].rpartition(":")[2].strip()[:200] or "value"
