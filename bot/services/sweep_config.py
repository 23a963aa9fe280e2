"""`config/sweeps.yaml`: what is watched, how often, and who hears of it. Without a file good defaults apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bot.domain.question import Source
from bot.errors import InvalidConfiguration
from bot.services.sweep_defaults import defaults, with_objectives
from bot.services.sweep_model import Sweep, Watching
from bot.yaml_file import Document, read_yaml

_ModelT = TypeVar("_ModelT", bound=BaseModel)
_KEYS = ("sweeps", "defaults", "channel", "quiet_hours", "maintenance", "objectives")
_SET_HERE = ("place", "objectives")


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
    watching = _checked(document, Watching, {k: top[k] for k in _KEYS[2:] if k in top})
    sweeps = tuple(with_objectives(sweep, watching.objectives) for sweep in kept)
    return watching.model_copy(update={"sweeps": sweeps})


def _checked(document: Document, model: type[_ModelT], given: object, where: tuple[str, ...] = ()) -> _ModelT:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise document.error((*where, *first["loc"]), f"{first['msg']}") from error


def _sweep(document: Document, name: str, value: object) -> Sweep:
    if not isinstance(value, dict):
        raise document.error(("sweeps", name), "must be a mapping")
    for key in _SET_HERE:
        if key in value:
            raise document.error(("sweeps", name, key), "unknown key")
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
