"""The doctor names what is wrong and the mend, against a real (loopback) Slack and real configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cli.doctor import Finding, examine
from bot.demo.workspace import Workspace, WorkspaceConfig
from bot.settings import Settings, SlackMode
from tests.support.slack_control import SlackControl


def _settings(tmp_path: Path, workspace: Workspace, **update: object) -> Settings:
    base: dict[str, object] = {
        "database_url": SecretStr(f"sqlite:///{tmp_path / 'd.db'}"),
        "sources_file": tmp_path / "sources.yaml",
        "slack_mode": SlackMode.SOCKET,
        "slack_bot_token": SecretStr(workspace.bot_token),
        "slack_app_token": SecretStr(workspace.app_token),
        "slack_api_url": workspace.api_url,
    }
    return Settings().model_copy(update={**base, **update})


async def _findings(settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding async for finding in examine(settings)}


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    made = Workspace(WorkspaceConfig())
    await made.start()
    yield made
    await made.stop()


async def test_a_good_installation_has_only_its_sources_to_mend(tmp_path: Path, workspace: Workspace) -> None:
    found = await _findings(_settings(tmp_path, workspace))
    assert found["database"].ok
    assert found["Slack"].ok
    assert found["Slack scopes"].ok
    assert found["Slack Socket Mode"].ok
    assert not found["sources"].ok
    assert "sources.example.yaml" in found["sources"].mend


async def test_a_missing_scope_is_named(tmp_path: Path, workspace: Workspace) -> None:
    async with SlackControl(workspace.url) as control:
        await control.do("scopes", {"remove": ["commands"]})
    found = await _findings(_settings(tmp_path, workspace))
    assert not found["Slack scopes"].ok
    assert "commands" in found["Slack scopes"].detail


async def test_wrong_and_missing_tokens(tmp_path: Path, workspace: Workspace) -> None:
    wrong = await _findings(_settings(tmp_path, workspace, slack_bot_token=SecretStr("xoxb-wrong")))
    assert "invalid_auth" in wrong["Slack"].detail
    assert "xoxb-wrong" not in str(wrong)
    missing = await _findings(_settings(tmp_path, workspace, slack_app_token=None))
    assert "SLACK_APP_TOKEN" in missing["Slack"].detail


async def test_unreachable_sources_and_slack(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "sources.yaml").write_text("data_sources:\n  prometheus: {url: 'http://127.0.0.1:9'}\n")
    settings = _settings(tmp_path, workspace, slack_api_url="http://127.0.0.1:9/api/")
    found = await _findings(settings)
    assert not found["prometheus/main"].ok
    assert not found["Slack"].ok
    assert "cannot be reached" in found["Slack"].detail


async def test_a_broken_file_and_an_old_schema(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "sources.yaml").write_text("data_sources:\n  prometheus: {}\n")
    settings = _settings(tmp_path, workspace)
    found = await _findings(settings)
    assert "sources.yaml:2" in found["sources"].detail
    from bot.store import schema

    schema.downgrade(f"sqlite:///{tmp_path / 'd.db'}", schema.REVISIONS[0])
    found = await _findings(settings)
    assert not found["database"].ok
    assert "inquest release" in found["database"].detail + found["database"].mend


async def test_redis_is_asked_only_where_it_is_set(tmp_path: Path, workspace: Workspace) -> None:
    settings = _settings(tmp_path, workspace)
    assert "Redis" not in await _findings(settings)
    found = (await _findings(settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})))["Redis"]
    assert not found.ok
    assert "through the database" in found.mend
