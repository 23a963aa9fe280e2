"""A sweep and what surrounds it, as configuration and people give it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, field_validator

from bot.domain.anomaly import Signal
from bot.domain.states import Severity
from connectors.model import Frozen, JsonObject

_ORDER = list(Severity)


class Limit(Frozen):
    """A bound that needs no learning."""

    metric: str
    above: float | None = None
    below: float | None = None
    severity: Severity | None = None


class Objective(Frozen):
    """What share of a service's requests must succeed, as 0.999."""

    service: str
    availability: float = Field(gt=0, lt=1)


class Maintenance(Frozen):
    """A span in which these services (none named: all) may be out of normal without anybody being told."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    services: tuple[str, ...] = ()


class QuietHours(Frozen):
    """Hours of the day in which only what is `least` or worse makes a noise; the rest goes to the digest."""

    start: time = Field(alias="from")
    end: time = Field(alias="to")
    time_zone: str = "UTC"
    least: Severity = Severity.HIGH

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("no such time zone; one looks like Europe/Berlin") from error
        return value

    def covers(self, now: datetime) -> bool:
        """Whether it is quiet now; a span may cross midnight. The wall clock of the zone decides, also over DST."""
        at = now.astimezone(ZoneInfo(self.time_zone)).time()
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


class Sweep(Frozen):
    """One tool asked again and again, and how its series are judged. Times are in seconds, hours as named.

    `limits_only`: nothing is learned, only limits speak. `place` is the file and line it stands in, or who made it in
    Slack, so that an error of its query can name them.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")
    source: str
    tool: str
    arguments: JsonObject = Field(default_factory=dict)
    every_s: float = Field(60.0, ge=5, le=86_400)
    learn_hours: float = Field(6.0, ge=0.25, le=14 * 24)
    metrics: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    threshold: float = Field(3.0, ge=1.5, le=8.0)
    least_distance: float = Field(4.0, ge=0)
    least_change_ratio: float = Field(0.2, ge=0)
    missing_after: int = Field(5, ge=0)
    recovered_after: int = Field(5, ge=1)
    channel: str | None = None
    limits_only: bool = False
    enabled: bool = True
    place: str = Field("", exclude=True)
    objectives: tuple[Objective, ...] = Field((), exclude=True)


class Watching(Frozen):
    """The whole file: sweeps, the channel of services that no squad owns, objectives, and when to be quiet."""

    sweeps: tuple[Sweep, ...] = ()
    channel: str | None = None
    quiet_hours: QuietHours | None = None
    maintenance: tuple[Maintenance, ...] = ()
    objectives: tuple[Objective, ...] = ()

    def quiet(self, signals: Collection[Signal], severity: Severity, now: datetime) -> str:
        """Why these signals should make no noise now; empty when they may."""
        for span in self.maintenance:
            named = not span.services or all(signal.service in span.services for signal in signals)
            if span.start <= now < span.end and named:
                return "maintenance"
        hours = self.quiet_hours
        if hours is not None and hours.covers(now) and _ORDER.index(severity) < _ORDER.index(hours.least):
            return "quiet hours"
        return ""
