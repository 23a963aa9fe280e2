"""Checks that need no learning: burn rates and standstill.

Points are [series, time] in order; NaN is no value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.scale import Floats

_MOVED = 1e-12


def ratio(part: Floats, whole: Floats, *, least: float = 0.0) -> Floats:
    """part / whole, NaN where the whole is missing, zero or not more than `least` (too little to say)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > least, part / whole, np.nan)


def burn_rate(errors: Floats, total: Floats, *, objective: float, points: int) -> Floats:
    """How many times faster than sustainable the error budget is spent over the last `points`; [series].

    Google, The Site Reliability Workbook, chapter 5: error ratio / (1 - objective).
    """
    spent = np.nansum(errors[:, -points:], axis=1)
    asked = np.nansum(total[:, -points:], axis=1)
    return ratio(spent, asked) / (1.0 - objective)


def sustained_burn(errors: Floats, total: Floats, *, objective: float, long: int, short: int) -> Floats:
    """What both the long and the short window burn at least, so it is serious and still going on; [series].

    At a rate of 14.4 over an hour and five minutes, somebody should be woken (the same chapter).
    """
    slow = burn_rate(errors, total, objective=objective, points=long)
    fast = burn_rate(errors, total, objective=objective, points=short)
    return np.minimum(slow, fast)


def unmoved_for(points: Floats) -> NDArray[np.int64]:
    """How many of the newest points show exactly the newest value, per series."""
    newest = points[:, -1:]
    moved = ~(np.abs(points[:, ::-1] - newest) <= _MOVED * np.maximum(np.abs(newest), 1.0))
    return np.asarray(np.where(moved.any(axis=1), np.argmax(moved, axis=1), points.shape[1]), dtype=np.int64)


def standstill(points: Floats, *, least: int) -> NDArray[np.bool_]:
    """A series that used to move at nearly every step and has not for `least` points."""
    still = unmoved_for(points)
    steps = np.abs(np.diff(points, axis=1)) > 0
    before = np.arange(steps.shape[1])[None, :] < steps.shape[1] - still[:, None]
    used = np.where(before, steps, False).sum(axis=1) / np.maximum(before.sum(axis=1), 1)
    return np.asarray((still >= least) & (used >= 0.8) & (before.sum(axis=1) >= 2 * least))
