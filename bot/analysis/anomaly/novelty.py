"""Has this series ever looked like this before, and did it at the same time of its cycle?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.scale import Floats
from bot.analysis.anomaly.seasonality import find_period, settle
from bot.analysis.anomaly.state import Rows, State

_ROOM = 256
_LOOK_EVERY = 100
_SLACK = np.arange(-2, 3)
_CYCLES = 48
_CACHED = 48_000


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
        self._block = max(4, _CACHED // memory)
        self._scratch = np.empty((min(series, self._block), memory), dtype=np.float32)
        self._entering = np.empty_like(self._scratch)

    @property
    def period(self) -> NDArray[np.int64]:
        """The season of each series in points; 0 where none is known."""
        return self._period

    def update(self, values: Floats) -> Floats:
        """Distances [series, lengths + 1] of the stretches that end with `values`; the last is by phase, or NaN."""
        if self._end == self._history.shape[1]:
            self._settle()
        self._history[:, self._end] = values
        self._end += 1
        self._seen += 1
        self._look_for_periods()
        found = np.full((len(values), len(self._lengths) + 1), np.nan)
        for first in range(0, len(values), self._block):
            rows = slice(first, first + self._block)
            self._advance(rows, found[rows])
        nearest = found[:, :-1]
        nearest[:] = np.sqrt(np.where(np.isfinite(nearest), np.maximum(nearest, 0.0), 0.0) / np.array(self._lengths))
        found[:, -1] = self._same_phase(self._squares[self._phase], self._lengths[self._phase])
        return found

    def _advance(self, rows: slice, found: Floats) -> None:
        """A few series at a time, so that what is worked on stays in the processor's cache."""
        history, scratch = self._history[rows], self._scratch[: len(found)]
        entering = self._entering[: len(found)]
        self._lags(history, 0, out=entering)
        for column, length in enumerate(self._lengths):
            squares = self._squares[column][rows]
            squares += entering
            squares -= self._lags(history, length, out=scratch)
            found[:, column] = self._nearest(squares, length, seen=self._seen[rows])

    def _lags(self, history: NDArray[np.float32], ago: int, *, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Squared differences of the point `ago` points back to those before it, the nearest last; into `out`."""
        at = self._end - 1 - ago
        np.subtract(history[:, at - out.shape[1] : at], history[:, at : at + 1], out=out)
        np.multiply(out, out, out=out)
        return out

    def _nearest(self, squares: NDArray[np.float32], length: int, *, seen: NDArray[np.int64]) -> Floats:
        """Column c of `squares` is lag memory - c; a stretch may not overlap the one it is compared with."""
        most = np.minimum(seen - length, self._memory)
        first = self._memory - int(most.max())
        if first > self._memory - length:
            return np.zeros(len(squares))
        lags = squares[:, first : self._memory - length + 1]
        if int(most.min()) != int(most.max()):
            columns = np.arange(first, self._memory - length + 1)
            lags = np.where(columns[None, :] >= (self._memory - most)[:, None], lags, np.float32(np.inf))
        return np.asarray(lags.min(axis=1), dtype=np.float64)

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

    def _settle(self) -> None:
        """Go on at the front of the buffer and sum every distance afresh."""
        self._history[:, : self._kept] = self._history[:, self._end - self._kept : self._end].copy()
        self._end = self._kept
        for first in range(0, len(self._history), self._block):
            rows = slice(first, first + self._block)
            history = self._history[rows]
            for column, length in enumerate(self._lengths):
                squares = self._squares[column][rows]
                squares[:] = 0.0
                for ago in range(length):
                    squares += self._lags(history, ago, out=self._scratch[: len(squares)])

    def state(self, rows: Rows) -> State:
        """The distances are not kept; they follow from the history."""
        history = self._history[rows, self._end - self._kept : self._end]
        return {"_history": history.copy(), "_seen": self._seen[rows], "_period": self._period[rows]}

    def restore(self, rows: Rows, state: State) -> None:
        """Put back what `state` gave. ValueError when it was made with other lengths."""
        if state["_history"].shape != (len(rows), self._kept):
            raise ValueError("the history was kept in another shape")
        self._history[rows, self._end - self._kept : self._end] = state["_history"]
        self._seen[rows], self._period[rows] = state["_seen"], state["_period"]
        self._settle()

    def clear(self, rows: Rows) -> None:
        """Make these series new."""
        self._history[rows] = 0.0
        self._seen[rows] = self._period[rows] = 0
        for squares in self._squares:
            squares[rows] = 0.0
