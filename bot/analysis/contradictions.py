"""Two sources that say opposite things of the same measure of a service at the same time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from bot.analysis.metrics import Family, measured, shown, three_digits
from bot.analysis.shifts import Shift
from bot.analysis.signals import Signal, make_finding
from bot.domain.evidence import Finding, FindingKind

_FELT = frozenset({Family.ERRORS, Family.LATENCY})
_LEAST_POINTS = 3
_NEAR = 0.25
"""A source that saw less than this part of the change did not see it."""
_LEAST_WEIGHT = 0.4


def contradictions(signals: Iterable[Signal]) -> Iterator[Finding]:
    """One finding per service and metric that one source saw rise while another, over the same span, did not."""
    told: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    for signal in signals:
        series = signal.measured.series
        if signal.family in _FELT and series.service and not series.labels:
            told[series.service, signal.metric].append(signal)
    for (service, metric), found in sorted(told.items()):
        moved = [s for s in found if s.shift and s.finding and s.finding.weight >= _LEAST_WEIGHT]
        loud = max(moved, key=lambda s: s.finding.weight if s.finding else 0.0, default=None)
        calm = next((s for s in found if loud is not None and _denies(s, loud)), None)
        if loud is not None and loud.shift is not None and calm is not None:
            yield _finding(service, metric, loud, loud.shift, calm)


def _denies(calm: Signal, loud: Signal) -> bool:
    """Whether another source measured through the change and hardly saw it."""
    if calm.measured.connector == loud.measured.connector or loud.shift is None or math.isnan(calm.level):
        return False
    change = loud.shift
    seen = (calm.measured.times >= change.onset_s) & (calm.measured.times <= change.last_s)
    values = calm.measured.values[seen]
    values = values[np.isfinite(values)]
    if values.size < _LEAST_POINTS:
        return False
    return abs(float(np.median(values)) - change.before) < _NEAR * abs(change.after - change.before)


def _finding(service: str, metric: str, loud: Signal, change: Shift, calm: Signal) -> Finding:
    one, other = loud.measured, calm.measured
    unit = one.series.unit
    before, after, there = (shown(v, unit) for v in (change.before, change.after, calm.level))
    return make_finding(
        FindingKind.EVIDENCE_CONTRADICTS,
        f"app/{service}",
        f"{loud.meaning.words} of {service} went from {before} to {after} in {one.connector}, "
        f"while {other.connector} measured {there} at the same time",
        (one.evidence_id, other.evidence_id),
        weight=0.4,
        onset_s=change.onset_s,
        key=metric,
        data=measured(change.before, change.after, unit)
        | {"service": service, "metric": metric, "other": three_digits(calm.level), "other_shown": there},
    )
