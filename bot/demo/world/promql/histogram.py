"""histogram_quantile over classic buckets, as in Prometheus (promql/quantile.go)."""

from __future__ import annotations

import numpy as np

from bot.demo.world.promql.values import Array, Mask, Sample, Vector, key_of, merged, without_name


def histogram_quantile(level: Array, vector: Vector) -> Vector:
    """The quantile of each group of buckets that differ in `le` only."""
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float, Sample]]] = {}
    for sample in vector.samples:
        bound = _bound(sample.labels.get("le"))
        if bound is not None:
            labels = {k: v for k, v in without_name(sample.labels).items() if k != "le"}
            groups.setdefault(key_of(labels), []).append((bound, sample))
    samples = []
    for key, members in groups.items():
        members.sort(key=lambda member: member[0])
        there = np.array([sample.there for _, sample in members])
        exists: Mask = np.asarray(there.any(axis=0))
        values = np.full(len(exists), np.nan)
        for step in np.flatnonzero(exists):
            buckets = [(le, float(s.values[step])) for le, s in members if s.there[step]]
            values[step] = bucket_quantile(float(level[step]), buckets)
        samples.append(Sample(dict(key), values, exists))
    return merged(samples)


def bucket_quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    """Quantile `q` of cumulative buckets (upper bound, count), linear inside a bucket."""
    if np.isnan(q) or len(buckets) < 2 or not np.isinf(buckets[-1][0]):
        return float("nan")
    if q < 0:
        return float("-inf")
    if q > 1:
        return float("inf")
    bounds = [bound for bound, _ in buckets]
    counts = list(np.maximum.accumulate([count for _, count in buckets]))
    if counts[-1] == 0 or np.isnan(counts[-1]):
        return float("nan")
    rank = q * counts[-1]
    index = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if index == len(counts) - 1:
        return float(bounds[-2])
    if index == 0 and bounds[0] <= 0:
        return float(bounds[0])
    start, below = (0.0, 0.0) if index == 0 else (bounds[index - 1], counts[index - 1])
    inside = counts[index] - below
    return float(start + (bounds[index] - start) * ((rank - below) / inside)) if inside else float(start)


def _bound(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
