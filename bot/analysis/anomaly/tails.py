"""How unusual a score is among the scores of the same series before: a Hill-type tail over a small histogram."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.scale import Floats
from bot.analysis.anomaly.state import PerSeries

_LOW, _HIGH, _STEP = -7.0, 5.0, 0.05
_BINS = int((_HIGH - _LOW) / _STEP)
_SMALLEST = 1e-3
_TAIL = 0.03
_LEAST_SLOPE = 0.02
_EVERY = 25
_FULL = 30_000
_MOMENTS = np.column_stack([np.ones(_BINS), _LOW + _STEP * (np.arange(_BINS) + 0.5)])
"""What sums a histogram's counts, and its counts times the centres of their bins."""


class Tails(PerSeries):
    """Per series and feature: -log10 of the share of earlier scores that were as high, extrapolated beyond the last.

    Above the 97th percentile u the excess of log score is taken as exponential with its mean (B. M. Hill, 1975), so
    heavy-tailed series need larger peaks to be as unusual.
    """

    kept: ClassVar = {"_counts": 0, "_seen": 0, "_start": _HIGH, "_slope": 1.0}

    def __init__(self, series: int, features: int, *, warm: int) -> None:
        self._counts = np.zeros((series, features, _BINS), dtype=np.uint16)
        self._seen = np.zeros((series, features), dtype=np.int64)
        self._start = np.full((series, features), _HIGH)
        self._slope = np.ones((series, features))
        self._warm = warm
        self._turn = (np.arange(series, dtype=np.int64) % _EVERY)[:, None]

    def update(self, scores: Floats) -> Floats:
        """Unusualness of `scores` [series, features] against what was before; NaN is no score and teaches nothing."""
        there = ~np.isnan(scores)
        logs = np.log(np.where(there, scores, 0.0) + _SMALLEST)
        known = there & (self._seen >= self._warm)
        due = known & (((self._seen + self._turn) % _EVERY == 0) | (self._seen == self._warm))
        rows = np.flatnonzero(due.any(axis=1))
        if len(rows):
            self._refresh(rows)
        beyond = (logs - self._start) / (self._slope * np.log(10.0)) - np.log10(_TAIL)
        unusual = np.where((logs > self._start) & known, beyond, 0.0)
        self._learn(logs, there)
        return unusual

    def _learn(self, logs: Floats, there: NDArray[np.bool_]) -> None:
        rows, features = np.nonzero(there)
        bins = np.clip((logs[rows, features] - _LOW) / _STEP, 0, _BINS - 1).astype(np.intp)
        self._counts[rows, features, bins] += 1
        self._seen += there
        full = there & (self._seen % _FULL == 0)
        if full.any():
            self._counts[full] //= 2

    def _refresh(self, rows: NDArray[np.intp]) -> None:
        counts = self._counts[rows]
        above = counts[:, :, ::-1].cumsum(axis=2, dtype=np.int32)
        least = _TAIL * above[:, :, -1:].astype(np.float64)
        start = np.clip(np.count_nonzero(above > least, axis=2) - 1, 0, _BINS - 1)
        edge = _LOW + _STEP * (start + 1.0)
        beyond = np.where(np.arange(_BINS) > start[:, :, None], counts, 0).astype(np.float64)
        share, weight = np.moveaxis(beyond @ _MOMENTS, 2, 0)
        excess = weight - edge * share
        self._start[rows] = edge
        self._slope[rows] = np.maximum(np.where(share > 0, excess / np.maximum(share, 1.0), 0.05), _LEAST_SLOPE)
