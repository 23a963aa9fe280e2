"""The short form of the trials by force. The long one is `make chaos`; a failure here repeats with its seed."""

from __future__ import annotations

import pytest

from tests.chaos.mixed import blows
from tests.support.servers import PostgresServer, require

SEED = 20
pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("chaos")]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_nothing_is_lost_and_nothing_done_twice(kind: str) -> None:
    if kind == "postgresql":
        require(PostgresServer).stop()  # skips, or fails in CI, when there is no PostgreSQL
    verdict = await blows(kind, seed=SEED)
    assert verdict.holds, f"seed {SEED}: {verdict.told()}"
