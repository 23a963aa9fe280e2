"""Links into Grafana Explore. Pure."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from connectors.loki.config import LokiConfig
from connectors.model import TimeWindow


def explore_link(config: LokiConfig, logql: str, span: TimeWindow) -> str | None:
    """The same query in Explore; None when no Grafana is configured (Loki has no pages of its own)."""
    if not config.grafana_url:
        return None
    source = config.grafana_datasource or "loki"
    asked = {"refId": "A", "expr": logql, "datasource": {"type": "loki", "uid": source}}
    millis = {key: str(int(at.timestamp() * 1000)) for key, at in (("from", span.start), ("to", span.end))}
    panes = {"inq": {"datasource": source, "queries": [asked], "range": millis}}
    query = urlencode({"schemaVersion": "1", "panes": json.dumps(panes, separators=(",", ":")), "orgId": "1"})
    return f"{config.grafana_url.rstrip('/')}/explore?{query}"
