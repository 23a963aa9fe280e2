"""Every scenario of the demo, through real connectors and the real engine: the right cause, or rightly none."""

from __future__ import annotations

import pytest

from bot.demo.world import SCENARIOS
from tests.benchmarks.scenarios import run_one

pytestmark = pytest.mark.xdist_group("scenarios")


@pytest.mark.parametrize("scenario", list(SCENARIOS))
async def test_the_right_cause_is_named(scenario: str) -> None:
    result = await run_one(scenario, seed=3)
    assert result.right, f"said {result.said!r}, truth {result.truth!r}"
