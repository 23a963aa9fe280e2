"""Documentation is held to the code: settings, events, commands, tools."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from bot.__main__ import app
from bot.cli.config import variable
from bot.domain.events import EventKind
from bot.domain.evidence import FindingKind
from bot.settings import Settings
from bot.slack.doctor import REQUIRED_SCOPES
from bot.yaml_file import read_yaml
from connectors.registry import connector_class, connector_types

ROOT = Path(__file__).parents[2]


def _doc(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    text = _doc("configuration.md")
    missing = [variable(name) for name in Settings.model_fields if variable(name).split(" or ")[0] not in text]
    assert missing == []


def test_every_kind_of_event_and_finding_is_documented() -> None:
    text = _doc("glossary.md")
    assert [kind.value for kind in EventKind if kind.value not in text] == []
    assert [kind.value for kind in FindingKind if kind.value not in text] == []


def test_every_command_is_documented() -> None:
    text = _doc("commands.md")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"inquest {name}" not in text] == []


@pytest.mark.parametrize("type_", connector_types())
def test_every_tool_of_every_connector_is_documented(type_: str) -> None:
    text = _doc(f"connectors/{type_}.md")
    assert [tool for tool in connector_class(type_)._tools if tool not in text] == []


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


def test_the_manifest_asks_for_the_scopes_that_the_doctor_checks() -> None:
    manifest = read_yaml(ROOT / "slack-manifest.yaml", {}).data
    assert isinstance(manifest, dict)
    scopes = manifest["oauth_config"]["scopes"]["bot"]  # type: ignore[index,call-overload]
    assert set(scopes) >= REQUIRED_SCOPES  # type: ignore[arg-type]
