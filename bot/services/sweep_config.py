"""`config/sweeps.yaml`: what is watched, how often, and who hears of it. Without a file good defaults apply."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, Field, ValidationError, field_validator

from bot.domain.anomaly import Signal
from bot.domain.question import Source
from bot.domain.states import Severity
from bot.errors import InvalidConfiguration
from bot.yaml_file import Document, read_yaml
from connectors.model import Frozen, JsonObject

_ModelT = TypeVar("_ModelT", bound=BaseModel)
_ORDER = list(Severity)
_KEYS = ("sweeps", "defaults", "channel", "quiet_hours", "maintenance")


class Limit(Frozen):
    """A bound that needs no learning."""

    metric: str
    above: float | None = None
    below: float | None = None
    severity: Severity | None = None


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

    `place` is the file and line it stands in, so that an error of its query can name them.
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
    enabled: bool = True
    place: str = Field("", exclude=True)


class Watching(Frozen):
    """The whole file: sweeps, the channel of services that no squad owns, and when to be quiet."""

    sweeps: tuple[Sweep, ...] = ()
    channel: str | None = None
    quiet_hours: QuietHours | None = None
    maintenance: tuple[Maintenance, ...] = ()

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


SIGNAL_LIMITS = (
    Limit(metric="error_ratio", above=0.05),
    Limit(metric="up", below=1.0),
    Limit(metric="connections_ratio", above=0.95),
    Limit(metric="pool_ratio", above=0.95),
    Limit(metric="disk_ratio", above=0.95),
    Limit(metric="replication_lag", above=300.0, severity=Severity.MEDIUM),
)
# Tool → what a sweep over it looks like when nobody configured one.
_DEFAULTS: Mapping[str, JsonObject] = {
    "get_service_signals": {"limits": [limit.model_dump(mode="json") for limit in SIGNAL_LIMITS]},
    "get_error_rates": {"least_change_ratio": 0.5},
}


def defaults(sources: Sequence[Source]) -> tuple[Sweep, ...]:
    """A sweep over the signals of every service, and over error logs, per source that can tell."""
    found = []
    for source in sources:
        for tool in source.tools:
            if tool.name in _DEFAULTS:
                name = f"{source.name.replace('/', '-')}-{tool.name}".lower().replace("_", "-")[:60]
                given = {"name": name, "source": source.name, "tool": tool.name, **_DEFAULTS[tool.name]}
                found.append(Sweep.model_validate(given))
    return tuple(found)


def load_sweeps(path: Path, environment: Mapping[str, str], sources: Sequence[Source]) -> tuple[Sweep, ...]:
    """The sweeps of `load_watching`."""
    return load_watching(path, environment, sources).sweeps


def load_watching(path: Path, environment: Mapping[str, str], sources: Sequence[Source]) -> Watching:
    """The file, with default sweeps unless it says `defaults: false`; InvalidConfiguration names the line."""
    if not path.exists():
        return Watching(sweeps=defaults(sources))
    document = read_yaml(path, environment)
    top = document.data
    if not isinstance(top, dict):
        raise document.error((), "must be a mapping with the key sweeps")
    for key in top:
        if key not in _KEYS:
            raise document.error((key,), f"unknown key. Known: {', '.join(_KEYS)}")
    section = top.get("sweeps") or {}
    if not isinstance(section, dict):
        raise document.error(("sweeps",), "must be a mapping from a name to a sweep")
    own = [_sweep(document, name, value) for name, value in section.items()]
    _check_sources(document, own, sources)
    named = {sweep.name for sweep in own}
    wanted = () if top.get("defaults") is False else defaults(sources)
    kept = (*own, *(sweep for sweep in wanted if sweep.name not in named))
    return _checked(document, Watching, {k: top[k] for k in _KEYS[2:] if k in top}).model_copy(update={"sweeps": kept})


def _checked(document: Document, model: type[_ModelT], given: object, where: tuple[str, ...] = ()) -> _ModelT:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise document.error((*where, *first["loc"]), f"{first['msg']}") from error


def _sweep(document: Document, name: str, value: object) -> Sweep:
    if not isinstance(value, dict):
        raise document.error(("sweeps", name), "must be a mapping")
    if "place" in value:
        raise document.error(("sweeps", name, "place"), "unknown key")
    sweep = _checked(document, Sweep, {"name": name, **value}, ("sweeps", name))
    where = ("sweeps", name, "arguments") if "arguments" in value else ("sweeps", name)
    return sweep.model_copy(update={"place": f"{document.path}:{document.line(where)}"})


def _check_sources(document: Document, sweeps: Sequence[Sweep], sources: Sequence[Source]) -> None:
    tools = {source.name: {tool.name for tool in source.tools} for source in sources}
    for sweep in sweeps:
        if sweep.source not in tools:
            known = ", ".join(sorted(tools)) or "none"
            raise document.error(("sweeps", sweep.name, "source"), f"no such source. Configured: {known}")
        if sweep.tool not in tools[sweep.source]:
            known = ", ".join(sorted(tools[sweep.source]))
            raise document.error(("sweeps", sweep.name, "tool"), f"{sweep.source} has no such tool. It has: {known}")


def find(sweeps: Sequence[Sweep], name: str) -> Sweep:
    """The sweep of that name. InvalidConfiguration lists what there is."""
    for sweep in sweeps:
        if sweep.name == name:
            return sweep
    raise InvalidConfiguration(f"There is no sweep {name!r}. There are: {', '.join(s.name for s in sweeps) or 'none'}.")
