"""Binary operators: arithmetic, comparison and set operators, with on, ignoring, group_left and group_right."""

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
    Value,
    Vector,
    key_of,
    merged,
    without_name,
)

Operation = Callable[[Array, Array], Array]
Key = tuple[tuple[str, str], ...]

_ARITHMETIC: Mapping[str, Operation] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARISON: Mapping[str, Callable[[Array, Array], Mask]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def binary(node: Any, left: Value, right: Value) -> Value:
    """Evaluate one binary expression over already evaluated operands."""
    operator = str(node.op).split()[0].lower()
    as_bool = bool(node.modifier and node.modifier.return_bool)
    with np.errstate(all="ignore"):
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return Scalar(_scalars(operator, left.values, right.values))
        if isinstance(left, Vector) and isinstance(right, Scalar):
            return _with_scalar(operator, left, right.values, as_bool=as_bool, swapped=False)
        if isinstance(left, Scalar) and isinstance(right, Vector):
            return _with_scalar(operator, right, left.values, as_bool=as_bool, swapped=True)
        if isinstance(left, Vector) and isinstance(right, Vector):
            if operator in {"and", "or", "unless"}:
                return _sets(operator, left, right, node.modifier)
            return _vectors(operator, left, right, node.modifier)
    raise PromqlError("binary expression must contain only scalar and instant vector types", "bad_data")


def _scalars(operator: str, left: Array, right: Array) -> Array:
    if operator in _ARITHMETIC:
        return _ARITHMETIC[operator](left, right)
    return _compare(operator, left, right).astype(float)


def _compare(operator: str, left: Array, right: Array) -> Mask:
    if operator not in _COMPARISON:
        raise PromqlError(f"unsupported operator {operator!r}")
    return _COMPARISON[operator](left, right)


def _with_scalar(operator: str, vector: Vector, number: Array, *, as_bool: bool, swapped: bool) -> Vector:
    samples = []
    for sample in vector.samples:
        left, right = (number, sample.values) if swapped else (sample.values, number)
        if operator in _ARITHMETIC:
            values = _ARITHMETIC[operator](left, right)
            samples.append(Sample(without_name(sample.labels), values, sample.there))
        elif as_bool:
            values = _compare(operator, left, right).astype(float)
            samples.append(Sample(without_name(sample.labels), values, sample.there))
        else:
            samples.append(Sample(sample.labels, sample.values, sample.there & _compare(operator, left, right)))
    return merged(samples)


def _matching(modifier: Any) -> tuple[bool, list[str]]:
    """Whether matching is `on` (else `ignoring`), and the labels named."""
    if modifier is None or modifier.matching is None:
        return False, []
    return str(modifier.matching.type).endswith("Include"), list(modifier.matching.labels)


def _match_key(labels: Mapping[str, str], on: bool, names: list[str]) -> Key:
    if on:
        return tuple((name, labels.get(name, "")) for name in sorted(names))
    return key_of({name: v for name, v in without_name(labels).items() if name not in names})


def _sets(operator: str, left: Vector, right: Vector, modifier: Any) -> Vector:
    on, names = _matching(modifier)
    theirs = _presence(right, on, names)
    if operator == "or":
        ours = _presence(left, on, names)
        extra = [
            Sample(s.labels, s.values, s.there & ~ours.get(_match_key(s.labels, on, names), np.zeros_like(s.there)))
            for s in right.samples
        ]
        return merged([*left.samples, *extra])
    kept = []
    for sample in left.samples:
        other = theirs.get(_match_key(sample.labels, on, names), np.zeros_like(sample.there))
        kept.append(Sample(sample.labels, sample.values, sample.there & (other if operator == "and" else ~other)))
    return merged(kept)


def _presence(vector: Vector, on: bool, names: list[str]) -> dict[Key, Mask]:
    found: dict[Key, Mask] = {}
    for sample in vector.samples:
        key = _match_key(sample.labels, on, names)
        found[key] = found[key] | sample.there if key in found else sample.there
    return found


def _vectors(operator: str, left: Vector, right: Vector, modifier: Any) -> Vector:
    on, names = _matching(modifier)
    card = "OneToOne" if modifier is None else str(modifier.card).rpartition(".")[2]
    swapped = card == "OneToMany"
    many, one = (right, left) if swapped else (left, right)
    index: dict[Key, list[Sample]] = {}
    for sample in one.samples:
        index.setdefault(_match_key(sample.labels, on, names), []).append(sample)
    samples = []
    for sample in many.samples:
        for partner in index.get(_match_key(sample.labels, on, names), []):
            pair = (partner, sample) if swapped else (sample, partner)
            made = _pair(operator, pair, modifier)
            samples.append(Sample(_labels(operator, sample, partner, modifier, card), made.values, made.there))
    _check_sides(index)
    try:
        return merged(samples)
    except PromqlError:
        hint = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        raise PromqlError(hint) from None


def _check_sides(index: dict[Key, list[Sample]]) -> None:
    for members in index.values():
        if len(members) > 1 and (np.sum([member.there for member in members], axis=0) > 1).any():
            raise PromqlError(
                "found duplicate series for the match group on the right hand-side of the operation; "
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )


def _pair(operator: str, pair: tuple[Sample, Sample], modifier: Any) -> Sample:
    left, right = pair
    there = left.there & right.there
    if operator in _ARITHMETIC:
        return Sample({}, _ARITHMETIC[operator](left.values, right.values), there)
    hit = _compare(operator, left.values, right.values)
    if modifier is not None and modifier.return_bool:
        return Sample({}, hit.astype(float), there)
    return Sample({}, left.values, there & hit)


def _labels(operator: str, many: Sample, one: Sample, modifier: Any, card: str) -> dict[str, str]:
    keeps_name = operator in _COMPARISON and not (modifier is not None and modifier.return_bool)
    labels = dict(many.labels) if keeps_name else without_name(many.labels)
    if card == "OneToOne":
        on, names = _matching(modifier)
        if on:
            return {name: value for name, value in labels.items() if name in names}
        return {name: value for name, value in labels.items() if name not in names}
    for name in modifier.group_labels or []:
        value = one.labels.get(name, "")
        if value:
            labels[name] = value
        else:
            labels.pop(name, None)
    return labels
