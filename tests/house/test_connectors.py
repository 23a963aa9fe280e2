"""Every connector has its page, its line on the quality scale, and a contract suite that backs that line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.registry import connector_class, connector_types

ROOT = Path(__file__).parents[2]


def _scale() -> dict[str, list[str]]:
    text = (ROOT / "docs/connectors/README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("| [")]
    return {re.sub(r"\[(\w+)\].*", r"\1", row[0].strip()): [cell.strip() for cell in row[1:]] for row in rows}


def _answered() -> dict[str, set[str]]:
    """Tools by connector, as the table of questions names them."""
    text = (ROOT / "docs/connectors/README.md").read_text(encoding="utf-8")
    table = text.partition("## Which tool answers which question")[2]
    found: dict[str, set[str]] = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").replace("\\|", "").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "connector":
            for type_ in cells[0].split(", "):
                found.setdefault(type_, set()).update(re.findall(r"`(\w+)`", cells[2]))
    return found


def test_the_scale_lists_every_connector_once() -> None:
    assert sorted(_scale()) == connector_types()


@pytest.mark.parametrize("type_", connector_types())
def test_a_yes_for_the_contract_suite_is_backed_by_one(type_: str) -> None:
    suites = [
        path
        for path in (ROOT / "tests/connectors").glob("test_*.py")
        if type_.split("_", maxsplit=1)[0] in path.name and "ConnectorContract" in path.read_text(encoding="utf-8")
    ]
    assert (_scale()[type_][0] == "yes") == bool(suites)


@pytest.mark.parametrize("type_", connector_types())
def test_every_tool_answers_a_question_and_every_named_tool_exists(type_: str) -> None:
    declared = set(connector_class(type_)._tools)
    assert _answered().get(type_, set()) == declared
