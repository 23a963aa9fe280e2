"""The house rules that a machine can check: sizes, bans, documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("bot", "connectors", "runbooks", "migrations")
LONGEST_FILE, LONGEST_FUNCTION = 400, 50


def _files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", list(_files(*PRODUCT, "tests")), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    long = [
        f"{node.name} ({(node.end_lineno or node.lineno) - node.lineno + 1} lines)"
        for node in _functions(ast.parse(text))
        if (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


BANNED = {
    "a shell": re.compile(r"shell=True|\bos\.system\(|\bos\.popen\("),
    "eval or exec": re.compile(r"(?<![\w.])(?:eval|exec)\("),
    "unsafe YAML": re.compile(r"yaml\.(?:load|full_load|unsafe_load)\("),
    "a mock": re.compile(r"unittest\.mock|monkeypatch\.setattr|MagicMock"),
    "unfinished work": re.compile(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b"),
    "pickle": re.compile(r"^\s*(?:import|from) pickle", re.MULTILINE),
}


@pytest.mark.parametrize("what", list(BANNED))
def test_nothing_banned_is_in_the_code(what: str) -> None:
    own = Path(__file__)
    hits = [
        f"{path.relative_to(ROOT)}:{text[: match.start()].count(chr(10)) + 1}"
        for path in _files(*PRODUCT, "tests")
        if path != own
        for text in [path.read_text(encoding="utf-8")]
        for match in BANNED[what].finditer(text)
    ]
    assert hits == []


def test_broad_excepts_stand_only_at_outer_borders() -> None:
    """Each one re-raises, or says in a comment which border it is."""
    hits = []
    for path in _files(*PRODUCT):
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            said = "#" in lines[node.lineno - 1]
            if broad and not raises and not said:
                hits.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert hits == []


@pytest.mark.parametrize("path", list(_files(*PRODUCT)), ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_public_classes_say_what_they_are(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body:
        assert ast.get_docstring(tree), "the module has no docstring"


def test_no_address_of_a_registry_and_no_path_of_a_machine_is_in_the_locks() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text(encoding="utf-8")
        assert "http://" not in text
        assert "https://" not in text
        assert "--hash=sha256:" in text
