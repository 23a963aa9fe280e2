"""Links into Discover, of Kibana or of OpenSearch Dashboards. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from connectors._search_dsl.config import SearchConfig
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.queries import time_text
from connectors.model import TimeWindow


def discover(
    config: SearchConfig,
    fields: Fields,
    span: TimeWindow | None,
    *,
    services: Sequence[str] = (),
    words: str = "",
) -> str | None:
    """The same lines in Discover, None when no such pages are configured."""
    if config.pages_url is None:
        return None
    parts = []
    if services and fields.service:
        parts.append(f"{fields.service}:({' or '.join(_kuery(name) for name in services)})")
    if words:
        parts.append(f"{fields.message or 'message'}:{_kuery(words)}")
    if config.pages == "dashboards":
        return _dashboards(config, " and ".join(parts), span)
    state = f"query:(language:kuery,query:{_rison(' and '.join(parts))})"
    if config.pages_view:
        view = _rison(config.pages_view)
        state = f"dataSource:(dataViewId:{view},type:dataView)," + state
    time = f"from:{_rison(time_text(span.start))},to:{_rison(time_text(span.end))}" if span else "from:now-1h,to:now"
    return f"{config.pages_url}/app/discover#/?_g=(time:({time}))&_a=({quote(state, safe='():,!')})"


def _dashboards(config: SearchConfig, query: str, span: TimeWindow | None) -> str:
    time = f"from:{_rison(time_text(span.start))},to:{_rison(time_text(span.end))}" if span else "from:now-1h,to:now"
    asked = quote(f"(filters:!(),query:(language:kuery,query:{_rison(query)}))", safe="():,!")
    state = "(discover:(columns:!(_source))"
    state += f",metadata:(indexPattern:{_rison(config.pages_view)}))" if config.pages_view else ")"
    where = f"{config.pages_url}/app/data-explorer/discover"
    return f"{where}#/?_g=(time:({time}))&_q={asked}&_a={quote(state, safe='():,!')}"


def _kuery(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _rison(text: str) -> str:
    escaped = text.replace("!", "!!").replace("'", "!'")
    return f"'{escaped}'"
