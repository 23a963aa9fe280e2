"""Reads runbooks. Everything wrong is an error with file and line; nothing of a wrong file is used.

Text between two lines of `---` is YAML (data only: no tags, no aliases), the rest is prose. Tools are checked against
what the connectors really have, so that a runbook cannot name one that does not exist or pass a write off as a check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from bot.errors import InvalidConfiguration
from bot.yaml_file import Document, KeyPath, parse_yaml
from connectors.model import Effect, JsonObject, Tool
from runbooks.model import FACTS, Runbook, placeholders

LIBRARY = Path(__file__).parent / "library"
LARGEST_BYTES = 100_000
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_BOUND_LATER = frozenset({"proposal", "uid", "version"})

Tools = Mapping[str, Mapping[str, Tool]]
"""By source type, then by name. A type that is absent is not configured here and not checked."""


def load_library(folder: Path = LIBRARY, *, tools: Tools | None = None) -> tuple[Runbook, ...]:
    """Every runbook of the folder, by id. InvalidConfiguration for the first thing that is wrong."""
    books = [load_runbook(path, folder=folder, tools=tools) for path in runbook_paths(folder)]
    return tuple(sorted(books, key=lambda book: book.id))


def load_good(folder: Path = LIBRARY, *, tools: Tools | None = None) -> tuple[tuple[Runbook, ...], tuple[str, ...]]:
    """The runbooks that are right, and what is wrong with the others: one bad file must not silence the rest."""
    books: list[Runbook] = []
    wrong: list[str] = []
    for path in runbook_paths(folder):
        try:
            books.append(load_runbook(path, folder=folder, tools=tools))
        except InvalidConfiguration as error:
            wrong.append(str(error))
    return tuple(books), tuple(wrong)


def runbook_paths(folder: Path = LIBRARY) -> list[Path]:
    """The Markdown files directly in the folder."""
    if not folder.is_dir():
        raise InvalidConfiguration(f"{folder}: there is no such folder.")
    return sorted(path for path in folder.iterdir() if path.suffix == ".md" and path.name != "README.md")


def runbook_path(runbook_id: str, folder: Path = LIBRARY) -> Path:
    """The file of a runbook. An id is small letters, digits and dashes, so that no path can leave the folder."""
    if not _ID.fullmatch(runbook_id):
        raise InvalidConfiguration(f"{runbook_id[:60]!r} is not the id of a runbook.")
    return folder / f"{runbook_id}.md"


def load_runbook(path: Path, *, folder: Path = LIBRARY, tools: Tools | None = None) -> Runbook:
    """One runbook, checked."""
    root, real = folder.resolve(), path.resolve()
    if real.parent != root:
        raise InvalidConfiguration(f"{path}: leads out of {folder}.")
    if not _ID.fullmatch(path.stem):
        raise InvalidConfiguration(f"{path}: name the file with small letters, digits and dashes.")
    return parse_runbook(_text(real, path), path, tools=tools)


def _text(real: Path, path: Path) -> str:
    try:
        if real.stat().st_size > LARGEST_BYTES:
            raise InvalidConfiguration(f"{path}: larger than {LARGEST_BYTES:,} bytes.")
        return real.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{path}: cannot be read: {type(error).__name__}.") from error


def parse_runbook(text: str, path: Path, *, tools: Tools | None = None) -> Runbook:
    """A runbook from its text; the file's stem is its id."""
    lines = text.split("\n")
    ends = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if len(ends) < 2 or ends[0] != 0:
        raise InvalidConfiguration(f"{path}:1: begins with a line of --- and has another one after its front matter.")
    # An empty first line in place of the dashes keeps the line numbers of the file.
    document = parse_yaml("\n".join(["", *lines[1 : ends[1]]]), path, {})
    body = "\n".join(lines[ends[1] + 1 :]).strip()
    if not body:
        raise InvalidConfiguration(f"{path}:{ends[1] + 1}: has no prose. Write down what a person would do.")
    return _Checker(document, path, tools or {}).runbook(body)


class _Checker:
    def __init__(self, document: Document, path: Path, tools: Tools) -> None:
        self._document = document
        self._path = path
        self._tools = tools

    def runbook(self, body: str) -> Runbook:
        data = self._document.data
        if not isinstance(data, dict):
            raise self._document.error((), "the front matter must be a mapping of keys to values")
        for key in ("id", "body", "path"):
            if key in data:
                raise self._document.error((key,), "is not written here; the file's name is the id")
        try:
            made = Runbook.model_validate({**data, "id": self._path.stem, "body": body, "path": str(self._path.name)})
        except ValidationError as error:
            raise self._invalid(error) from error
        self._check(made, data)
        return made

    def _invalid(self, error: ValidationError) -> InvalidConfiguration:
        first = error.errors(include_input=False, include_url=False)[0]
        kinds = {"extra_forbidden": "unknown key", "missing": "is required and missing"}
        return self._document.error(first["loc"], kinds.get(first["type"], str(first["msg"])))

    def _check(self, made: Runbook, data: Mapping[str, Any]) -> None:
        if not made.triggers.causes and not made.triggers.findings:
            raise self._document.error(("triggers",), "names no cause and no finding, so it would never fit")
        for index, _ in enumerate(made.checks):
            self._call(data["checks"][index], ("checks", index), Effect.READ)
        for index, change in enumerate(made.changes):
            where: KeyPath = ("changes", index)
            self._call(data["changes"][index], where, Effect.WRITE)
            self._names(change.title, (*where, "title"))
            if change.undo is not None:
                self._call(data["changes"][index]["undo"], (*where, "undo"), Effect.WRITE)

    def _call(self, raw: Mapping[str, Any], where: KeyPath, effect: Effect) -> None:
        arguments: JsonObject = raw.get("arguments") or {}
        for key, value in arguments.items():
            self._names(value, (*where, "arguments", key))
        known = self._tools.get(str(raw["source"]))
        if known is None:
            return
        tool = known.get(str(raw["tool"]))
        if tool is None:
            raise self._document.error((*where, "tool"), f"{raw['source']} has no tool {raw['tool']!r}")
        if tool.effect is not effect:
            word = "reads only" if effect is Effect.READ else "changes only"
            raise self._document.error((*where, "tool"), f"{tool.name} is a {tool.effect.value}; here stand {word}")
        self._arguments(tool, arguments, where)

    def _arguments(self, tool: Tool, arguments: JsonObject, where: KeyPath) -> None:
        fields = tool.arguments.model_fields
        for key in arguments:
            if key not in fields or (tool.effect is Effect.WRITE and key in _BOUND_LATER):
                names = ", ".join(sorted(set(fields) - _BOUND_LATER))
                raise self._document.error((*where, "arguments", key), f"{tool.name} takes: {names}")
        missing = [key for key, field in fields.items() if field.is_required() and key not in arguments]
        if missing:
            raise self._document.error((*where, "arguments"), f"{tool.name} also needs: {', '.join(missing)}")
        self._literals(tool, arguments, where)

    def _literals(self, tool: Tool, arguments: JsonObject, where: KeyPath) -> None:
        """Values that are written out must be within the tool's bounds; those still to be filled are judged then."""
        try:
            tool.arguments.model_validate(arguments)
        except ValidationError as error:
            for one in error.errors(include_input=False, include_url=False):
                key = one["loc"][0] if one["loc"] else ""
                if key in arguments and not placeholders(arguments[str(key)]):
                    raise self._document.error((*where, "arguments", str(key)), str(one["msg"])) from error

    def _names(self, value: JsonValue, where: KeyPath) -> None:
        unknown = sorted(placeholders(value) - set(FACTS))
        if unknown:
            known = ", ".join(sorted(FACTS))
            raise self._document.error(where, f"{{{unknown[0]}}} is not a fact that can be filled in. Known: {known}")


def search(books: Iterable[Runbook], words: str, *, limit: int = 10) -> list[Runbook]:
    """The runbooks that hold the words, those that hold them in title, cause or id first."""
    wanted = [word for word in re.split(r"[^a-z0-9]+", words.lower()) if word]
    scored = [(_score(book, wanted), book) for book in books]
    found = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].id))
    return [book for _, book in found[:limit]]


def _score(book: Runbook, wanted: Sequence[str]) -> float:
    head = f"{book.id} {book.title} {' '.join(book.triggers.causes)}".lower().replace("_", " ")
    kinds = " ".join(kind.value for kind in book.triggers.findings).replace("_", " ")
    body = f"{kinds} {book.body} {' '.join(c.title for c in book.changes)}".lower()
    scores = [3.0 * (word in head) + 1.0 * (word in body) for word in wanted]
    return sum(scores) if scores and all(scores) else 0.0
