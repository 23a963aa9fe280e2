"""The settings of a Prometheus source; also for Mimir, Thanos, Cortex and VictoriaMetrics."""

from __future__ import annotations

from pydantic import Field

from connectors.http import HttpAccess


class PrometheusConfig(HttpAccess):
    """`url` is where `/api/v1` hangs, with any path prefix (`https://mimir/prometheus`)."""

    tenant: str | None = Field(default=None, description="Sent as X-Scope-OrgID, for Mimir and Cortex.")
    external_url: str | None = Field(default=None, description="Where people open graphs; `url` unless set.")
    grafana_url: str | None = Field(default=None, description="Link to Grafana Explore instead.")
    grafana_datasource: str | None = Field(default=None, description="The data source's uid in Grafana.")
    squad: str | None = None
    services: tuple[str, ...] = ()
    max_range_days: int = Field(default=31, gt=0)
    concurrency: int = Field(default=6, gt=0, le=32, description="Queries in flight at once.")
