"""Every connector has its page, its line on the quality scale, and a contract suite that backs that line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.registry import connector_types

ROOT = Path(__file__).parents[2]


def _scale() -> dict[str, list[str]]:
    text = (ROOT / "docs/connectors/README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("| [")]
    return {re.sub(r"\[(\w+)\].*", r"\1", row[0].strip()): [cell.strip() for cell in row[1:]] for row in rows}


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
