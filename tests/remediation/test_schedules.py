"""A short form of the sampled schedules, on each store; `tests.benchmarks.approvals_schedules` is the long one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.approvals_clicks import run as clicks
from tests.benchmarks.approvals_schedules import a_database, run
from tests.support.servers import PostgresServer, require


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """None: SQLite files."""
    if request.param == "sqlite":
        yield None
        return
    require(PostgresServer).stop()  # skips, or fails in CI, where there is none
    with a_database() as made:
        yield made


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgres", marks=pytest.mark.servers)], indirect=True)
async def test_no_schedule_ends_in_a_write_that_nobody_approved(url: str | None) -> None:
    tally = await run(40, seed=11, url=url)
    assert tally["schedules"] == 40
    assert tally["WRONG"] == 0
    assert tally["carried out"] > 3, "schedules that carry nothing out prove nothing"
    assert tally["ended superseded"] > 0
    assert tally["ended rejected"] > 0


@pytest.mark.chaos
@pytest.mark.servers
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_64_clicks_from_two_processes_carry_it_out_once(url: str) -> None:
    tally = await clicks(2, url=url)
    assert (tally["rounds"], tally["writes"], tally["WRONG"]) == (2, 2, 0)
