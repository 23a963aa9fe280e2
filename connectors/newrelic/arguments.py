"""The typed arguments of the New Relic tools."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.base import Arguments

Services = Annotated[list[Annotated[str, Field(max_length=253)]], Field(default_factory=list, max_length=100)]


class OfServices(Arguments):
    """Of some services; empty: of all."""

    services: Services


class SignalArguments(OfServices):
    baseline_minutes: int = Field(default=60, ge=0, le=24 * 60, description="How far before the window to begin.")


class GroupArguments(OfServices):
    level: Literal["", "error", "warn", "info", "debug"] = Field(default="", description="Empty: warn and error.")


class LogSearchArguments(OfServices):
    text: str = Field(max_length=2_000, description="All words must be in the line, in any case.")
    limit: int = Field(default=50, ge=1, le=1_000)


class TraceArguments(Arguments):
    trace_id: Annotated[str, Field(min_length=1, max_length=200)]


class NrqlArguments(Arguments):
    nrql: str = Field(min_length=1, description="One NRQL query; the window is added when it has no SINCE.")


class DeploymentArguments(OfServices):
    hours_before: int = Field(default=24, ge=0, le=24 * 30, description="How far before the window to look.")


class ViolationArguments(OfServices):
    also_closed: bool = Field(default=False, description="Also incidents that were closed in the window.")


class EntityArguments(Arguments):
    name: str = Field(default="", max_length=200, description="Part of the name.")
    domain: Literal["", "APM", "BROWSER", "INFRA", "MOBILE", "SYNTH", "EXT"] = "APM"
