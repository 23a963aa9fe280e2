"""The typed arguments of the Elasticsearch tools."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.base import Arguments

Words = Annotated[str, Field(max_length=2_000)]
Services = Annotated[list[Annotated[str, Field(max_length=253)]], Field(default_factory=list, max_length=200)]


class OfServices(Arguments):
    """Of some services; empty: of all."""

    services: Services


class RateArguments(OfServices):
    baseline_minutes: int = Field(default=60, ge=0, le=24 * 60, description="How far before the window to begin.")


class GroupArguments(OfServices):
    level: Literal["", "error", "warn", "info", "debug"] = Field(default="", description="Empty: warn and error.")


class SearchArguments(OfServices):
    text: Words = Field(description="All words must be in the message.")
    limit: int = Field(default=50, ge=1, le=1_000)
    context_lines: int = Field(default=0, ge=0, le=20, description="Lines of the same host before and after.")


class TraceArguments(Arguments):
    trace_id: Annotated[str, Field(min_length=1, max_length=200)]


class DeploymentArguments(OfServices):
    hours_before: int = Field(default=24, ge=0, le=24 * 90, description="How far before the window to look.")


class SeenArguments(OfServices):
    text: Annotated[str, Field(min_length=1, max_length=2_000)]


class QueryArguments(Arguments):
    request: str = Field(description='JSON: {"method": "POST", "path": "/logs-*/_search", "body": {...}}; reads only.')


class EsqlArguments(Arguments):
    query: str = Field(description="An ES|QL pipeline that begins with FROM.")


class AnomalyArguments(OfServices):
    error_ratio: float = Field(default=0.05, ge=0, le=1, description="Errors per request above which a service shows.")
    p99_ms: float = Field(default=1_000, ge=0, description="P99 latency above which a service shows.")


class RunbookArguments(Arguments):
    text: Words
    limit: int = Field(default=5, ge=1, le=50)
