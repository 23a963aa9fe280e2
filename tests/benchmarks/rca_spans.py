"""Spans as the series that a tracing back end derives from them: rates, durations, own time, and time lost on the way.

Per service and operation: rate, mean duration, mean own time (duration without its children). Per call edge: rate,
mean duration as the caller sees it, and the gap between that and the callee's own span.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from connectors.model import Series
from tests.benchmarks.rca_evidence import series

BIN_S = 15.0
_LEAST_SPANS = 6
_UNDER = "\x1f"


@dataclass(frozen=True, slots=True)
class Span:
    trace: str
    id: str
    parent: str
    service: str
    operation: str
    start_s: float
    duration_s: float

    def moved(self, by_s: float) -> Span:
        return replace(self, start_s=self.start_s + by_s)


Key = tuple[str, str, str]
"""Metric, then service and operation, or caller and callee."""


def span_series(reference: Sequence[Span], spans: Sequence[Span], begin: float, end: float) -> Iterator[Series]:
    """Series over the reference minute and the three minutes of a case, in bins of 15 s."""
    made: dict[Key, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    first = min((s.start_s for s in reference), default=begin)
    last = max((s.start_s for s in reference), default=begin)
    bins = [first + BIN_S * n for n in range(int((last - first) / BIN_S))] if reference else []
    bins += [begin + BIN_S * n for n in range(int((end - begin) / BIN_S))]
    for part, origin in ((reference, first), (spans, begin)):
        for key, moment, value in _samples(part):
            made[key][origin + BIN_S * ((moment - origin) // BIN_S)].append(value)
    for key, samples in sorted(made.items()):
        if sum(len(v) for v in samples.values()) >= _LEAST_SPANS:
            yield _series(key, samples, bins)


def _series(key: Key, samples: dict[float, list[float]], bins: list[float]) -> Series:
    metric, one, other = key
    if metric.endswith("rate"):
        points: list[tuple[float, float | None]] = [(b, len(samples.get(b, ())) / BIN_S) for b in bins]
    else:
        points = [(b, sum(v) / len(v) if (v := samples.get(b)) else None) for b in bins]
    unit = "1/s" if metric.endswith("rate") else "s"
    if metric.startswith("call_"):
        return series(points, metric, service=None, unit=unit, step_s=BIN_S, labels={"caller": one, "callee": other})
    operation, _, step = other.partition(_UNDER)
    labels = {k: v for k, v in (("operation", operation), ("step", step)) if v}
    return series(points, metric, service=one, unit=unit, step_s=BIN_S, labels=labels)


def _samples(spans: Iterable[Span]) -> Iterator[tuple[Key, float, float]]:
    kept = list(spans)
    by_id = {(s.trace, s.id): s for s in kept}
    children: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in kept:
        if span.parent:
            children[span.trace, span.parent].append(span)
    for span in kept:
        yield ("operation_rate", span.service, span.operation), span.start_s, 1.0
        below = children.get((span.trace, span.id), ())
        if all(c.service == span.service for c in below):  # else it is a client span: its own time is the way there
            own = span.duration_s - sum(c.duration_s for c in below)
            yield ("self_time_mean", span.service, span.operation), span.start_s, max(0.0, own)
        parent = by_id.get((span.trace, span.parent))
        if parent is not None:
            step = span.operation if span.service == parent.service else span.service
            yield ("step_rate", parent.service, f"{parent.operation}{_UNDER}{step}"), span.start_s, 1.0
        if parent is None or parent.service != span.service:
            yield ("request_rate", span.service, ""), span.start_s, 1.0
            yield ("latency_mean", span.service, ""), span.start_s, span.duration_s
        if parent is not None and parent.service != span.service:
            yield ("call_rate", parent.service, span.service), span.start_s, 1.0
            yield ("call_latency_mean", parent.service, span.service), span.start_s, parent.duration_s
            only = len(children[span.trace, span.parent]) == 1
            if only:
                gap = parent.duration_s - span.duration_s
                yield ("call_gap_mean", parent.service, span.service), span.start_s, max(0.0, gap)
