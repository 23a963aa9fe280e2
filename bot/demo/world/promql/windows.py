"""Functions over range vectors; the extrapolation of rate is that of Prometheus 2.x (promql/functions.go)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from bot.demo.world.promql.aggregate import quantile_of
from bot.demo.world.promql.values import (
    Array,
    PromqlError,
    RawSeries,
    Sample,
    Scalar,
    Value,
    Vector,
    Window,
    merged,
    without_name,
)

Bounds = NDArray[np.int64]
Reduce = Callable[[Array], float]


def bounds(series: RawSeries, window: Window) -> tuple[Bounds, Bounds]:
    """Per step, the slice [low, high) of samples inside the closed window."""
    low = np.searchsorted(series.times, window.ends - window.range_s, side="left")
    high = np.searchsorted(series.times, window.ends, side="right")
    return low, high


def window_of(arguments: list[Value], position: int = 0) -> Window:
    """The range vector among the arguments of a call."""
    value = arguments[position]
    if not isinstance(value, Window):
        raise PromqlError("expected type range vector in call to function", "bad_data")
    return value


def extrapolated(window: Window, *, is_counter: bool, per_second: bool) -> Vector:
    """rate, increase and delta for every series of the window."""
    samples = []
    for series in window.series:
        low, high = bounds(series, window)
        there = high - low >= 2
        if there.any():
            values = _extrapolate(series, window, (low, high), is_counter=is_counter)
            values = values / window.range_s if per_second else values
            samples.append(Sample(without_name(series.labels), np.where(there, values, np.nan), there))
    return merged(samples)


def _extrapolate(series: RawSeries, window: Window, edges: tuple[Bounds, Bounds], *, is_counter: bool) -> Array:
    low, high = edges
    there = high - low >= 2
    first, last = np.where(there, low, 0), np.where(there, high - 1, 1)
    climb = adjusted(series.values) if is_counter else series.values
    change = climb[last] - climb[first]
    with np.errstate(all="ignore"):
        sampled = series.times[last] - series.times[first]
        spacing = sampled / (high - low - 1)
        to_start = series.times[first] - (window.ends - window.range_s)
        to_end = window.ends - series.times[last]
        if is_counter:
            begin = series.values[first]
            to_zero = sampled * (begin / change)
            closer = (change > 0) & (begin >= 0) & (to_zero < to_start)
            to_start = np.where(closer, to_zero, to_start)
        reach = sampled + np.where(to_start < spacing * 1.1, to_start, spacing / 2)
        reach = reach + np.where(to_end < spacing * 1.1, to_end, spacing / 2)
        return np.asarray(change * (reach / sampled))


def adjusted(values: Array) -> Array:
    """A counter with its resets added back."""
    drops = np.where(values[1:] < values[:-1], values[:-1], 0.0)
    return np.asarray(values + np.concatenate(([0.0], np.cumsum(drops))))


def instant_change(window: Window, *, is_counter: bool) -> Vector:
    """irate (per second, resets counted) or idelta from the last two samples of each window."""
    samples = []
    for series in window.series:
        low, high = bounds(series, window)
        there = high - low >= 2
        if not there.any():
            continue
        last = np.where(there, high - 1, 0)
        previous = np.where(there, high - 2, 0)
        change = series.values[last] - series.values[previous]
        if is_counter:
            change = np.where(change < 0, series.values[last], change)
            with np.errstate(all="ignore"):
                change = change / (series.times[last] - series.times[previous])
        samples.append(Sample(without_name(series.labels), np.where(there, change, np.nan), there))
    return merged(samples)


def reduced(window: Window, reduce: Reduce, *, keep_name: bool = False, least: int = 1) -> Vector:
    """Any reduction of the samples of each window to one number."""
    samples = []
    for series in window.series:
        low, high = bounds(series, window)
        there = high - low >= least
        if not there.any():
            continue
        values = np.full(len(there), np.nan)
        for step in np.flatnonzero(there):
            values[step] = reduce(series.values[low[step] : high[step]])
        labels = dict(series.labels) if keep_name else without_name(series.labels)
        samples.append(Sample(labels, values, there))
    return merged(samples)


REDUCTIONS: Mapping[str, Reduce] = {
    "avg_over_time": lambda v: float(np.mean(v)),
    "min_over_time": lambda v: float(np.fmin.reduce(v)),
    "max_over_time": lambda v: float(np.fmax.reduce(v)),
    "sum_over_time": lambda v: float(np.sum(v)),
    "count_over_time": lambda v: float(len(v)),
    "stddev_over_time": lambda v: float(np.std(v)),
    "stdvar_over_time": lambda v: float(np.var(v)),
    "present_over_time": lambda _v: 1.0,
    "changes": lambda v: float(np.count_nonzero(np.diff(v))),
    "resets": lambda v: float(np.count_nonzero(np.diff(v) < 0)),
}


def last_over_time(arguments: list[Value]) -> Vector:
    """The newest sample of each window; the name stays."""
    return reduced(window_of(arguments), lambda values: float(values[-1]), keep_name=True)


def quantile_over_time(arguments: list[Value]) -> Vector:
    """A quantile of the samples of each window."""
    level, window = arguments[0], window_of(arguments, 1)
    if not isinstance(level, Scalar):
        raise PromqlError("expected type scalar in call to function quantile_over_time", "bad_data")
    return reduced(window, lambda values: quantile_of(values, float(level.values[0])))


def regression(window: Window, ahead_s: float | None) -> Vector:
    """deriv (slope per second), or predict_linear when `ahead_s` is given."""
    samples = []
    for series in window.series:
        low, high = bounds(series, window)
        there = high - low >= 2
        values = np.full(len(there), np.nan)
        for step in np.flatnonzero(there):
            part = slice(low[step], high[step])
            origin = series.times[low[step]] if ahead_s is None else window.ends[step]
            slope, intercept = _line(series.times[part] - origin, series.values[part])
            values[step] = slope if ahead_s is None else intercept + slope * ahead_s
        if there.any():
            samples.append(Sample(without_name(series.labels), values, there))
    return merged(samples)


def _line(x: Array, y: Array) -> tuple[float, float]:
    centred = x - x.mean()
    spread = float((centred**2).sum())
    slope = float((centred * (y - y.mean())).sum()) / spread if spread else float("nan")
    return slope, float(y.mean() - slope * x.mean())
