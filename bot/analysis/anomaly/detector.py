"""Many series, one point each per tick: how unusual it is, and whether an episode begins. Causal; state is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.novelty import Novelty
from bot.analysis.anomaly.scale import LARGEST, SETTLED, Floats, RobustScale
from bot.analysis.anomaly.state import PerSeries, Rows, State
from bot.analysis.anomaly.tails import Tails

_CAP = 8.0
_FURTHEST = 1000.0
_RATES = np.array([1.0, 0.3, 0.1, 0.03, 0.003])
_LOGGED_RATE, _ROUGH_RATE = 0.1, 0.05
_EARLY = 8
FEATURES = ("spike", "rise", "level", "level_log", "shift", "drift", "roughness", "shape", "phase")
"""What each kind of feature watches; `shape` stands for one feature per length."""


@dataclass(frozen=True)
class Tuning:
    """Lengths are in points. `threshold` is in decades of unusualness; the rest shapes memory and calm."""

    threshold: float = 2.0
    memory: int = 2000
    lengths: tuple[int, ...] = (4, 8, 16, 48)
    phase_length: int = 48
    sample: int = 500
    sample_every: int = 6
    warm: int = 100
    quiet: int = 130
    fatigue: float = 0.05
    fatigue_length: float = 5000.0


@dataclass(frozen=True)
class Verdicts:
    """One entry per series: the unusualness, whether an episode begins here, and what was still being learned."""

    unusual: Floats
    onset: NDArray[np.bool_]
    learning: NDArray[np.bool_]
    distance: Floats
    each: Floats
    """[series, features] decades of unusualness, in the order of `Detector.names`."""


class Detector(PerSeries):
    """Level, level shift, roughness and novelty of shape, each judged against the series' own past, then combined.

    Each feature becomes decades of unusualness; their fourth-power mean lets one strong or several middling ones speak.
    """

    kept: ClassVar = {
        "_seen": 0,
        "_shape": 0.0,
        "_averages": 0.0,
        "_logged": 0.0,
        "_rough": 0.0,
        "_since": 10**9,
        "_weariness": 0.0,
    }

    def __init__(self, series: int, tuning: Tuning | None = None) -> None:
        own = self.tuning = tuning or Tuning()
        self._scale = RobustScale(series, kept=own.sample, keep_every=own.sample_every)
        self._novelty = Novelty(series, lengths=own.lengths, memory=own.memory, phase_length=own.phase_length)
        self.names = (*FEATURES[:7], *(f"shape_{length}" for length in own.lengths), FEATURES[8])
        self._tails = Tails(series, len(self.names), warm=own.warm)
        self._seen = np.zeros(series, dtype=np.int64)
        self._shape = np.zeros(series)
        self._averages = np.zeros((series, len(_RATES)))
        self._logged, self._rough = np.zeros(series), np.zeros(series)
        self._since = np.full(series, 10**9, dtype=np.int64)
        self._weariness = np.zeros(series)

    def update(self, values: Floats) -> Verdicts:
        """One tick: a value per series, NaN where there is none. Returns verdicts in the same order."""
        values = np.clip(np.where(np.isfinite(values), values, np.nan), -LARGEST, LARGEST)
        there = ~np.isnan(values)
        distance = np.clip(self._scale.update(values), -_FURTHEST, _FURTHEST)
        features = self._features(np.where(there, distance, 0.0), there)
        ready = there & (self._seen >= SETTLED)
        each = np.minimum(self._tails.update(np.where(ready[:, None], features, np.nan)), _CAP)
        unusual = np.mean(each**4, axis=1) ** 0.25
        self._seen += there
        onset = self._judge(unusual, there)
        learning = self._seen <= self.tuning.warm + SETTLED
        return Verdicts(unusual, onset, learning, np.where(there, distance, np.nan), each)

    def _features(self, distance: Floats, there: NDArray[np.bool_]) -> Floats:
        size = np.abs(distance)
        rooted, logged = np.sign(distance) * np.sqrt(size), np.sign(distance) * np.log1p(size)
        young = 1.0 / (np.maximum(self._seen - _EARLY, 0) + 1.0)
        rates = np.where(there[:, None], np.maximum(_RATES, young[:, None]), 0.0)
        self._averages += rates * (rooted[:, None] - self._averages)
        self._logged += np.where(there, np.maximum(_LOGGED_RATE, young), 0.0) * (logged - self._logged)
        shape = np.where(there, logged, self._shape)
        self._rough += np.where(there, _ROUGH_RATE, 0.0) * (np.abs(shape - self._shape) - self._rough)
        self._shape = shape
        spike, rise, level, slow, slowest = self._averages.T
        moves = np.abs(np.column_stack([spike, rise, level, self._logged, level - slowest, slow - slowest]))
        return np.column_stack([moves, self._rough, self._novelty.update(shape)])

    def _judge(self, unusual: Floats, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """One onset per episode: quiet for a while after each, and harder to impress the more there were lately."""
        self._weariness *= np.exp(-1.0 / self.tuning.fatigue_length)
        self._since += 1
        wanted = self.tuning.threshold + self._weariness
        onset: NDArray[np.bool_] = there & (unusual >= wanted) & (self._since > self.tuning.quiet)
        self._since[onset] = 0
        self._weariness[onset] += self.tuning.fatigue
        return onset

    def bounds(self, wide: float = 3.0) -> tuple[Floats, Floats]:
        """The band of normal per series, low and high."""
        return self._scale.bounds(wide)

    def periods(self) -> NDArray[np.int64]:
        """The season of each series in points; 0 where none is known."""
        return self._novelty.period

    def state(self, rows: Rows) -> State:
        """Everything these series know; `restore` goes on as if nothing had happened."""
        whole = dict(super().state(rows))
        for name, part in self._parts().items():
            whole.update({f"{name}.{key}": array for key, array in part.state(rows).items()})
        return whole

    def restore(self, rows: Rows, state: State) -> None:
        """Put back what `state` gave. ValueError when it was made with another tuning."""
        try:
            super().restore(rows, state)
            for name, part in self._parts().items():
                own = {key.partition(".")[2]: array for key, array in state.items() if key.startswith(f"{name}.")}
                part.restore(rows, own)
        except KeyError as error:
            raise ValueError(f"the kept state lacks {error}") from error

    def clear(self, rows: Rows) -> None:
        """Make these series new, so that their places can be given to others."""
        super().clear(rows)
        for part in self._parts().values():
            part.clear(rows)

    def _parts(self) -> dict[str, RobustScale | Tails | Novelty]:
        return {"scale": self._scale, "tails": self._tails, "novelty": self._novelty}
