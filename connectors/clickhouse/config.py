"""The settings of a ClickHouse source."""

from __future__ import annotations

from pydantic import Field

from connectors.http import HttpAccess


class ClickhouseConfig(HttpAccess):
    """`url` is the address of the HTTP interface, as `https://clickhouse:8443`."""

    database: str = Field(default="default", min_length=1)
    squad: str | None = None
    services: tuple[str, ...] = ()
    statement_timeout_s: float = Field(default=15.0, gt=0)
    max_scan_bytes: int = Field(
        default=100_000_000_000, gt=0, description="What one query may read from disk; no argument raises it."
    )
