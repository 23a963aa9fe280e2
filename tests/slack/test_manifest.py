"""The manifest asks for what the code uses, and the code answers what the manifest offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.demo.workspace import WorkspaceConfig
from bot.demo.workspace.config import COMMANDS, SHORTCUTS
from bot.slack.blocks.help import PROMPTS
from bot.slack.doctor import REQUIRED_SCOPES
from tests.slack.conftest import ADA, ROOM, a_scene
from tests.slack.story import SOURCES

MANIFEST: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "slack-manifest.yaml").read_text("utf-8"))
SCOPES = frozenset(MANIFEST["oauth_config"]["scopes"]["bot"])


def test_scopes_are_those_the_doctor_asks_for() -> None:
    assert SCOPES == REQUIRED_SCOPES


def test_commands_and_shortcuts_are_those_of_the_simulation() -> None:
    features = MANIFEST["features"]
    assert {c["command"] for c in features["slash_commands"]} == {c.name for c in COMMANDS}
    assert {s["callback_id"] for s in features["shortcuts"]} == {s.callback_id for s in SHORTCUTS}
    prompts = [(p["title"], p["message"]) for p in features["agent_view"]["suggested_prompts"]]
    assert prompts == list(PROMPTS)


def test_socket_mode_and_interactivity_are_on() -> None:
    settings = MANIFEST["settings"]
    assert settings["socket_mode_enabled"] is True
    assert settings["interactivity"] == {"is_enabled": True}
    assert len(MANIFEST["display_information"]["long_description"]) >= 174


async def test_the_line_needs_no_other_scope_or_event(tmp_path: Path) -> None:
    events = frozenset(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    async with a_scene(tmp_path, WorkspaceConfig(scopes=SCOPES, events=events)) as scene:
        await scene.start()
        teller = await scene.asked()
        await teller.whole()
        card = await scene.card("What caused it")
        await scene.replies(card, len(SOURCES) + 1)
        await scene.control.click(ADA, card, "inv_report")
        await scene.control.do("home", {"user": ADA})
        await scene.control.command(ADA, ROOM, "/investigate", "list")
        calls = (await scene.control.read("ledger"))["calls"]
        assert [c for c in calls if c["error"] == "missing_scope"] == []
