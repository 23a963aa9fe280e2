"""Sudden changes beside the last hour."""

from __future__ import annotations

import numpy as np

from bot.analysis.anomaly.jumps import jumps, recent_level

DICE = np.random.default_rng(5)
NONE = np.zeros(1, dtype=np.int64)


def hour(level: float = 100.0) -> np.ndarray:
    return level * DICE.lognormal(0, 0.05, size=(1, 60))


def test_a_fall_is_counted_point_by_point_and_ends_with_the_first_normal_one() -> None:
    recent, count = hour(), NONE
    for expected in (-1, -2, -3):
        count = jumps(recent, np.array([8.0]), count)
        assert count.tolist() == [expected]
        recent = np.append(recent[:, 1:], [[8.0]], axis=1)
    assert jumps(recent, np.array([100.0]), count).tolist() == [0]


def test_a_rise_after_a_fall_begins_anew() -> None:
    fallen = jumps(hour(), np.array([1.0]), NONE)
    assert jumps(hour(), np.array([900.0]), fallen).tolist() == [1]


def test_a_missing_value_changes_nothing() -> None:
    assert jumps(hour(), np.array([np.nan]), np.array([-2])).tolist() == [-2]


def test_noise_young_series_and_bursts_that_come_often_are_no_jumps() -> None:
    assert jumps(hour(), np.array([130.0]), NONE).tolist() == [0]
    young = np.full((1, 60), np.nan)
    young[0, -10:] = 100.0
    assert jumps(young, np.array([1.0]), NONE).tolist() == [0]
    bursts = hour()
    bursts[0, ::10] = 900.0
    assert jumps(bursts, np.array([900.0]), NONE).tolist() == [0]


def test_extreme_values_are_finite_and_zeros_have_a_spread() -> None:
    middle, spread, count = recent_level(np.array([[0.0] * 60, [1e300] * 60, [np.nan] * 60]))
    assert middle.tolist()[:2] == [0.0, 1e300]
    assert np.all(spread[:2] > 0)
    assert count.tolist() == [60, 60, 0]
    assert jumps(np.full((1, 60), 1e300), np.array([-1e300]), NONE).tolist() == [-1]
