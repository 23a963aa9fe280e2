"""Answers selectors from the generated families, up to the world's present moment and not beyond."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bot.demo.world.metrics import Metrics
from bot.demo.world.promql import RawSeries
from bot.demo.world.promql.evaluate import Matcher, matches
from bot.demo.world.promql.values import LOOKBACK_S
from bot.demo.world.series import Series
from bot.demo.world.story import STEP_S, Story


class SeriesStore:
    """All series of a world as a Prometheus server would hold them at `clock()`."""

    def __init__(self, story: Story, clock: Callable[[], float]) -> None:
        self.story = story
        self.metrics = Metrics(story)
        self._clock = clock

    def names(self) -> list[str]:
        """Every metric name that exists."""
        return sorted(self.metrics.families)

    def select(self, matchers: Sequence[Matcher]) -> list[RawSeries]:
        """Series that satisfy all matchers."""
        return [raw for raw in map(self._raw, self._matching(matchers)) if len(raw.times)]

    def _matching(self, matchers: Sequence[Matcher]) -> list[Series]:
        self.story.extend(self._clock())
        of_name = [m for m in matchers if m[0] == "__name__"]
        names = [name for name in self.names() if matches({"__name__": name}, of_name)]
        return [s for name in names for s in self.metrics.series(name) if matches(s.labels, matchers)]

    def _raw(self, series: Series) -> RawSeries:
        seen = int(np.searchsorted(self.story.times, self._clock(), side="right"))
        values = series.values[:seen]
        times = self.story.times[:seen]
        kept = np.flatnonzero(~np.isnan(values))
        ends = times[kept] + LOOKBACK_S
        if len(kept):
            gone = np.append(np.diff(kept) > 1, kept[-1] < seen - 1)
            ends = np.where(gone, times[kept] + STEP_S, ends)
        return RawSeries(series.labels, times[kept], values[kept], ends)
