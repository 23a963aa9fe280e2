"""How many points after which a series repeats itself, found from its autocorrelation; 0 when it does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHORTEST = 4
_FALLEN = 0.1
_STRONG = 0.35
_DIVISORS = (2, 3, 4, 5, 6, 7)
_NEAR = 3
_AS_GOOD = 0.85


def find_period(values: NDArray[np.floating]) -> int:
    """The lag, in points, of the highest peak after the autocorrelation first fell, or a divisor as good; else 0."""
    correlation = autocorrelation(values.astype(np.float64))
    longest = len(values) // 3
    fallen = np.flatnonzero(correlation[:longest] < _FALLEN)
    if not len(fallen):
        return 0
    first = max(int(fallen[0]), _SHORTEST)
    if longest - first < 3:
        return 0
    peak = first + int(np.argmax(correlation[first:longest]))
    if peak in (first, longest - 1) or correlation[peak] <= _STRONG:
        return 0
    return _smallest(correlation, peak, first=first)


def autocorrelation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """By lag from 0, corrected for the fewer pairs at long lags; ones when the series does not move."""
    centred = values - values.mean()
    if centred.std() < 1e-9:
        return np.ones(len(values))
    spectrum = np.fft.rfft(centred, 1 << (2 * len(values) - 1).bit_length())
    products = np.fft.irfft(spectrum * np.conj(spectrum))[: len(values)]
    scaled: NDArray[np.float64] = products / products[0] * len(values) / (len(values) - np.arange(len(values)))
    return scaled


def _smallest(correlation: NDArray[np.float64], peak: int, *, first: int) -> int:
    """Twice a period is a period too: take the shortest one that explains nearly as much."""
    best = peak
    for divisor in _DIVISORS:
        guess = round(peak / divisor)
        if guess < first + _NEAR:
            break
        near = guess - _NEAR + int(np.argmax(correlation[guess - _NEAR : guess + _NEAR + 1]))
        is_peak = correlation[near] >= max(correlation[near - 1], correlation[near + 1])
        if is_peak and correlation[near] > _AS_GOOD * correlation[peak]:
            best = near
            break
    return best


def settle(period: int, found: int) -> int:
    """Keep a known period while what is found now is about a multiple of it."""
    if not period or not found:
        return found
    ratio = found / period
    return found if ratio < 0.9 or abs(ratio - round(ratio)) > 0.1 else period
