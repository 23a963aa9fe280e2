"""Reads `config/sources.yaml` and `config/access.yaml` into connectors to build and squads that own them.

Unknown keys, missing secrets and duplicate names are errors with file, line and key; nothing half-starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from bot.domain.access import Squad
from bot.errors import InvalidConfiguration
from bot.yaml_file import Document, KeyPath, read_yaml
from connectors.base import Connector
from connectors.errors import Misconfigured
from connectors.model import Clock, JsonObject, Limits
from connectors.registry import connector_class, connector_types

_COMMON = frozenset({"enabled", "name", "type", "environment", "squad", "services", "limits"})
_GROUPS = frozenset({"databases", "apm"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@dataclass(frozen=True)
class SourceSpec:
    """One configured source: what to build, and who it belongs to."""

    name: str
    type: str
    config: BaseModel
    environment: str
    squad: str | None
    services: tuple[str, ...]
    limits: Limits

    def build(self, clock: Clock) -> Connector[Any]:
        """The connector; no I/O happens yet."""
        return connector_class(self.type)(name=self.name, config=self.config, environment=self.environment, clock=clock)


@dataclass(frozen=True)
class Configuration:
    """What the files say."""

    sources: tuple[SourceSpec, ...] = ()
    squads: tuple[Squad, ...] = ()

    @property
    def environments(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(source.environment for source in self.sources)) or ("production",)


def load_configuration(path: Path, environment: Mapping[str, str], *, deadline_s: float = 10.0) -> Configuration:
    """The configuration in `path`; an absent file means that nothing is configured yet."""
    if not path.exists():
        return Configuration()
    document = read_yaml(path, environment)
    return _Loader(document, deadline_s).load()


class _Loader:
    def __init__(self, document: Document, deadline_s: float) -> None:
        self._document = document
        self._deadline_s = deadline_s
        self._names: dict[str, KeyPath] = {}

    def load(self) -> Configuration:
        top = self._mapping(self._document.data, ())
        for key in top:
            if key not in ("data_sources", "squads"):
                raise self._document.error((key,), "unknown key. Known: data_sources, squads")
        squads = self._squads(self._mapping(top.get("squads") or {}, ("squads",)))
        sources = tuple(self._sources(self._mapping(top.get("data_sources") or {}, ("data_sources",))))
        known = {squad.name for squad in squads}
        squads += tuple(Squad(name=s.squad) for s in sources if s.squad and s.squad not in known)
        return Configuration(sources=sources, squads=tuple({squad.name: squad for squad in squads}.values()))

    def _sources(self, section: JsonObject) -> Iterator[SourceSpec]:
        for key, value in section.items():
            where: KeyPath = ("data_sources", key)
            if key == "databases":
                for entry, place in self._entries(value, where):
                    yield from self._source(self._type_of(entry, place), entry, place)
            elif key == "apm":
                for type_, entries in self._mapping(value, where).items():
                    for entry, place in self._entries(entries, (*where, type_)):
                        yield from self._source(type_, entry, place)
            else:
                for entry, place in self._entries(value, where):
                    yield from self._source(key, entry, place)

    def _type_of(self, entry: JsonObject, where: KeyPath) -> str:
        type_ = entry.get("type")
        if not isinstance(type_, str):
            raise self._document.error(where, "needs a `type`, such as postgresql")
        return {"postgres": "postgresql", "mariadb": "mysql"}.get(type_, type_)

    def _source(self, type_: str, entry: JsonObject, where: KeyPath) -> Iterator[SourceSpec]:
        if type_ not in connector_types():
            known = ", ".join([*connector_types(), *sorted(_GROUPS)])
            raise self._document.error(where, f"there is no source kind {type_!r}. Known: {known}")
        if entry.get("enabled") is False:
            return
        try:
            cls = connector_class(type_)
        except Misconfigured as error:
            raise self._document.error(where, str(error)) from error
        for name, own in _instances(entry):
            yield self._spec(cls, type_, f"{type_}/{self._name(name, where)}", own, where)

    def _spec(self, cls: type[Connector[Any]], type_: str, name: str, entry: JsonObject, where: KeyPath) -> SourceSpec:
        if name in self._names:
            line = self._document.line(self._names[name])
            raise self._document.error(
                where, f"the name {name} is taken already (line {line}). Give it another `name:`"
            )
        self._names[name] = where
        return SourceSpec(
            name=name,
            type=type_,
            config=self._config(cls, entry, where),
            environment=str(entry.get("environment") or "production"),
            squad=str(entry["squad"]) if entry.get("squad") else None,
            services=self._strings(entry.get("services"), (*where, "services")),
            limits=self._limits(entry.get("limits"), (*where, "limits")),
        )

    def _config(self, cls: type[Connector[Any]], entry: JsonObject, where: KeyPath) -> BaseModel:
        """The connector's own settings; keys that belong to every source go along where it wants them."""
        wanted = set(cls.Config.model_fields)
        own = {key: value for key, value in entry.items() if key not in _COMMON or (key in wanted and key != "limits")}
        try:
            return cls.Config.model_validate(own)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = (*where, *first["loc"])
            problem = _problem(first["type"], first["msg"], sorted(wanted | _COMMON))
            raise self._document.error(place, problem) from error

    def _limits(self, value: JsonValue, where: KeyPath) -> Limits:
        given = self._mapping(value or {}, where)
        try:
            return Limits.model_validate({"deadline_s": self._deadline_s, **given})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            problem = _problem(first["type"], first["msg"], sorted(Limits.model_fields))
            raise self._document.error((*where, *first["loc"]), problem) from error

    def _squads(self, section: JsonObject) -> tuple[Squad, ...]:
        squads = []
        for name, value in section.items():
            where: KeyPath = ("squads", name)
            try:
                squads.append(Squad.model_validate({"name": name, **self._mapping(value or {}, where)}))
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                problem = _problem(first["type"], first["msg"], sorted(Squad.model_fields))
                raise self._document.error((*where, *first["loc"]), problem) from error
        return tuple(squads)

    def _name(self, name: str, where: KeyPath) -> str:
        if not _NAME.fullmatch(name):
            raise self._document.error((*where, "name"), "use small letters, digits, `-`, `_` and `.`, 63 at most")
        return name

    def _entries(self, value: JsonValue, where: KeyPath) -> Iterator[tuple[JsonObject, KeyPath]]:
        if isinstance(value, list):
            for index, entry in enumerate(value):
                yield self._mapping(entry, (*where, index)), (*where, index)
        else:
            yield self._mapping(value or {}, where), where

    def _mapping(self, value: JsonValue, where: KeyPath) -> JsonObject:
        if not isinstance(value, dict):
            raise self._document.error(where, "must be a mapping of keys to values")
        return value

    def _strings(self, value: JsonValue, where: KeyPath) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._document.error(where, "must be a list of names")
        return tuple(str(item) for item in value)


def _instances(entry: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """One entry with `contexts` is one source per context; every other entry is one source."""
    contexts = entry.get("contexts")
    if not isinstance(contexts, list) or not contexts:
        yield str(entry.get("name") or "main"), entry
        return
    for context in contexts:
        name = re.sub(r"[^a-z0-9_.-]+", "-", str(context).lower()).strip("-") or "main"
        prefix = f"{entry['name']}-" if entry.get("name") and len(contexts) > 1 else ""
        yield f"{prefix}{name}", {**entry, "contexts": [context]}


def _problem(kind: str, message: str, known: list[str]) -> str:
    if kind == "extra_forbidden":
        return f"unknown key. Known: {', '.join(known)}"
    if kind == "missing":
        return "is required and missing"
    return message[:1].lower() + message[1:]


def explain_missing(path: Path) -> InvalidConfiguration:
    """For commands that cannot do without sources."""
    return InvalidConfiguration(f"{path} lists no sources yet. Copy config/sources.example.yaml and fill it in.")
