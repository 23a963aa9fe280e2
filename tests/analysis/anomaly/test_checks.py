"""Checks without learning."""

from __future__ import annotations

import numpy as np
import pytest

from bot.analysis.anomaly import checks

NAN = np.nan


def test_a_ratio_of_too_little_is_unknown() -> None:
    assert np.isnan(checks.ratio(np.array([1.0]), np.array([0.0]))[0])
    assert np.isnan(checks.ratio(np.array([1.0]), np.array([3.0]), least=5.0)[0])
    assert checks.ratio(np.array([1.0]), np.array([4.0]))[0] == 0.25


def test_a_burn_needs_both_windows() -> None:
    total = np.full((2, 60), 100.0)
    errors = np.zeros((2, 60))
    errors[0, -30:] = 5.0
    errors[1, 10:40] = 5.0
    got = checks.sustained_burn(errors, total, objective=0.999, long=60, short=5)
    assert got.tolist() == pytest.approx([25.0, 0.0])
    assert checks.burn_rate(errors, total, objective=0.999, points=60)[0] == pytest.approx(25.0)


def test_a_standstill_is_counted_from_the_end() -> None:
    moving = np.arange(40.0)
    stuck = np.r_[np.arange(30.0), np.full(10, 29.0)]
    gone = np.r_[np.arange(35.0), np.full(5, NAN)]
    constant = np.full(40, 3.0)
    points = np.vstack([moving, stuck, gone, constant])
    assert checks.unmoved_for(points).tolist() == [1, 11, 0, 40]
    assert checks.standstill(points, least=8).tolist() == [False, True, False, False]
