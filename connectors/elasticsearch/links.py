"""Links into Kibana's Discover. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from connectors.elasticsearch.config import ElasticsearchConfig
from connectors.elasticsearch.fields import Fields
from connectors.elasticsearch.queries import time_text
from connectors.model import TimeWindow


def discover(
    config: ElasticsearchConfig,
    fields: Fields,
    span: TimeWindow | None,
    *,
    services: Sequence[str] = (),
    words: str = "",
) -> str | None:
    """The same lines in Discover, None when no Kibana is configured."""
    if config.kibana_url is None:
        return None
    parts = []
    if services and fields.service:
        parts.append(f"{fields.service}:({' or '.join(_kuery(name) for name in services)})")
    if words:
        parts.append(f"{fields.message or 'message'}:{_kuery(words)}")
    state = f"query:(language:kuery,query:{_rison(' and '.join(parts))})"
    if config.kibana_data_view:
        view = _rison(config.kibana_data_view)
        state = f"dataSource:(dataViewId:{view},type:dataView)," + state
    time = f"from:{_rison(time_text(span.start))},to:{_rison(time_text(span.end))}" if span else "from:now-1h,to:now"
    return f"{config.kibana_url}/app/discover#/?_g=(time:({time}))&_a=({quote(state, safe='():,!')})"


def _kuery(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _rison(text: str) -> str:
    escaped = text.replace("!", "!!").replace("'", "!'")
    return f"'{escaped}'"
