"""`inquest sweeps` over a real store and a source that nobody answers for."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cli.sweeps import EXIT_FAILED, list_sweeps, run_sweep
from bot.cli.terminal import working
from bot.errors import InvalidConfiguration, InvalidRequest
from bot.schedule import LEASE
from bot.settings import Settings

NAME = "prometheus-main-get-service-signals"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "sources.yaml").write_text("data_sources:\n  prometheus: {url: 'http://127.0.0.1:9'}\n")
    return Settings().model_copy(
        update={
            "database_url": SecretStr(f"sqlite:///{tmp_path / 'd.db'}"),
            "sources_file": tmp_path / "sources.yaml",
            "sweeps_file": tmp_path / "none.yaml",
        }
    )


async def test_the_list_names_every_sweep_and_where_it_stands(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await list_sweeps(settings)
    [line] = [one for one in capsys.readouterr().out.splitlines() if one.startswith(NAME)]
    assert "get_service_signals of prometheus/main every 60 s  (a default)" in line


async def test_a_source_that_is_away_is_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_sweep(settings, NAME) == EXIT_FAILED
    assert f"{NAME} failed: 0 points of 0 series" in capsys.readouterr().out


async def test_one_tick_needs_the_schedule_and_hands_it_back(settings: Settings) -> None:
    async with working(settings, demo=None, seed=0) as app:
        await app.watch.run_once(NAME)
        assert await app.store.hold(LEASE, worker="another", lease_s=60)
        with pytest.raises(InvalidRequest, match="Another process runs the sweeps"):
            await app.watch.run_once(NAME)


async def test_an_unknown_name_lists_what_there_is(settings: Settings) -> None:
    with pytest.raises(InvalidConfiguration, match=NAME):
        await run_sweep(settings, "nonsense")
