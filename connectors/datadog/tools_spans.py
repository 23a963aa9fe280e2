"""Tools over spans: who calls whom, and where time and errors are."""

from __future__ import annotations

import asyncio

from connectors._json import mapping, number, text, whole
from connectors._reading import Reading
from connectors.base import Answer, Ask, tool
from connectors.datadog import api
from connectors.datadog.arguments import OfServices, SpanArguments
from connectors.datadog.links import spans_link
from connectors.datadog.tools_base import LANGUAGE, Tools
from connectors.model import Column, Edge, EvidenceKind, JsonObject, Rows, TimeWindow, Trace, Traces

_NS_PER_MS = 1_000_000
_SLOWEST = 10
_PEER = "@peer.service"
_COMPUTE: list[JsonObject] = [
    {"aggregation": "count", "type": "total"},
    {"aggregation": "median", "metric": "@duration", "type": "total"},
    {"aggregation": "pc95", "metric": "@duration", "type": "total"},
    {"aggregation": "pc99", "metric": "@duration", "type": "total"},
]
_COUNT: list[JsonObject] = [{"aggregation": "count", "type": "total"}]


class SpanTools(Tools):
    """Reads spans."""

    @tool("Calls between services with errors and latency, and the slowest traces.", returns=[EvidenceKind.TRACES])
    async def get_topology(self, arguments: OfServices, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.window(ask)
        query = " ".join([*self.clauses(arguments.services), "@span.kind:(client OR producer)", f"{_PEER}:*"])
        every, failed, slowest = await asyncio.gather(
            api.aggregate(reading, kind="spans", query=query, span=span, compute=_COMPUTE, by=["service", _PEER]),
            api.aggregate(
                reading, kind="spans", query=f"{query} status:error", span=span, compute=_COUNT, by=["service", _PEER]
            ),
            self._slowest(reading, arguments, span),
        )
        errors = {_pair(bucket): whole(bucket.values.get("c0")) for bucket in failed}
        edges = tuple(_edge(bucket, errors.get(_pair(bucket), 0)) for bucket in every if all(_pair(bucket)))
        url = spans_link(self.config, query, span)
        return reading.answer(Traces(edges=edges, slowest=slowest), language=LANGUAGE, url=url, window=span)

    async def _slowest(self, reading: Reading, arguments: OfServices, span: TimeWindow) -> tuple[Trace, ...]:
        query = " ".join([*self.clauses(arguments.services), "_top_level:1"])
        body: JsonObject = {"filter": api.span_filter(query, span), "sort": "-timestamp"}
        found = await api.pages(reading, "/api/v2/spans/events/search", body, most=200, wrap="search_request")
        traces = [trace for raw in found if (trace := _trace(mapping(raw, "attributes"))) is not None]
        return tuple(sorted(traces, key=lambda trace: -trace.duration_ms)[:_SLOWEST])

    @tool("Count, errors and latency of spans, by one facet.", returns=[EvidenceKind.ROWS])
    async def aggregate_spans(self, arguments: SpanArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.window(ask)
        query = " ".join([*self.clauses(arguments.services), *([f"({arguments.query})"] if arguments.query else [])])
        facet = arguments.by
        every, failed = await asyncio.gather(
            api.aggregate(reading, kind="spans", query=query, span=span, compute=_COMPUTE, by=[facet]),
            api.aggregate(reading, kind="spans", query=f"{query} status:error", span=span, compute=_COUNT, by=[facet]),
        )
        errors = {bucket.by.get(facet): whole(bucket.values.get("c0")) for bucket in failed}
        rows = tuple(
            (
                bucket.by.get(facet),
                whole(bucket.values.get("c0")),
                errors.get(bucket.by.get(facet), 0),
                *(_ms(bucket.values.get(place)) for place in ("c1", "c2", "c3")),
            )
            for bucket in every
        )
        columns = (
            Column(name=facet, type="text"),
            Column(name="count", type="int"),
            Column(name="errors", type="int"),
            *(Column(name=name, type="double", unit="ms") for name in ("p50_ms", "p95_ms", "p99_ms")),
        )
        url = spans_link(self.config, query, span)
        return reading.answer(Rows(columns=columns, rows=rows), language=LANGUAGE, url=url, window=span)


def _pair(bucket: api.Bucket) -> tuple[str, str]:
    return bucket.by.get("service", ""), bucket.by.get(_PEER, "")


def _edge(bucket: api.Bucket, errors: int) -> Edge:
    caller, callee = _pair(bucket)
    p50, p95, p99 = (_ms(bucket.values.get(place)) for place in ("c1", "c2", "c3"))
    count = whole(bucket.values.get("c0"))
    return Edge(caller=caller, callee=callee, count=count, errors=errors, p50_ms=p50, p95_ms=p95, p99_ms=p99)


def _ms(value: object) -> float | None:
    found = number(value) if isinstance(value, int | float | str) else None
    return None if found is None else found / _NS_PER_MS


def _trace(span: JsonObject) -> Trace | None:
    custom = mapping(span, "custom")
    trace_id, duration = text(span, "trace_id"), number(custom.get("duration"))
    if trace_id is None or duration is None:
        return None
    root = f"{text(span, 'service') or '?'} {text(span, 'resource_name') or ''}".strip()
    failed = text(span, "status") == "error" or text(custom, "error", "type") is not None
    return Trace(trace_id=trace_id, root=root, duration_ms=duration / _NS_PER_MS, errors=int(failed))
