"""The settings of a Loki source; also for Grafana Cloud Logs."""

from __future__ import annotations

from pydantic import Field, SecretStr

from connectors.http import HttpAccess


class LokiConfig(HttpAccess):
    """`url` is where `/loki/api/v1` hangs, with any path prefix."""

    tenant: str | None = Field(default=None, description="Sent as X-Scope-OrgID.")
    match: dict[str, str] = Field(default_factory=dict, description="Labels that every stream read must have.")
    service_label: str | None = Field(default=None, description="Found by looking unless set.")
    level_label: str | None = Field(default=None, description="Found by looking unless set.")
    grafana_url: str | None = Field(default=None, description="Links open Grafana Explore here.")
    grafana_datasource: str | None = Field(default=None, description="The data source's uid in Grafana.")
    squad: str | None = None
    services: tuple[str, ...] = ()
    max_range_days: int = Field(default=30, gt=0)
    sample_lines: int = Field(default=1_000, gt=0, le=5_000, description="Lines read per span for log groups.")

    def access(self) -> HttpAccess:
        """The same settings with the tenant among the headers."""
        tenant = {"x-scope-orgid": SecretStr(self.tenant)} if self.tenant else {}
        return self.model_copy(update={"headers": {**tenant, **self.headers}})
