"""Has this series ever looked like this before, and did it at the same time of its cycle?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.scale import Floats, State
from bot.analysis.anomaly.seasonality import find_period, settle

_ROOM = 256
_LOOK_EVERY = 100
_SLACK = np.arange(-2, 3)
_CYCLES = 48


class Novelty:
    """Left discord distances at several lengths: min over earlier stretches of the mean squared difference, rooted.

    The squared distance at lag L is kept and moved on with each point: what enters is added, what leaves is taken off
    (the recursion of C.-C. M. Yeh et al., Matrix Profile I, 2016, without normalisation). It is summed afresh whenever
    the buffer is moved, so rounding does not pile up. The phase distance looks only at whole periods back, so that
    something missing at its usual hour is new even if it is usual at another.
    """

    def __init__(self, series: int, *, lengths: tuple[int, ...], memory: int, phase_length: int) -> None:
        self._lengths, self._memory = lengths, memory
        self._phase = lengths.index(phase_length)
        self._kept = memory + max(lengths)
        self._history = np.zeros((series, self._kept + _ROOM), dtype=np.float32)
        self._end = self._kept
        self._seen = np.zeros(series, dtype=np.int64)
        self._period = np.zeros(series, dtype=np.int64)
        self._squares = [np.zeros((series, memory), dtype=np.float32) for _ in lengths]
        self._turn = np.arange(series, dtype=np.int64)

    @property
    def period(self) -> NDArray[np.int64]:
        """The season of each series in points; 0 where none is known."""
        return self._period

    def update(self, values: Floats) -> Floats:
        """Distances [series, lengths + 1] of the stretches that end with `values`; the last is by phase, or NaN."""
        if self._end == self._history.shape[1]:
            self._move()
        self._history[:, self._end] = values
        self._end += 1
        self._seen += 1
        self._look_for_periods()
        entering = self._lags(0)
        found = np.full((len(values), len(self._lengths) + 1), np.nan)
        for column, length in enumerate(self._lengths):
            squares = self._squares[column]
            squares += entering
            squares -= self._lags(length)
            found[:, column] = self._nearest(squares, length)
        found[:, -1] = self._same_phase(self._squares[self._phase], self._lengths[self._phase])
        return found

    def _lags(self, ago: int) -> NDArray[np.float32]:
        """Squared differences of the point `ago` points back to those memory … 1 before it; [series, memory]."""
        at = self._end - 1 - ago
        gap: NDArray[np.float32] = self._history[:, at - self._memory : at] - self._history[:, at : at + 1]
        gap *= gap
        return gap

    def _nearest(self, squares: NDArray[np.float32], length: int) -> Floats:
        """Column c of `squares` is lag memory - c; a stretch may not overlap the one it is compared with."""
        most = np.minimum(self._seen - length, self._memory)
        first = self._memory - int(most.max())
        if first > self._memory - length:
            return np.zeros(len(squares))
        lags = squares[:, first : self._memory - length + 1]
        if int(most.min()) != int(most.max()):
            columns = np.arange(first, self._memory - length + 1)
            lags = np.where(columns[None, :] >= (self._memory - most)[:, None], lags, np.float32(np.inf))
        least = lags.min(axis=1)
        return np.sqrt(np.maximum(np.where(np.isfinite(least), least, 0.0), 0.0) / length)

    def _same_phase(self, squares: NDArray[np.float32], length: int) -> Floats:
        found = np.full(len(squares), np.nan)
        most = np.minimum(self._seen - length, self._memory)
        rows = np.flatnonzero(
            (self._period > 0) & (most > 2 * self._period + _SLACK[-1]) & (self._period > length // 4)
        )
        if not len(rows):
            return found
        cycles = np.arange(1, _CYCLES + 1)
        lags = (self._period[rows, None, None] * cycles[None, :, None] + _SLACK).reshape(len(rows), -1)
        valid = lags <= most[rows, None]
        picked = squares[rows[:, None], np.where(valid, self._memory - lags, 0)]
        least = np.where(valid, picked, np.inf).min(axis=1)
        found[rows] = np.sqrt(np.maximum(least, 0.0) / length)
        return found

    def _look_for_periods(self) -> None:
        for row in np.flatnonzero((self._seen >= _LOOK_EVERY) & ((self._seen + self._turn) % _LOOK_EVERY == 0)):
            known = min(int(self._seen[row]), self._memory)
            self._period[row] = settle(
                int(self._period[row]), find_period(self._history[row, self._end - known : self._end])
            )

    def _move(self) -> None:
        self._history[:, : self._kept] = self._history[:, -self._kept :]
        self._end = self._kept
        for column, length in enumerate(self._lengths):
            self._squares[column][:] = 0.0
            for ago in range(length):
                self._squares[column] += self._lags(ago)

    def state(self) -> State:
        """Arrays by name, the first axis is the series."""
        history = self._history[:, self._end - self._kept : self._end]
        return {"history": history, "seen": self._seen, "period": self._period}

    def restore(self, state: State) -> None:
        """Go on from `state` of an earlier one with the same lengths and memory."""
        self._history[:, -self._kept :] = state["history"]
        self._seen[:], self._period[:] = state["seen"], state["period"]
        self._move()
