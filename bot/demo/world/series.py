"""Time series as a scraper would have kept them: labels, a value per grid slot, gaps where nothing was scraped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Series:
    """One series on the common grid; NaN means no sample."""

    labels: Labels
    values: Array


@dataclass(frozen=True)
class Family:
    """All series of one metric name, made when first asked for."""

    name: str
    kind: str
    help: str
    build: Callable[[], list[Series]]


def counter(increments: Array, present: Array, resets: list[int], start: float = 0.0) -> Array:
    """Running total of `increments` that starts again from zero at each reset slot; NaN where not scraped."""
    total = start + np.cumsum(increments)
    for slot in resets:
        if 0 < slot < len(total):
            total[slot:] -= total[slot - 1]
    total = np.floor(total * 1000 + 1e-6) / 1000
    return np.where(present, total, np.nan)


def whole_counter(increments: Array, present: Array, resets: list[int], start: float = 0.0) -> Array:
    """Like `counter`, in whole numbers, as requests are."""
    return np.asarray(np.floor(counter(increments, present, resets, start) + 1e-9))


def normal_cdf(z: Array) -> Array:
    """Standard normal distribution function, absolute error below 1e-7.

    Abramowitz and Stegun, Handbook of Mathematical Functions, formula 26.2.17.
    """
    t = 1 / (1 + 0.2316419 * np.abs(z))
    powers = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    tail = sum((factor * t ** (power + 1) for power, factor in enumerate(powers)), np.zeros_like(t))
    upper = tail * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return np.asarray(np.where(z >= 0, 1 - upper, upper))
