"""Aggregation operators: sum, avg, min, max, count, group, stddev, stdvar, quantile, topk, bottomk, count_values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bot.demo.world.promql.values import (
    Array,
    Mask,
    PromqlError,
    Sample,
    Scalar,
    Text,
    Value,
    Vector,
    key_of,
    merged,
    without_name,
)

Fold = Callable[[Array], Array]

_FOLDS: Mapping[str, Fold] = {
    "sum": lambda rows: np.nansum(rows, axis=0),
    "avg": lambda rows: np.nanmean(rows, axis=0),
    "min": lambda rows: np.nanmin(rows, axis=0),
    "max": lambda rows: np.nanmax(rows, axis=0),
    "stddev": lambda rows: np.nanstd(rows, axis=0),
    "stdvar": lambda rows: np.nanvar(rows, axis=0),
}


def aggregate(node: Any, vector: Vector, param: Value | None) -> Vector:
    """Evaluate one aggregation over a vector."""
    operator = str(node.op)
    if operator in {"topk", "bottomk"}:
        return _extremes(node, vector, param, largest=operator == "topk")
    if operator == "count_values":
        return _count_values(node, vector, param)
    samples = []
    for labels, members in _groups(node.modifier, vector):
        values, there = _stack(members)
        samples.append(Sample(labels, _fold(operator, values, there, param), np.asarray(there.any(axis=0))))
    return Vector(samples)


def _fold(operator: str, values: Array, there: Mask, param: Value | None) -> Array:
    if operator == "count":
        return np.asarray(there.sum(axis=0), dtype=float)
    if operator == "group":
        return np.ones(values.shape[1])
    if operator == "quantile":
        if not isinstance(param, Scalar):
            raise PromqlError("expected a scalar parameter in quantile", "bad_data")
        return _column_quantiles(values, there, param.values)
    fold = _FOLDS.get(operator)
    if fold is None:
        raise PromqlError(f"unsupported aggregation {operator!r}")
    genuine = np.isnan(values) & there
    result = np.full(values.shape[1], np.nan)
    columns = (there & ~genuine).any(axis=0)
    if columns.any():
        result[columns] = fold(np.where(there, values, np.nan)[:, columns])
    if operator in {"sum", "avg"}:
        result[genuine.any(axis=0)] = np.nan
    return result


def quantile_of(values: Array, q: float) -> float:
    """The q-quantile with linear interpolation, as Prometheus does it for q outside 0..1 too."""
    if len(values) == 0 or np.isnan(q):
        return float("nan")
    if q < 0:
        return float("-inf")
    if q > 1:
        return float("inf")
    return float(np.quantile(values, q))


def _column_quantiles(values: Array, there: Mask, q: Array) -> Array:
    columns = range(values.shape[1])
    return np.array([quantile_of(values[there[:, i], i], float(q[i])) for i in columns])


def _stack(members: list[Sample]) -> tuple[Array, Mask]:
    return np.array([s.values for s in members]), np.array([s.there for s in members])


def _group_labels(modifier: Any, labels: Mapping[str, str]) -> dict[str, str]:
    if modifier is None:
        return {}
    names = set(modifier.labels)
    if str(modifier.type).endswith("By"):
        return {name: value for name, value in labels.items() if name in names}
    return {name: value for name, value in without_name(labels).items() if name not in names}


def _groups(modifier: Any, vector: Vector) -> list[tuple[dict[str, str], list[Sample]]]:
    groups: dict[tuple[tuple[str, str], ...], tuple[dict[str, str], list[Sample]]] = {}
    for sample in vector.samples:
        labels = _group_labels(modifier, sample.labels)
        groups.setdefault(key_of(labels), (labels, []))[1].append(sample)
    return list(groups.values())


def _extremes(node: Any, vector: Vector, param: Value | None, *, largest: bool) -> Vector:
    if not isinstance(param, Scalar):
        raise PromqlError("expected a scalar parameter in topk", "bad_data")
    kept: list[Sample] = []
    for _, members in _groups(node.modifier, vector):
        values, there = _stack(members)
        order = np.where(there, np.nan_to_num(values, nan=-np.inf if largest else np.inf), np.nan)
        ranks = np.argsort(np.argsort(-order if largest else order, axis=0, kind="stable"), axis=0, kind="stable")
        chosen = there & (ranks < np.maximum(np.nan_to_num(param.values), 0))
        kept.extend(
            Sample(member.labels, member.values, chosen[index])
            for index, member in enumerate(members)
            if chosen[index].any()
        )
    return Vector(kept)


def _count_values(node: Any, vector: Vector, param: Value | None) -> Vector:
    if not isinstance(param, Text):
        raise PromqlError("expected a label name in count_values", "bad_data")
    samples = []
    for labels, members in _groups(node.modifier, vector):
        values, there = _stack(members)
        for value in np.unique(values[there]):
            count = ((values == value) & there).sum(axis=0).astype(float)
            samples.append(Sample({**labels, param.value: f"{value:g}"}, count, count > 0))
    return merged(samples)
