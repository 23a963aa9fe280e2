"""Links into Datadog's own pages. Pure."""

from __future__ import annotations

from urllib.parse import urlencode

from connectors.datadog.config import DatadogConfig
from connectors.model import TimeWindow


def _millis(span: TimeWindow) -> dict[str, str]:
    return {"from_ts": str(round(span.start.timestamp() * 1000)), "to_ts": str(round(span.end.timestamp() * 1000))}


def logs_link(config: DatadogConfig, query: str, span: TimeWindow) -> str:
    """The log explorer."""
    return f"{config.app}/logs?{urlencode({'query': query, **_millis(span), 'live': 'false'})}"


def metric_link(config: DatadogConfig, query: str, span: TimeWindow) -> str:
    """The metric explorer with one query."""
    millis = _millis(span)
    asked = {"start": millis["from_ts"], "end": millis["to_ts"], "paused": "true", "exp_query": query}
    return f"{config.app}/metric/explorer?{urlencode(asked)}"


def spans_link(config: DatadogConfig, query: str, span: TimeWindow) -> str:
    """The trace explorer."""
    millis = _millis(span)
    asked = {"query": query, "start": millis["from_ts"], "end": millis["to_ts"], "paused": "true"}
    return f"{config.app}/apm/traces?{urlencode(asked)}"


def events_link(config: DatadogConfig, query: str, span: TimeWindow) -> str:
    """The event explorer."""
    return f"{config.app}/event/explorer?{urlencode({'query': query, **_millis(span), 'live': 'false'})}"


def monitor_link(config: DatadogConfig, monitor_id: str) -> str:
    return f"{config.app}/monitors/{monitor_id}"
