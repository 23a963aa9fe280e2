"""The typed arguments of the Loki tools."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.base import Arguments

Services = Annotated[list[Annotated[str, Field(max_length=253)]], Field(default_factory=list, max_length=200)]


class OfServices(Arguments):
    """Of some services; empty: of all."""

    services: Services


class RateArguments(OfServices):
    baseline_minutes: int = Field(default=60, ge=0, le=24 * 60, description="How far before the window to begin.")


class GroupArguments(OfServices):
    level: Literal["", "error", "warn", "info", "debug"] = Field(default="", description="Empty: warn and error.")


class SearchArguments(OfServices):
    text: str = Field(max_length=2_000, description="All words must be in the line, in any case.")
    limit: int = Field(default=50, ge=1, le=1_000)


class TraceArguments(Arguments):
    trace_id: Annotated[str, Field(min_length=1, max_length=200)]


class SeenArguments(OfServices):
    text: Annotated[str, Field(min_length=1, max_length=2_000)]
    days_before: int = Field(default=1, ge=0, le=30, description="How far before the window to look.")


class LogqlArguments(Arguments):
    logql: str = Field(min_length=1, description="A log query or a metric query.")


class RangeArguments(LogqlArguments):
    step_s: float | None = Field(default=None, ge=1, le=86_400, description="Chosen when empty.")
    limit: int = Field(default=100, ge=1, le=5_000, description="Lines at most, for a log query.")
