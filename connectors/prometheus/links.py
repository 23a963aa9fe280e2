"""Links into the interface a person would open: Prometheus' own graph page, or Grafana Explore."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlencode

from connectors.model import TimeWindow
from connectors.prometheus.config import PrometheusConfig

_MOST_PANELS = 6
_LONGEST = 6_000


def graph_link(config: PrometheusConfig, queries: Sequence[str], span: TimeWindow, step_s: float | None) -> str:
    """A link that draws up to six of the queries over the span; fewer when the address would grow too long."""
    shown = list(queries[:_MOST_PANELS]) or [""]
    link = _make(config, shown, span, step_s)
    while len(link) > _LONGEST and len(shown) > 1:
        shown.pop()
        link = _make(config, shown, span, step_s)
    return link


def page_link(config: PrometheusConfig, page: str) -> str:
    return f"{(config.external_url or config.url).rstrip('/')}/{page}"


def _make(config: PrometheusConfig, queries: list[str], span: TimeWindow, step_s: float | None) -> str:
    return _explore(config, queries, span) if config.grafana_url else _graph(config, queries, span, step_s)


def _graph(config: PrometheusConfig, queries: list[str], span: TimeWindow, step_s: float | None) -> str:
    params: dict[str, str] = {}
    for index, query in enumerate(queries):
        params |= {
            f"g{index}.expr": query,
            f"g{index}.tab": "0" if step_s else "1",
            f"g{index}.range_input": f"{int(span.duration.total_seconds())}s",
            f"g{index}.end_input": span.end.strftime("%Y-%m-%d %H:%M:%S"),
        }
    return f"{page_link(config, 'graph')}?{urlencode(params)}"


def _explore(config: PrometheusConfig, queries: list[str], span: TimeWindow) -> str:
    source = config.grafana_datasource or "prometheus"
    asked = [
        {"refId": chr(ord("A") + index), "expr": query, "datasource": {"type": "prometheus", "uid": source}}
        for index, query in enumerate(queries)
    ]
    millis = {key: str(int(at.timestamp() * 1000)) for key, at in (("from", span.start), ("to", span.end))}
    panes = {"inq": {"datasource": source, "queries": asked, "range": millis}}
    query = urlencode({"schemaVersion": "1", "panes": json.dumps(panes, separators=(",", ":")), "orgId": "1"})
    return f"{(config.grafana_url or '').rstrip('/')}/explore?{query}"
