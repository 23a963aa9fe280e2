"""Many series, one point each per tick: how unusual it is, and whether an episode begins. Causal; state is bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.novelty import Novelty
from bot.analysis.anomaly.scale import LARGEST, Floats, RobustScale
from bot.analysis.anomaly.tails import Tails

_CAP = 8.0
_FEATURES = 4


@dataclass(frozen=True)
class Tuning:
    """Lengths are in points. `threshold` is in decades of unusualness; the rest shapes memory and calm."""

    threshold: float = 1.75
    memory: int = 2000
    lengths: tuple[int, ...] = (4, 64)
    sample: int = 1000
    sample_every: int = 3
    warm: int = 100
    quiet: int = 130
    fatigue: float = 0.05
    fatigue_length: float = 3000.0


@dataclass(frozen=True)
class Verdicts:
    """One entry per series: the unusualness, whether an episode begins here, and what was still being learned."""

    unusual: Floats
    onset: NDArray[np.bool_]
    learning: NDArray[np.bool_]
    distance: Floats


class Detector:
    """Level, level shift and novelty of shape, each judged against the series' own past, then combined.

    Features: distance of a fast average from normal; the gap between a slow and a very slow average (shift, drift);
    novelty of the last few points; novelty of the last many. Each becomes decades of unusualness, and the fourth-power
    mean of those lets one strong feature or several middling ones speak.
    """

    def __init__(self, series: int, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self._scale = RobustScale(series, kept=self.tuning.sample, keep_every=self.tuning.sample_every)
        self._novelty = Novelty(series, lengths=self.tuning.lengths, memory=self.tuning.memory)
        self._tails = Tails(series, _FEATURES, warm=self.tuning.warm)
        self._seen = np.zeros(series, dtype=np.int64)
        self._shape = np.zeros(series)
        self._averages = np.zeros((series, 3))
        self._rates = np.array([0.1, 0.03, 0.003])
        self._since = np.full(series, 10**9, dtype=np.int64)
        self._weariness = np.zeros(series)

    def update(self, values: Floats) -> Verdicts:
        """One tick: a value per series, NaN where there is none. Returns verdicts in the same order."""
        values = np.clip(np.where(np.isfinite(values), values, np.nan), -LARGEST, LARGEST)
        there = ~np.isnan(values)
        distance = np.clip(self._scale.update(values), -1000.0, 1000.0)
        features = self._features(np.where(there, distance, 0.0), there)
        each = np.minimum(self._tails.update(features, there), _CAP)
        unusual = np.mean(each**4, axis=1) ** 0.25
        self._seen += there
        onset = self._judge(unusual, there)
        return Verdicts(unusual, onset, self._seen <= self.tuning.warm, np.where(there, distance, np.nan))

    def _features(self, distance: Floats, there: NDArray[np.bool_]) -> Floats:
        size = np.abs(distance)
        rooted = np.sign(distance) * np.sqrt(size)
        logged = np.sign(distance) * np.log1p(size)
        self._shape = np.where(there, logged, self._shape)
        first = there & (self._seen == 0)
        self._averages[first] = rooted[first, None]
        steps = self._rates * (rooted[:, None] - self._averages)
        self._averages += np.where(there[:, None], steps, 0.0)
        novelty = self._novelty.update(self._shape)
        fast, slow, slowest = self._averages.T
        return np.column_stack([np.abs(fast), np.abs(slow - slowest), novelty])

    def _judge(self, unusual: Floats, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """One onset per episode: quiet for a while after each, and harder to impress the more there were lately."""
        self._weariness *= np.exp(-1.0 / self.tuning.fatigue_length)
        self._since += 1
        onset: NDArray[np.bool_] = (
            there & (unusual >= self.tuning.threshold + self._weariness) & (self._since > self.tuning.quiet)
        )
        self._since[onset] = 0
        self._weariness[onset] += self.tuning.fatigue
        return onset
