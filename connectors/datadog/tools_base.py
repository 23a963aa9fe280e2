"""What the tool modules of Datadog share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from connectors.base import Ask
from connectors.datadog.api import DatadogReading, Pace, among
from connectors.datadog.config import DatadogConfig
from connectors.http import HttpClient
from connectors.model import Clock, TimeWindow

LANGUAGE = "datadog"
_DEFAULT_SPAN = timedelta(minutes=30)


class Tools:
    """Base of the tool modules; the connector gives client and pace."""

    config: DatadogConfig
    name: str
    clock: Clock
    link: HttpClient
    pace: Pace

    def reading(self, ask: Ask) -> DatadogReading:
        return DatadogReading(self.link, ask, name=self.name, pace=self.pace)

    def window(self, ask: Ask) -> TimeWindow:
        """The call's window, else the last half hour."""
        now = self.clock.now()
        return ask.window or TimeWindow(start=now - _DEFAULT_SPAN, end=now)

    def with_baseline(self, ask: Ask, minutes: int) -> TimeWindow:
        """The window and the time before it, at least as long as the window."""
        window = self.window(ask)
        before = max(timedelta(minutes=minutes), window.duration) if minutes else timedelta(0)
        return TimeWindow(start=window.start - before, end=window.end)

    def chosen(self, services: Sequence[str]) -> list[str]:
        """The services asked for, else those of the configuration, else none: all."""
        return list(services or self.config.app_id)

    def clauses(self, services: Sequence[str]) -> list[str]:
        """Search clauses of environment and services."""
        chosen = self.chosen(services)
        found = [among("env", [self.config.env])] if self.config.env else []
        return found + ([among("service", chosen)] if chosen else [])

    def scope(self, services: Sequence[str], *more: str) -> str:
        """The braces of a metric query."""
        parts = [*more, *([f"env:{tag(self.config.env)}"] if self.config.env else [])]
        chosen = [tag(service) for service in self.chosen(services)]
        if len(chosen) == 1:
            parts.append(f"service:{chosen[0]}")
        elif chosen:
            parts.append(f"service IN ({','.join(chosen)})")
        joined = " AND ".join(parts) if len(chosen) > 1 else ",".join(parts)
        return f"{{{joined or '*'}}}"


def tag(value: str) -> str:
    """A tag's value as Datadog keeps it: small letters, digits and a few signs, so that no text can add a clause."""
    kept = "".join(char if char.isalnum() or char in "_-./" else "_" for char in value.lower())
    return kept[:200] or "_"
