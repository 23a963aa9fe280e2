"""The detector: finds each kind of change once, stays calm otherwise, forgets nothing over a restart."""

from __future__ import annotations

import numpy as np
import pytest

from bot.analysis.anomaly.detector import Detector, Tuning
from bot.analysis.anomaly.scale import Floats
from bot.analysis.anomaly.seasonality import find_period
from bot.analysis.anomaly.state import pack, unpack

SMALL = Tuning(memory=400, sample=200, sample_every=2, threshold=3.0)
DAY = 288


def onsets(values: Floats, tuning: Tuning = SMALL) -> list[int]:
    detector = Detector(1, tuning)
    return [row for row, value in enumerate(values) if detector.update(np.array([value])).onset[0]]


def noise(points: int = 900, seed: int = 1) -> Floats:
    return 100.0 + np.random.default_rng(seed).normal(size=points)


def daily(points: int, seed: int = 1) -> Floats:
    at = np.arange(points)
    return noise(points, seed) + np.where(at % DAY >= 2 * DAY // 3, 60.0, 0.0)


@pytest.mark.parametrize("change", ["spike", "dip", "shift", "rough"])
def test_finds_a_change_where_it_begins(change: str) -> None:
    values = noise()
    if change == "rough":
        values[700:760] += 6 * np.random.default_rng(2).normal(size=60)
    else:
        size = {"spike": 25.0, "dip": -25.0, "shift": 12.0}[change]
        values[700 : 705 if change != "shift" else 900] += size
    found = [row for row in onsets(values) if row >= 690]
    assert len(found) == 1
    assert 700 <= found[0] <= 730


def test_finds_what_is_missing_from_a_daily_rhythm() -> None:
    normal = daily(DAY * 12)
    begin = DAY * 11 + 2 * DAY // 3
    without = normal.copy()
    without[begin : begin + DAY // 3] -= 60.0
    assert any(begin <= row <= begin + DAY // 2 for row in onsets(without, Tuning()))
    assert not [row for row in onsets(normal, Tuning()) if row >= begin]


def test_a_quiet_series_is_left_alone() -> None:
    detector = Detector(50, SMALL)
    table = np.array([noise(seed=seed) for seed in range(50)])
    assert sum(int(detector.update(row).onset.sum()) for row in table.T) <= 50
    assert onsets(np.zeros(600)) == []


def test_a_restart_changes_nothing() -> None:
    values = noise(600)
    values[550:] += 15.0
    straight, first, second = Detector(2, SMALL), Detector(2, SMALL), Detector(2, SMALL)
    rows = np.arange(2)
    for row, value in enumerate(values):
        pair = np.array([value, value + row % 7])
        expected = straight.update(pair)
        if row == 500:
            second.restore(rows, unpack(pack(first.state(rows))))
        got = (first if row < 500 else second).update(pair)
        assert got.onset.tolist() == expected.onset.tolist()
        assert got.unusual == pytest.approx(expected.unusual, abs=0.05)


def test_a_state_of_another_tuning_is_refused() -> None:
    rows = np.arange(1)
    kept = Detector(1, SMALL).state(rows)
    with pytest.raises(ValueError, match="shape"):
        Detector(1, Tuning(memory=300, sample=200)).restore(rows, kept)
    with pytest.raises(ValueError, match="no kept state"):
        unpack(b"garbage")


def test_a_cleared_place_learns_anew() -> None:
    detector = Detector(2, SMALL)
    for value in noise(300):
        detector.update(np.array([value, value]))
    detector.clear(np.array([0]))
    verdict = detector.update(np.array([5e6, 100.0]))
    assert verdict.learning.tolist() == [True, False]
    assert not verdict.onset[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_missing_values_do_not_blind_it(bad: float) -> None:
    values = noise()
    values[300:320] = bad
    values[700:] += 15.0
    assert [row for row in onsets(values) if 700 <= row <= 740]
    assert not [row for row in onsets(values) if 300 <= row < 320]


@pytest.mark.parametrize("bad", [1e300, -1e300, 0.0])
def test_absurd_values_are_an_onset_and_stay_finite(bad: float) -> None:
    values = noise()
    values[300:308] = bad
    detector = Detector(1, SMALL)
    verdicts = [detector.update(np.array([value])) for value in values]
    assert [row for row, verdict in enumerate(verdicts) if verdict.onset[0] and 300 <= row < 308]
    assert all(np.isfinite(verdict.unusual[0]) for verdict in verdicts)


@pytest.mark.parametrize("values", [[], [1.0], [np.nan] * 50, [1e300, -1e300] * 40])
def test_short_and_strange_series_say_nothing(values: list[float]) -> None:
    assert onsets(np.array(values)) == []


def test_series_do_not_see_each_other() -> None:
    values = noise(500)
    alone, together = Detector(1, SMALL), Detector(40, SMALL)
    others = np.random.default_rng(5).normal(size=(500, 39)) * 1e6
    for row, value in enumerate(values):
        one = alone.update(np.array([value])).unusual[0]
        many = together.update(np.array([value, *others[row]])).unusual[0]
        assert many == pytest.approx(one)


@pytest.mark.parametrize(("length", "period"), [(24, 24), (96, 96), (288, 288)])
def test_finds_the_season(length: int, period: int) -> None:
    at = np.arange(length * 5)
    values = np.sin(2 * np.pi * at / length) + 0.1 * np.random.default_rng(0).normal(size=len(at))
    assert abs(find_period(values) - period) <= max(2, period // 50)


def test_noise_has_no_season() -> None:
    assert find_period(noise(900)) == 0
    assert find_period(np.zeros(500)) == 0
