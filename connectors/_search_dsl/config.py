"""Settings that Elasticsearch and OpenSearch share."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Indices(BaseModel):
    """Index expressions by what they hold; an empty one is not asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    logs: str = "logs-*"
    errors: str = Field(default="", description="Lines that are all errors; used where logs have no level.")
    metrics: str = "metrics-*"
    deployments: str = "deployments-*"
    runbooks: str = "runbooks-knowledge"
    services: str = Field(default="lookup-services", description="Team, criticality and on-call by service.")


class FieldNames(BaseModel):
    """Names that override what is found by looking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str | None = None
    level: str | None = None
    message: str | None = None
    time: str | None = None
    trace: str | None = None
    host: str | None = None


class SearchConfig(BaseModel):
    """What the shared tools read of a source's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    pages: ClassVar[Literal["kibana", "dashboards"]]

    indices: Indices = Indices()
    fields: FieldNames = FieldNames()
    sample_lines: int = Field(default=1_000, gt=0, le=10_000, description="Lines fetched per span for log groups.")

    @property
    @abstractmethod
    def pages_url(self) -> str | None:
        """Where people look at lines; None without links."""

    @property
    @abstractmethod
    def pages_view(self) -> str | None:
        """The id of the data view or index pattern that links open."""
