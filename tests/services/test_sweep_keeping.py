"""What a sweep learned survives a restart, and nothing strange is taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from bot.analysis.anomaly.state import pack
from bot.services.sweep_burn import Burns
from bot.services.sweep_keeping import kept_parts, take_back
from bot.services.sweep_model import Objective
from bot.services.sweep_watch import Watch
from bot.store import Store
from connectors.model import Series
from tests.services.test_sweeps import SWEEP, Desk, Hands, payload
from tests.support.doubles import Behaviour, DoubleConnector

NORMAL = (0.2 + 0.01 * np.random.default_rng(3).normal(size=400)).tolist()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'inquest.db'}", create=True)
    yield store
    await store.close()


def desk(store: Store, clock: Hands) -> Desk:
    connector = DoubleConnector(name="double/main", behaviour=Behaviour())
    tool = next(one.name for one in connector.tools() if one.effect.value == "read")
    return Desk(store, clock, SWEEP.model_copy(update={"tool": tool}))


async def test_a_restart_goes_on_where_the_last_process_was(store: Store) -> None:
    """No learning again, no second page for what is known, and the end of it is seen."""
    clock = Hands()
    before = desk(store, clock)
    await before.tick(NORMAL[:350])
    assert await before.tick([1.9]) == 1
    await before.sweeps.keep_all()
    after = desk(store, clock)
    await after.anomalies.refresh()
    assert await after.tick([1.9]) == 0
    outcome = after.sweeps.last("signals")
    assert outcome is not None
    assert not outcome.learning
    for value in NORMAL[350:354]:
        await after.tick([value])
    [found] = after.anomalies.recent()
    assert found.state.value == "resolved"


async def test_it_is_kept_every_quarter_of_an_hour(store: Store) -> None:
    clock = Hands()
    one = desk(store, clock)
    await one.tick(NORMAL[:200])
    for value in NORMAL[200:214]:
        await one.tick([value])
    assert await store.sweep_states.kept("signals") == []
    await one.tick([NORMAL[214]])
    assert len(await store.sweep_states.kept("signals")) == 1


async def test_what_is_too_old_is_learned_anew(store: Store) -> None:
    clock = Hands()
    one = desk(store, clock)
    await one.tick(NORMAL[:200])
    await one.sweeps.keep_all()
    clock.at += timedelta(hours=7)
    again = desk(store, clock)
    await again.tick(NORMAL[200:])
    outcome = again.sweeps.last("signals")
    assert outcome is not None
    assert outcome.learning


async def test_the_windows_of_burn_rates_go_on_after_a_restart() -> None:
    """Forty bad minutes before it count: ten more of them alone would burn no hour."""
    objectives, minute = [Objective(service="shop", availability=0.999)], timedelta(minutes=1)

    def answer(first: int, last: int) -> list[Series]:
        times = [Hands().at + minute * n for n in range(first, last)]
        traffic, errors = [(at, 50.0) for at in times], [(at, 0.02 if n >= 20 else 0.0) for n, at in enumerate(times)]
        return [
            Series(service="shop", metric="request_rate", step_s=60, points=tuple(traffic)),
            Series(service="shop", metric="error_ratio", step_s=60, points=tuple(errors)),
        ]

    before, after = Burns(objectives, step_s=60), Burns(objectives, step_s=60)
    before.series(answer(0, 60))
    take_back(Watch(SWEEP), kept_parts(watched(), until=1.0, burns=before), burns=after)
    [fast, _] = after.series(answer(58, 61))
    assert len(fast.points) == 1, "what was counted before is not counted again"
    assert fast.points == before.series(answer(58, 61))[0].points
    assert after.state() == before.state()


def watched() -> Watch:
    watch = Watch(SWEEP)
    watch.feed(payload(NORMAL[:60], Hands().at).series, query="q", learning=True)
    return watch


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a state",
        pack({"notes": np.frombuffer(b"[]", dtype=np.uint8)}),
        pack({"notes": np.frombuffer(b'{"version": 99}', dtype=np.uint8)}),
        pack({"notes": np.frombuffer(b'{"version": 1, "until": 1, "places": [{}]}', dtype=np.uint8)}),
        pack({"notes": np.frombuffer(b"\xff{", dtype=np.uint8)}),
        pack({"x": np.zeros(3)}),
    ],
)
def test_strange_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        take_back(Watch(SWEEP), [data])


def test_a_state_of_another_cadence_is_refused() -> None:
    parts = list(kept_parts(watched(), until=1.0))
    with pytest.raises(ValueError, match="shape"):
        take_back(Watch(SWEEP.model_copy(update={"every_s": 600.0})), parts)


def test_nothing_is_taken_back_twice() -> None:
    parts = list(kept_parts(watched(), until=1.0))
    with pytest.raises(ValueError, match="twice"):
        take_back(Watch(SWEEP), parts * 2)


async def test_a_state_that_does_not_fit_is_learned_anew(store: Store) -> None:
    clock = Hands()
    one = desk(store, clock)
    await store.sweep_states.keep("signals", [b"not a state"], clock.at)
    assert await one.tick(NORMAL[:200]) == 0
    outcome = one.sweeps.last("signals")
    assert outcome is not None
    assert outcome.learning
