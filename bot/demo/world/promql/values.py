"""Values of the evaluator: everything is computed for all steps of a query at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
LOOKBACK_S = 300.0


class PromqlError(Exception):
    """A query that cannot be evaluated; `kind` is the API's errorType."""

    def __init__(self, message: str, kind: str = "execution") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class RawSeries:
    """Samples as stored: ascending times, values, and until when each one answers an instant selector."""

    labels: Mapping[str, str]
    times: Array
    values: Array
    valid_until: Array


@dataclass(frozen=True)
class Sample:
    """One element of an instant vector over all steps; `there` says at which steps it exists."""

    labels: Mapping[str, str]
    values: Array
    there: Mask


@dataclass(frozen=True)
class Vector:
    """An instant vector over all steps."""

    samples: list[Sample]


@dataclass(frozen=True)
class Scalar:
    """A number per step."""

    values: Array


@dataclass(frozen=True)
class Text:
    """A string literal."""

    value: str


@dataclass(frozen=True)
class Window:
    """A range vector: raw series, and per step the closed window [end - range_s, end]."""

    series: list[RawSeries]
    ends: Array
    range_s: float


Value = Vector | Scalar | Text | Window


def key_of(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """A hashable, ordered form of a label set."""
    return tuple(sorted(labels.items()))


def without_name(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels without the metric name."""
    return {name: value for name, value in labels.items() if name != "__name__"}


def merged(samples: Iterable[Sample]) -> Vector:
    """A vector of the samples that exist at all; two that collide at one step are an error."""
    found: dict[tuple[tuple[str, str], ...], Sample] = {}
    for sample in samples:
        if not sample.there.any():
            continue
        key = key_of(sample.labels)
        other = found.get(key)
        if other is None:
            found[key] = sample
        elif bool((other.there & sample.there).any()):
            raise PromqlError("vector cannot contain metrics with the same labelset")
        else:
            values = np.where(other.there, other.values, sample.values)
            found[key] = Sample(sample.labels, values, other.there | sample.there)
    return Vector(list(found.values()))
