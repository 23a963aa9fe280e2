"""Level shifts in one series: when it left its usual level, in which direction, and whether it came back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CLIP = 10.0
SLACK = 1.5
MIN_SUM = 8.0
MIN_POINTS = 5
CALM_POINTS = 4
_OWN_SUM = MIN_SUM / 2
_PERIODIC_AT = 0.6


@dataclass(frozen=True, slots=True)
class Shift:
    """One excursion from the usual level; times are epoch seconds, `z` is in robust standard deviations."""

    before: float
    after: float
    peak: float
    onset_s: float
    last_s: float
    z: float
    mass: float
    points: int
    returned: bool
    rarity: float = 1.0
    """0 to 1: how seldom the usual course of the series holds as much for as long."""

    @property
    def rose(self) -> bool:
        return self.after > self.before

    @property
    def delta(self) -> float:
        return self.after - self.before

    @property
    def ratio(self) -> float | None:
        """After over before; None when before is zero."""
        return self.after / self.before if self.before else None


@dataclass(frozen=True, slots=True)
class Level:
    """What is usual for a series: a centre per point (seasonal where it repeats) and a robust spread."""

    centre: Array
    spread: float
    usual: float


def find_shift(
    times: Array,
    values: Array,
    start_s: float,
    *,
    floor_abs: float = 0.0,
    floor_ratio: float = 0.05,
    level: Level | None = None,
) -> Shift | None:
    """The strongest excursion of a series, reaching past `start_s`, from the level it had before.

    Gaps are NaN and are skipped; with a `level` given there must be none. `floor_abs` and `floor_ratio` (of the usual
    level) bound the spread from below, so that a constant series does not make every digit a shift. The excursion is
    the segment with the largest sum of clipped deviations minus a slack (a two-sided CUSUM read backwards), so its
    start may lie before `start_s`.
    """
    keep = np.isfinite(values)
    times, values = times[keep], values[keep]
    if values.size < MIN_POINTS:
        return None
    level = level or usual_level(times, values, start_s, floor_abs=floor_abs, floor_ratio=floor_ratio)
    deviation = np.clip((values - level.centre) / level.spread, -CLIP, CLIP)
    inside = int(np.searchsorted(times, start_s))
    up, down = _best_segment(deviation - SLACK, inside), _best_segment(-deviation - SLACK, inside)
    begin, end, mass = up if up[2] >= down[2] else down
    if mass < MIN_SUM:
        return None
    found = _describe(times, values, level, (begin, end), mass)
    return replace(found, rarity=rarity(values - level.centre, inside, found.delta, end - begin + 1))


def rarity(deviation: Array, inside: int, delta: float, points: int) -> float:
    """How seldom a course deviates by `delta` for `points` points: 1 when a thousand such windows hold none.

    `deviation` is from the usual level, its first `inside` points are the baseline. Neighbouring points repeat each
    other, so each further one counts half.
    """
    base = np.sort(deviation[:inside])
    if base.size < 2:
        return 0.6
    beyond = base.size - np.searchsorted(base, delta) if delta > 0 else np.searchsorted(base, delta, side="right")
    chance = (float(beyond) + 1) / (base.size + 1)
    tries = max(1.0, (deviation.size - inside) / points)
    evidence = -(1 + 0.5 * (points - 1)) * math.log10(chance) - math.log10(tries)
    return min(1.0, max(0.0, evidence / 3))


def usual_level(times: Array, values: Array, start_s: float, *, floor_abs: float, floor_ratio: float) -> Level:
    """Robust centre and spread of what came before `start_s`; of the first half when there is too little of it."""
    count = int(np.searchsorted(times, start_s))
    if count < 2:
        count = max(3, values.size // 2)
    base = values[:count]
    usual = float(np.median(base))
    centre = np.full(values.size, usual)
    profile = _seasonal(base)
    if profile is not None:
        centre = profile[np.arange(values.size) % profile.size]
    residue = np.abs(base - centre[:count])
    if profile is None:
        # A median between two values of a counting series is as far from either as half a count; no point ever is.
        residue = np.abs(base - np.percentile(base, 50, method="lower"))
    spread = 1.4826 * float(np.median(residue))
    low, high = np.percentile(base - centre[:count], (25, 75))
    spread = max(spread, float(high - low) / 1.349, floor_abs, floor_ratio * abs(usual), _one_event(base), 1e-12)
    return Level(centre=centre, spread=spread, usual=usual)


def _one_event(base: Array) -> float:
    """What a single event adds to a series that counts so few that a third of its points are zero; else 0.

    One event more or less in a step says nothing there, however well a profile happens to fit.
    """
    events = base[base > 0]
    if events.size < 2 or np.mean(base == 0) < 1 / 3:
        return 0.0
    return float(np.percentile(events, 10))


def _seasonal(base: Array) -> Array | None:
    """The repeating profile of a baseline of at least three periods; None when nothing repeats clearly."""
    count = base.size
    if count < 72:
        return None
    centred = base - np.median(base)
    limit = 6 * 1.4826 * float(np.median(np.abs(centred))) or float(np.max(np.abs(centred)))
    centred = np.clip(centred, -limit, limit)
    power = np.abs(np.fft.rfft(centred, 2 * count)) ** 2
    correlation = np.fft.irfft(power)[: count // 3]
    if correlation.size < 12 or correlation[0] <= 0:
        return None
    correlation = correlation / correlation[0] * (count / (count - np.arange(correlation.size)))
    period = 6 + int(np.argmax(correlation[6:]))
    dip = float(np.min(correlation[:period]))
    if correlation[period] < _PERIODIC_AT or dip > 0.3:
        return None
    return np.asarray([np.median(base[phase::period]) for phase in range(period)])


def _best_segment(gain: Array, inside: int) -> tuple[int, int, float]:
    """First and last index and sum of the contiguous segment with the largest sum that ends at `inside` or later.

    A calm stretch of four points ends what was before it, so that an older excursion does not lend its weight.
    """
    if inside >= gain.size:
        return 0, 0, 0.0
    total = np.concatenate(([0.0], np.cumsum(gain)))
    lowest = np.minimum.accumulate(total)
    rise = total[1:] - lowest[:-1]
    end = inside + int(np.argmax(rise[inside:]))
    begin = int(np.argmin(total[: end + 1]))
    quiet = np.convolve(gain[begin : end + 1] < 0, np.ones(CALM_POINTS), mode="valid") >= CALM_POINTS
    if quiet.any():
        begin += int(np.flatnonzero(quiet)[-1]) + CALM_POINTS
    if begin > end:
        return 0, 0, 0.0
    begin += _stray_head(gain[begin : end + 1])
    return begin, end, float(total[end + 1] - total[begin])


def _stray_head(gain: Array) -> int:
    """How many leading points end in a calm one before their sum says anything by itself.

    A lone deviation some points before the rest is chance; left in, it would date the whole shift.
    """
    weak = int(np.argmax(np.cumsum(gain) >= _OWN_SUM))
    calm = np.flatnonzero(gain[:weak] < 0)
    return int(calm[-1]) + 1 if calm.size else 0


def _describe(times: Array, values: Array, level: Level, span: tuple[int, int], mass: float) -> Shift:
    begin, end = span
    inside = values[begin : end + 1]
    earlier = values[:begin]
    before = float(np.median(earlier)) if earlier.size >= 3 else level.usual
    after = float(np.median(inside))
    peak = float(inside[np.argmax(np.abs(inside - before))])
    tail = values[end + 1 :] - level.centre[end + 1 :]
    length = end - begin + 1
    returned = tail.size >= max(2, length // 3) and float(np.median(np.abs(tail))) < 2 * level.spread
    z = min(99.0, abs(after - before) / level.spread)
    return Shift(
        before=before,
        after=after,
        peak=peak,
        onset_s=float(times[begin]),
        last_s=float(times[end]),
        z=z,
        mass=mass,
        points=length,
        returned=returned,
    )


def counter_rate(times: Array, values: Array) -> Array:
    """Per-second increase of a counter; a fall is a reset and counts from zero; the first point is NaN."""
    out = np.full(values.size, np.nan)
    seen = np.flatnonzero(np.isfinite(values))
    if seen.size < 2:
        return out
    step = np.diff(values[seen])
    step = np.where(step < 0, values[seen][1:], step)
    out[seen[1:]] = step / np.maximum(np.diff(times[seen]), 1e-9)
    return out


def increase(values: Array) -> float:
    """How much a counter grew over its points, resets counted."""
    seen = values[np.isfinite(values)]
    if seen.size < 2:
        return 0.0
    step = np.diff(seen)
    return float(np.sum(np.where(step < 0, seen[1:], step)))


def longest_growth(times: Array, values: Array) -> tuple[float, float, float] | None:
    """(start, from, to) of the longest run in which a series climbs steadily, drops of a fifth ending a run.

    None when no run of eight points climbs by a fifth with a straight-line correlation of 0.9.
    """
    keep = np.isfinite(values)
    times, values = times[keep], values[keep]
    if values.size < 8:
        return None
    cuts = np.flatnonzero(values[1:] < 0.8 * values[:-1]) + 1
    best: tuple[float, float, float] | None = None
    for part in np.split(np.arange(values.size), cuts):
        found = _growth_of(times[part], values[part])
        if found and (best is None or found[2] - found[1] > best[2] - best[1]):
            best = found
    return best


def _growth_of(times: Array, values: Array) -> tuple[float, float, float] | None:
    for skip in (0, values.size // 3, values.size // 2):
        t, v = times[skip:], values[skip:]
        if v.size < 8 or float(np.std(v)) == 0:
            continue
        low, high = float(np.median(v[:3])), float(np.median(v[-3:]))
        if high < 1.2 * low or low <= 0:
            continue
        if float(np.corrcoef(t, v)[0, 1]) >= 0.9:
            return float(t[0]), low, high
    return None
