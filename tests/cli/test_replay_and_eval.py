"""`inquest replay` and `inquest eval` from end to end, over the database of an investigation that has ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cli.evaluate import evaluate_folder
from bot.cli.replay import replay_one
from bot.domain.report import Report
from bot.errors import InvalidRequest, UnknownId
from bot.settings import Settings
from tests.services.test_replay import incident
from tests.support.house import house


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    url = SecretStr(f"sqlite:///{tmp_path / 'r.db'}")
    return Settings().model_copy(update={"database_url": url, "sources_file": tmp_path / "sources.yaml"})


@pytest.fixture
async def report(settings: Settings) -> Report:
    """An ended investigation in the database that the settings name."""
    async with house(settings.database_url.get_secret_value(), incident()) as parts:
        done = await parts.settled(await parts.ask("why does checkout-api fail?"))
    assert done.report is not None
    return done.report


async def test_replay_prints_the_report_and_that_nothing_changed(
    settings: Settings, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await replay_one(settings, report.investigation_id, arm=None, as_json=False) == 0
    told = capsys.readouterr().out
    assert report.synthesis.hypotheses[0].statement.rstrip(".") in told
    assert "Nothing changed against then." in told


async def test_replay_as_json_is_the_report_with_what_changed(
    settings: Settings, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await replay_one(settings, report.investigation_id, arm=None, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"]["investigation_id"] == report.investigation_id
    assert (told["changes"], told["missing"], told["lost"]) == ([], 0, 0)


async def test_an_eval_is_saved_and_scored(
    settings: Settings, report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out, best = tmp_path / "evals", tmp_path / "score.json", report.synthesis.hypotheses[0]
    with pytest.raises(InvalidRequest, match="Nobody has confirmed"):
        await replay_one(settings, report.investigation_id, arm=None, as_json=False, save_to=folder)
    cause = f"{best.component} {best.cause}"
    saved = await replay_one(
        settings, report.investigation_id, arm=None, as_json=False, save_to=folder, cause=cause
    )  # fmt: skip
    assert saved == 0
    assert (folder / report.investigation_id / "cause.json").is_file()
    capsys.readouterr()
    assert await evaluate_folder(settings, folder, arm=None, out=out) == 0
    assert "component + cause 1.000 first, 1.000 in three" in capsys.readouterr().out
    assert json.loads(out.read_text())["top1"] == 1.0


async def test_an_investigation_and_a_folder_that_are_not_there(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UnknownId):
        await replay_one(settings, "inv_unheard_of", arm=None, as_json=False)
    with pytest.raises(UnknownId, match="no evals"):
        await evaluate_folder(settings, tmp_path, arm=None, out=None)
