"""The settings of a BigQuery source."""

from __future__ import annotations

from pydantic import Field

from connectors.http import HttpAccess


class BigqueryConfig(HttpAccess):
    """Signs in with a service account's file, or with a `token` that something else renews."""

    url: str = "https://bigquery.googleapis.com"
    project_id: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]*$")
    credentials_path: str | None = None
    dataset: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    location: str | None = None
    maximum_bytes_billed: int = Field(default=10_737_418_240, gt=0, description="No argument raises it.")
    usd_per_tib: float = Field(default=6.25, ge=0, description="On-demand price; 0 where slots are paid for.")
    statement_timeout_s: float = Field(default=30.0, gt=0)
    require_partition_filter: bool = True
    labels: dict[str, str] = Field(default_factory=lambda: {"app": "inquest"})
    squad: str | None = None
    services: tuple[str, ...] = ()
