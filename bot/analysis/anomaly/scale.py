"""Robust level and spread of many series, from a bounded sample of what each of them showed before."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.state import PerSeries

Floats: TypeAlias = NDArray[np.float64]

LARGEST = 1e120
"""Values beyond are cut, so that squares stay finite."""
SETTLED = 32
_EVERY = 25
_FURTHEST = 1e4
_DECILE_GAP = 2.563
"""The distance from the 10th to the 90th percentile of a normal distribution, in standard deviations."""


class RobustScale(PerSeries):
    """Median and spread per series. Spread is the widest of: decile gap, a share of the deviation, a share of level."""

    kept: ClassVar = {"_sample": np.nan, "_seen": 0, "_level": 0.0, "_spread": 1.0}

    def __init__(self, series: int, *, kept: int, keep_every: int) -> None:
        self._sample = np.full((series, kept), np.nan)
        self._seen = np.zeros(series, dtype=np.int64)
        self._level = np.zeros(series)
        self._spread = np.ones(series)
        self._keep_every = keep_every
        self._turn = np.arange(series, dtype=np.int64) % _EVERY

    def update(self, values: Floats) -> Floats:
        """The values as distances from their level in spreads, [series]; NaN where the value is missing."""
        there = ~np.isnan(values)
        far = _FURTHEST * self._spread
        tame = np.clip(values, self._level - far, self._level + far)
        self._keep(np.where(self._seen < SETTLED, values, tame), there)
        self._seen += there
        young = self._seen <= SETTLED
        due = np.flatnonzero(there & (young | ((self._seen + self._turn) % _EVERY == 0)))
        if len(due):
            self._refresh(due)
        return (values - self._level) / self._spread

    def _keep(self, values: Floats, there: NDArray[np.bool_]) -> None:
        """While young every value, later every few; the oldest gives way."""
        wanted = there & ((self._seen < SETTLED) | (self._seen % self._keep_every == 0))
        rows = np.flatnonzero(wanted)
        seen = self._seen[rows]
        turn = np.where(seen < SETTLED, seen, SETTLED + (seen - SETTLED) // self._keep_every)
        self._sample[rows, turn % self._sample.shape[1]] = values[rows]

    def _refresh(self, rows: NDArray[np.intp]) -> None:
        ordered = np.sort(self._sample[rows], axis=1)
        count = np.sum(~np.isnan(ordered), axis=1)
        last = np.maximum(count - 1, 0)
        at = np.arange(len(rows))
        low, middle, high = (ordered[at, np.rint(last * q).astype(np.intp)] for q in (0.1, 0.5, 0.9))
        deviation = np.nanstd(ordered, axis=1)
        floor = np.maximum(1e-3 * np.abs(middle), 1e-9)
        self._level[rows] = middle
        self._spread[rows] = np.maximum.reduce([(high - low) / _DECILE_GAP, 0.15 * deviation, floor])

    def bounds(self, wide: float) -> tuple[Floats, Floats]:
        """Level minus and plus `wide` spreads per series: what counts as normal."""
        return self._level - wide * self._spread, self._level + wide * self._spread
