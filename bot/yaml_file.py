"""Reads YAML as data only, remembers where every value stands, and expands `${NAME}` after parsing.

Because names are expanded in scalars that are parsed already, the value of a variable can never become YAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import JsonValue

from bot.errors import InvalidConfiguration

KeyPath: TypeAlias = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_LARGEST = 1_000_000


class Document:
    """Parsed YAML: `data`, and the line of every key path."""

    def __init__(self, path: Path, data: JsonValue, lines: Mapping[KeyPath, int]) -> None:
        self.path = path
        self.data = data
        self._lines = lines

    def line(self, where: KeyPath) -> int:
        """The line of a key path, or of its nearest parent that stands in the file."""
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 1)

    def error(self, where: KeyPath, problem: str) -> InvalidConfiguration:
        """An error that names file, line and key."""
        key = ".".join(str(part) for part in where) or "(top)"
        return InvalidConfiguration(f"{self.path}:{self.line(where)}: {key}: {problem}")


def read_yaml(path: Path, environment: Mapping[str, str]) -> Document:
    """The document, with variables expanded. InvalidConfiguration names file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidConfiguration(f"{path}: there is no such file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{path}: cannot be read: {type(error).__name__}.") from error
    return parse_yaml(text, path, environment)


def parse_yaml(text: str, path: Path, environment: Mapping[str, str]) -> Document:
    """As `read_yaml`, from text. Aliases are refused: they can blow up, and no configuration needs them."""
    if len(text) > _LARGEST:
        raise InvalidConfiguration(f"{path}: larger than {_LARGEST:,} characters.")
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise InvalidConfiguration(f"{path}: YAML aliases (*name) are not accepted. Write the value out.")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidConfiguration(f"{path}:{line}: not valid YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise InvalidConfiguration(f"{path}: not valid YAML.") from error
    lines: dict[KeyPath, int] = {}
    reader = _Reader(path, environment, lines)
    return Document(path, reader.value(node, ()) if node is not None else {}, lines)


class _Reader:
    def __init__(self, path: Path, environment: Mapping[str, str], lines: dict[KeyPath, int]) -> None:
        self._path = path
        self._environment = environment
        self._lines = lines
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, where: KeyPath) -> JsonValue:
        self._lines.setdefault(where, node.start_mark.line + 1)
        if node.tag not in _PLAIN_TAGS:
            raise self._error(where, f"the tag {node.tag} is not accepted")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*where, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, where)

    def _mapping(self, node: yaml.MappingNode, where: KeyPath) -> JsonValue:
        result: dict[str, JsonValue] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in result:
                line = key_node.start_mark.line + 1
                raise InvalidConfiguration(f"{self._path}:{line}: {key}: stands here twice. Keep one.")
            self._lines[(*where, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*where, key))
        return result

    def _scalar(self, node: yaml.Node, where: KeyPath) -> JsonValue:
        value = self._constructor.construct_object(node)
        if isinstance(value, str):
            return self._expand(value, where)
        return value if isinstance(value, bool | int | float) or value is None else str(node.value)

    def _expand(self, text: str, where: KeyPath) -> str:
        def replace(match: re.Match[str]) -> str:
            name, default = match.group(1), match.group(2)
            if name in self._environment:
                return self._environment[name]
            if default is None:
                raise self._error(
                    where, f"the environment variable {name} is not set. Set it, or write ${{{name}:-default}}"
                )
            return default

        return _VARIABLE.sub(replace, text)

    def _error(self, where: KeyPath, problem: str) -> InvalidConfiguration:
        key = ".".join(str(part) for part in where)
        return InvalidConfiguration(f"{self._path}:{self._lines.get(where, 1)}: {key}: {problem}.")


_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)
