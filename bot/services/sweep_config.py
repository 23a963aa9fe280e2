"""`config/sweeps.yaml`: what is watched, how often, and who hears of it. Without a file good defaults apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from bot.domain.question import Source
from bot.domain.states import Severity
from bot.errors import InvalidConfiguration
from bot.yaml_file import Document, read_yaml
from connectors.model import Frozen, JsonObject


class Limit(Frozen):
    """A bound that needs no learning."""

    metric: str
    above: float | None = None
    below: float | None = None
    severity: Severity | None = None


class Sweep(Frozen):
    """One tool asked again and again, and how its series are judged. Times are in seconds, hours as named."""

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
    """The file's sweeps, with the defaults unless it says `defaults: false`; InvalidConfiguration names the line."""
    if not path.exists():
        return defaults(sources)
    document = read_yaml(path, environment)
    top = document.data
    if not isinstance(top, dict):
        raise document.error((), "must be a mapping with the key sweeps")
    for key in top:
        if key not in ("sweeps", "defaults"):
            raise document.error((key,), "unknown key. Known: sweeps, defaults")
    section = top.get("sweeps") or {}
    if not isinstance(section, dict):
        raise document.error(("sweeps",), "must be a mapping from a name to a sweep")
    own = [_sweep(document, name, value) for name, value in section.items()]
    _check_sources(document, own, sources)
    named = {sweep.name for sweep in own}
    wanted = () if top.get("defaults") is False else defaults(sources)
    return (*own, *(sweep for sweep in wanted if sweep.name not in named))


def _sweep(document: Document, name: str, value: object) -> Sweep:
    if not isinstance(value, dict):
        raise document.error(("sweeps", name), "must be a mapping")
    try:
        return Sweep.model_validate({"name": name, **value})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ("sweeps", name, *first["loc"])
        raise document.error(where, f"{first['msg']}") from error


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
