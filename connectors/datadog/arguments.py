"""The typed arguments of the Datadog tools."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.base import Arguments

Services = Annotated[list[Annotated[str, Field(max_length=200)]], Field(default_factory=list, max_length=200)]
Query = Annotated[str, Field(max_length=4_000)]


class OfServices(Arguments):
    """Of some services; empty: of all."""

    services: Services


class SignalArguments(OfServices):
    baseline_minutes: int = Field(default=60, ge=0, le=24 * 60, description="How far before the window to begin.")


class GroupArguments(OfServices):
    level: Literal["", "error", "warn", "info", "debug"] = Field(default="", description="Empty: warn and error.")


class MetricArguments(Arguments):
    query: Annotated[str, Field(min_length=1, max_length=4_000)] = Field(
        description="A metric query such as avg:system.cpu.user{service:web} by {host}."
    )
    baseline_minutes: int = Field(default=0, ge=0, le=7 * 24 * 60)


class LogSearchArguments(OfServices):
    text: Query = Field(description="All words must be in the line.")
    limit: int = Field(default=50, ge=1, le=5_000)


class LogCountArguments(OfServices):
    query: Query = Field(default="", description="Datadog's log search syntax.")
    by: Annotated[str, Field(max_length=200, pattern=r"^@?[\w.\-/:]+$")] = "service"


class TraceArguments(Arguments):
    trace_id: Annotated[str, Field(min_length=1, max_length=200)]


class SpanArguments(OfServices):
    query: Query = Field(default="", description="Datadog's span search syntax.")
    by: Annotated[str, Field(max_length=200, pattern=r"^@?[\w.\-/:]+$")] = "resource_name"


class EventArguments(OfServices):
    query: Query = Field(default="", description="Datadog's event search syntax.")
    hours_before: int = Field(default=1, ge=0, le=24 * 14)


class DeploymentArguments(OfServices):
    hours_before: int = Field(default=24, ge=0, le=24 * 14, description="How far before the window to look.")


class MonitorArguments(OfServices):
    every_state: bool = Field(default=False, description="Also monitors that are well.")


class WordArguments(Arguments):
    words: Annotated[str, Field(max_length=200)] = Field(description="Part of the names of metrics.")
