"""The short form of the trials by force. The long one is `make chaos`; a failure here repeats with its seed."""

from __future__ import annotations

import pytest

from tests.chaos import kills, outages, takeovers
from tests.chaos.oracles import Verdict
from tests.support.servers import PostgresServer, require

SEED = 20
pytestmark = [pytest.mark.chaos, pytest.mark.servers, pytest.mark.xdist_group("chaos")]


@pytest.fixture(scope="module", autouse=True)
def postgres_is_installed() -> None:
    """Skips, or fails in CI, when there is no PostgreSQL."""
    require(PostgresServer).stop()


def held(verdict: Verdict) -> None:
    assert verdict.holds, f"seed {SEED}: {verdict.told()}"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_nothing_lost_and_nothing_twice_when_processes_are_killed(kind: str) -> None:
    held(await kills.random_kills(kind, count=10, seed=SEED))


async def test_another_worker_goes_on_after_a_kill() -> None:
    held(await takeovers.after_kill(cycles=2, seed=SEED))


async def test_a_frozen_worker_is_replaced_and_shut_out() -> None:
    held(await takeovers.after_freeze(cycles=2, seed=SEED))


async def test_the_database_is_restarted() -> None:
    held(await outages.database_restarts(seconds=8, seed=SEED, every_s=(2.0, 4.0)))


async def test_slack_is_gone_for_a_while() -> None:
    held(await outages.slack_gone("sqlite", seed=SEED, hours=0.1))
