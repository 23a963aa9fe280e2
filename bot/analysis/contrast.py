"""What changed at the onset: every signal measured again just before and during the symptom, over the same spans.

The first look compares with the usual level; a signal that was already unusual long before the symptom began is old
news, and one that moved exactly then counts even where its usual level is far away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bot.analysis.facts import Facts
from bot.analysis.metrics import Family
from bot.analysis.shifts import CLIP, SLACK, Array, Shift, rarity
from bot.analysis.signals import Signal, ease, matters, shift_finding

NEAR_S = 30 * 60.0
LEAD_S = 300.0
LEAST_Z = 3.0
_OLD_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Span:
    """The symptom in time: epoch seconds of its onset and of its last bad point, and the coarsest step behind them."""

    onset_s: float
    until_s: float
    step_s: float = 0.0


def contrast_all(signals: Iterable[Signal], span: Span, facts: Facts) -> list[Signal]:
    """Each signal as it moved across the onset; what moved long before keeps a faint finding only."""
    return [_contrast(signal, span, facts) for signal in signals]


def lead_s(step_s: float) -> float:
    """How long before the symptom a shift may begin and still belong to it."""
    return max(LEAD_S, 1.5 * step_s)


def _contrast(signal: Signal, span: Span, facts: Facts) -> Signal:
    if signal.family is Family.RESTARTS or not np.isfinite(signal.spread):
        return signal
    measurable, found = _across(signal, span, facts)
    if found is not None and matters(found, signal.meaning, eased=ease(signal.measured, facts)):
        told = shift_finding(signal.measured, signal.meaning, signal.component, found)
        return replace(signal, shift=found, finding=told)
    old = signal.shift
    lead = span.onset_s - old.onset_s if old else 0.0
    if old is None or (lead <= lead_s(signal.measured.series.step_s) and not (measurable and lead > 0)):
        return signal
    finding = signal.finding
    faint = finding.model_copy(update={"weight": round(finding.weight * _OLD_WEIGHT, 4)}) if finding else None
    return replace(signal, shift=None, finding=faint)


def _across(signal: Signal, span: Span, facts: Facts) -> tuple[bool, Shift | None]:
    """Whether there was enough to compare, and the shift across the onset if there was one."""
    times, values = signal.measured.times, signal.measured.values
    keep = np.isfinite(values) & (times <= facts.end_s + signal.measured.series.step_s)
    times, values = times[keep], values[keep]
    step = signal.measured.series.step_s
    earlier = (times < span.onset_s - 0.25 * step) & (times >= span.onset_s - max(NEAR_S, 3 * step))
    during = (times >= span.onset_s - 0.25 * step) & (times <= span.until_s + 0.25 * step)
    if not earlier.any() or not during.any():
        return False, None
    before, after = float(np.median(values[earlier])), float(np.median(values[during]))
    spread = max(signal.spread, _spread(values[earlier]))
    z = abs(after - before) / spread
    if z < LEAST_Z:
        return True, None
    return True, _shift(signal, (before, after, z), (times, values), during, span)


def _spread(values: Array) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size >= 5 else 0.0


def _rarity(points: tuple[Array, Array], levels: tuple[float, float, float], count: int, span: Span) -> float:
    """Against everything before the onset, around its own middle or the level just before, whichever is nearer."""
    times, values = points
    before, after, _ = levels
    inside = int(np.searchsorted(times, span.onset_s - 1))
    middle = float(np.median(values[:inside])) if inside else before
    delta = min(after - middle, after - before, key=abs)
    return rarity(values - middle, inside, delta, count)


def _shift(
    signal: Signal,
    levels: tuple[float, float, float],
    points: tuple[Array, Array],
    during: NDArray[np.bool_],
    span: Span,
) -> Shift:
    before, after, z = levels
    count = int(np.count_nonzero(during))
    rare = _rarity(points, levels, count, span)
    times, values = points
    inside = values[during]
    first = signal.shift
    same = first is not None and first.rose == (after > before)
    begun = (
        first.onset_s
        if first and same and span.onset_s - first.onset_s <= lead_s(signal.measured.series.step_s)
        else span.onset_s
    )
    return Shift(
        before=before,
        after=after,
        peak=float(inside[np.argmax(np.abs(inside - before))]),
        onset_s=begun,
        last_s=float(times[during][-1]),
        z=min(99.0, z),
        mass=max(0.0, (min(z, CLIP) - SLACK)) * count,
        points=count,
        returned=first.returned if first is not None and same else False,
        rarity=rare,
    )
