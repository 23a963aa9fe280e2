"""How fast error budgets are spent, as two more series per service that has an objective."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from bot.analysis.anomaly.checks import sustained_burn
from bot.services.sweep_model import Objective
from connectors.model import Series

FAST, SLOW = "slo_burn_fast", "slo_burn_slow"
# Metric → the long and the short window in seconds: The Site Reliability Workbook, chapter 5, table 5-8.
_WINDOWS = {FAST: (3_600.0, 300.0), SLOW: (21_600.0, 1_800.0)}
_LONGEST_S = 21_600.0


class Burns:
    """Requests and errors of the last six hours per service, fed with the series of one sweep.

    `state` and `restore` carry them over a restart. A minute with requests and no error ratio had no errors.
    """

    def __init__(self, objectives: Sequence[Objective], *, step_s: float) -> None:
        self._objectives = {one.service: one.availability for one in objectives}
        self._step_s = step_s
        self._seen: dict[str, dict[datetime, tuple[float, float]]] = {}

    def state(self) -> dict[str, list[tuple[float, float, float]]]:
        """Per service: second since 1970, errors and requests of every point that the windows hold."""
        return {
            service: [(at.timestamp(), *counts) for at, counts in known.items()]
            for service, known in self._seen.items()
        }

    def restore(self, state: Mapping[str, Sequence[tuple[float, float, float]]]) -> None:
        """Put back what `state` gave. TypeError or ValueError when it is something else."""
        self._seen = {
            service: {datetime.fromtimestamp(at, UTC): (float(errors), float(asked)) for at, errors, asked in points}
            for service, points in state.items()
        }

    def series(self, given: Sequence[Series]) -> list[Series]:
        """The burn rates at every new point of these services."""
        rates = _by_service(given, "request_rate")
        ratios = _by_service(given, "error_ratio")
        made: list[Series] = []
        for service in sorted(rates.keys() & self._objectives.keys()):
            known = self._seen.setdefault(service, {})
            fresh = sorted(at for at in rates[service] if at not in known)
            errors = ratios.get(service, {})
            known.update({at: (rates[service][at] * errors.get(at, 0.0), rates[service][at]) for at in fresh})
            self._forget(known)
            made += self._burns(service, [at for at in fresh if at in known])
        return made

    def _forget(self, known: dict[datetime, tuple[float, float]]) -> None:
        newest = max(known, default=None)
        for at in [at for at in known if newest and (newest - at).total_seconds() > _LONGEST_S]:
            del known[at]

    def _burns(self, service: str, fresh: Sequence[datetime]) -> Iterator[Series]:
        times = sorted(self._seen[service])
        table = np.array([self._seen[service][at] for at in times]).T if times else np.empty((2, 0))
        for metric, (long_s, short_s) in _WINDOWS.items():
            long, short = (max(1, round(window / self._step_s)) for window in (long_s, short_s))
            points = []
            for at in fresh:
                until = times.index(at) + 1
                burn = sustained_burn(
                    table[:1, :until], table[1:, :until], objective=self._objectives[service], long=long, short=short
                )
                points.append((at, float(burn[0]) if math.isfinite(burn[0]) else 0.0))
            if points:
                yield Series(service=service, metric=metric, unit="times", step_s=self._step_s, points=tuple(points))


def _by_service(given: Sequence[Series], metric: str) -> Mapping[str, dict[datetime, float]]:
    """Values by time of the series that speak of a whole service."""
    found: dict[str, dict[datetime, float]] = {}
    for one in given:
        if one.metric == metric and one.service:
            values = found.setdefault(one.service, {})
            values.update({at: value for at, value in one.points if value is not None and value >= 0})
    return found
