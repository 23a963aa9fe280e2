"""Has this series ever looked like this before? The distance from its last points to the nearest earlier stretch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.scale import Floats, State

_ROOM = 256


class Novelty:
    """Left discord distances at several lengths: min over earlier stretches of the mean squared difference, rooted.

    The squared distance at lag L is kept and moved on with each point: what enters is added, what leaves is taken off
    (the recursion of C.-C. M. Yeh et al., Matrix Profile I, 2016, without normalisation). It is summed afresh whenever
    the buffer is moved, so rounding does not pile up.
    """

    def __init__(self, series: int, *, lengths: tuple[int, ...], memory: int) -> None:
        self._lengths, self._memory = lengths, memory
        self._kept = memory + max(lengths)
        self._history = np.zeros((series, self._kept + _ROOM), dtype=np.float32)
        self._end = self._kept
        self._seen = np.zeros(series, dtype=np.int64)
        self._squares = [np.zeros((series, memory), dtype=np.float32) for _ in lengths]

    def update(self, values: Floats) -> Floats:
        """Distances [series, lengths] of the stretches that end with `values`; 0 while there is nothing before."""
        if self._end == self._history.shape[1]:
            self._move()
        self._history[:, self._end] = values
        self._end += 1
        self._seen += 1
        entering = self._lags(0)
        found = np.zeros((len(values), len(self._lengths)))
        for column, length in enumerate(self._lengths):
            squares = self._squares[column]
            squares += entering
            squares -= self._lags(length)
            found[:, column] = self._nearest(squares, length)
        return found

    def _lags(self, ago: int) -> NDArray[np.float32]:
        """Squared differences of the point `ago` points back to those 1 … memory before it; [series, memory]."""
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
        lags = squares[:, max(first, 0) : self._memory - length + 1]
        if int(most.min()) != int(most.max()):
            columns = np.arange(max(first, 0), self._memory - length + 1)
            lags = np.where(columns[None, :] >= (self._memory - most)[:, None], lags, np.float32(np.inf))
        least = lags.min(axis=1)
        return np.sqrt(np.maximum(np.where(np.isfinite(least), least, 0.0), 0.0) / length)

    def _move(self) -> None:
        self._history[:, : self._kept] = self._history[:, -self._kept :]
        self._end = self._kept
        for column, length in enumerate(self._lengths):
            self._squares[column][:] = 0.0
            for ago in range(length):
                if self._end - 1 - ago - self._memory >= 0:
                    self._squares[column] += self._lags(ago)

    def state(self) -> State:
        """Arrays by name, the first axis is the series."""
        return {"history": self._history[:, self._end - self._kept : self._end], "seen": self._seen}
