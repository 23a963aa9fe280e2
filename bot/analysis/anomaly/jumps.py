"""Sudden changes against the last hour or so, which a slow season or a trend hides from the spread of everything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.scale import Floats

_LEAST_POINTS = 30
_FAR = 8.0
_LEAST_CHANGE = 0.5
_QUARTILES, _TWENTIETHS = 1.349, 3.29
"""The distances between quartiles, and between the 5th and 95th percentile, of a normal distribution, in deviations."""


def recent_level(recent: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Median, robust spread and number of points per series, of [series, time]; NaN is no value.

    The spread is the widest of quartile gap, 90 % range and 1 % of level, so that up to three odd points of sixty
    do not hide the next one.
    """
    ordered = np.sort(recent, axis=1)
    count = np.sum(~np.isnan(ordered), axis=1)
    last, at = np.maximum(count - 1, 0), np.arange(len(ordered))
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    lowest, low, middle, high, highest = (ordered[at, np.floor(last * q + 0.5).astype(np.intp)] for q in shares)
    gaps = [(high - low) / _QUARTILES, (highest - lowest) / _TWENTIETHS, 0.01 * np.abs(middle)]
    return middle, np.maximum(np.maximum.reduce(gaps), 1e-9), count


def jumps(recent: Floats, values: Floats, before: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many points in a row each series has been far from its recent level, negative below; from `before`.

    A missing value changes nothing. Far is eight spreads and half of the level.
    """
    middle, spread, count = recent_level(recent)
    with np.errstate(invalid="ignore", over="ignore"):
        gap = values - middle
        far = (
            (np.abs(gap) >= _FAR * spread) & (np.abs(gap) >= _LEAST_CHANGE * np.abs(middle)) & (count >= _LEAST_POINTS)
        )
    sign = np.where(far, np.sign(np.where(np.isnan(gap), 0.0, gap)), 0.0).astype(np.int64)
    same = np.sign(before) == sign
    moved = np.where(sign == 0, 0, np.where(same, before + sign, sign))
    return np.where(np.isnan(values), before, moved).astype(np.int64)
