"""The table of PromQL functions this evaluator knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from bot.demo.world.promql import windows
from bot.demo.world.promql.histogram import histogram_quantile
from bot.demo.world.promql.values import (
    Array,
    PromqlError,
    Sample,
    Scalar,
    Text,
    Value,
    Vector,
    Window,
    merged,
    without_name,
)

Function = Callable[[list[Value], Array], Value]


def vector_of(arguments: list[Value], position: int = 0) -> Vector:
    """The instant vector among the arguments."""
    value = arguments[position]
    if not isinstance(value, Vector):
        raise PromqlError("expected type instant vector in call to function", "bad_data")
    return value


def number_of(arguments: list[Value], position: int) -> Array:
    """The scalar among the arguments, per step."""
    value = arguments[position]
    if not isinstance(value, Scalar):
        raise PromqlError("expected type scalar in call to function", "bad_data")
    return value.values


def _text_of(arguments: list[Value], position: int) -> str:
    value = arguments[position]
    if not isinstance(value, Text):
        raise PromqlError("expected type string in call to function", "bad_data")
    return value.value


def _mapped(change: Callable[[Array], Array]) -> Function:
    def apply(arguments: list[Value], _times: Array) -> Value:
        with np.errstate(all="ignore"):
            rows = [Sample(without_name(s.labels), change(s.values), s.there) for s in vector_of(arguments).samples]
        return merged(rows)

    return apply


def _clamp(low: int | None, high: int | None) -> Function:
    def apply(arguments: list[Value], times: Array) -> Value:
        bottom = number_of(arguments, low) if low else np.full(len(times), -np.inf)
        top = number_of(arguments, high) if high else np.full(len(times), np.inf)
        samples = [
            Sample(without_name(s.labels), np.minimum(np.maximum(s.values, bottom), top), s.there & (bottom <= top))
            for s in vector_of(arguments).samples
        ]
        return merged(samples)

    return apply


def _round(arguments: list[Value], times: Array) -> Value:
    unit = number_of(arguments, 1) if len(arguments) > 1 else np.ones(len(times))
    return _mapped(lambda values: np.floor(values / unit + 0.5) * unit)(arguments[:1], times)


def _absent(arguments: list[Value], times: Array) -> Value:
    gone = np.ones(len(times), dtype=bool)
    for sample in vector_of(arguments).samples:
        gone &= ~sample.there
    return merged([Sample({}, np.ones(len(times)), gone)])


def _absent_over_time(arguments: list[Value], times: Array) -> Value:
    present = windows.reduced(windows.window_of(arguments), lambda _values: 1.0, keep_name=True)
    return _absent([present], times)


def _scalar(arguments: list[Value], times: Array) -> Value:
    samples = vector_of(arguments).samples
    if not samples:
        return Scalar(np.full(len(times), np.nan))
    there = np.array([s.there for s in samples])
    values = np.where(there, np.array([s.values for s in samples]), 0).sum(axis=0)
    return Scalar(np.where(there.sum(axis=0) == 1, values, np.nan))


def _vector(arguments: list[Value], times: Array) -> Value:
    return Vector([Sample({}, number_of(arguments, 0), np.ones(len(times), dtype=bool))])


def _time(_arguments: list[Value], times: Array) -> Value:
    return Scalar(times.astype(float))


def _sorted(*, descending: bool) -> Function:
    def apply(arguments: list[Value], _times: Array) -> Value:
        def order(sample: Sample) -> float:
            value = float(sample.values[-1])
            return -value if descending else value

        return Vector(sorted(vector_of(arguments).samples, key=order))

    return apply


def _label_replace(arguments: list[Value], _times: Array) -> Value:
    target, template, source, pattern = (_text_of(arguments, position) for position in range(1, 5))
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise PromqlError(f"invalid regular expression in label_replace(): {pattern}") from error
    template = re.sub(r"\$(?:\{(\w+)\}|(\d+))", lambda m: f"\\g<{m.group(1) or m.group(2)}>", template)
    samples = []
    for sample in vector_of(arguments).samples:
        found = compiled.fullmatch(sample.labels.get(source, ""))
        labels = dict(sample.labels)
        if found:
            labels[target] = found.expand(template)
        samples.append(Sample({k: v for k, v in labels.items() if v}, sample.values, sample.there))
    return merged(samples)


def _label_join(arguments: list[Value], _times: Array) -> Value:
    target, separator = _text_of(arguments, 1), _text_of(arguments, 2)
    sources = [_text_of(arguments, position) for position in range(3, len(arguments))]
    return merged(
        Sample({**s.labels, target: separator.join(s.labels.get(n, "") for n in sources)}, s.values, s.there)
        for s in vector_of(arguments).samples
    )


def _quantile_of_buckets(arguments: list[Value], _times: Array) -> Value:
    return histogram_quantile(number_of(arguments, 0), vector_of(arguments, 1))


def _timestamp(arguments: list[Value], times: Array) -> Value:
    return _mapped(lambda _values: times.astype(float))(arguments, times)


def _reduction(reduce: windows.Reduce) -> Function:
    return lambda arguments, _times: windows.reduced(windows.window_of(arguments), reduce)


def _predict(arguments: list[Value], _times: Array) -> Value:
    return windows.regression(windows.window_of(arguments), float(number_of(arguments, 1)[0]))


def _change(*, is_counter: bool, per_second: bool) -> Function:
    def apply(arguments: list[Value], _times: Array) -> Value:
        window: Window = windows.window_of(arguments)
        return windows.extrapolated(window, is_counter=is_counter, per_second=per_second)

    return apply


FUNCTIONS: Mapping[str, Function] = {
    "rate": _change(is_counter=True, per_second=True),
    "increase": _change(is_counter=True, per_second=False),
    "delta": _change(is_counter=False, per_second=False),
    "irate": lambda a, _t: windows.instant_change(windows.window_of(a), is_counter=True),
    "idelta": lambda a, _t: windows.instant_change(windows.window_of(a), is_counter=False),
    "deriv": lambda a, _t: windows.regression(windows.window_of(a), None),
    "predict_linear": _predict,
    "last_over_time": lambda a, _t: windows.last_over_time(a),
    "quantile_over_time": lambda a, _t: windows.quantile_over_time(a),
    "absent_over_time": _absent_over_time,
    **{name: _reduction(reduce) for name, reduce in windows.REDUCTIONS.items()},
    "abs": _mapped(np.abs),
    "ceil": _mapped(np.ceil),
    "floor": _mapped(np.floor),
    "exp": _mapped(np.exp),
    "ln": _mapped(np.log),
    "log2": _mapped(np.log2),
    "log10": _mapped(np.log10),
    "sqrt": _mapped(np.sqrt),
    "sgn": _mapped(np.sign),
    "round": _round,
    "clamp": _clamp(1, 2),
    "clamp_min": _clamp(1, None),
    "clamp_max": _clamp(None, 1),
    "absent": _absent,
    "scalar": _scalar,
    "vector": _vector,
    "time": _time,
    "timestamp": _timestamp,
    "sort": _sorted(descending=False),
    "sort_desc": _sorted(descending=True),
    "label_replace": _label_replace,
    "label_join": _label_join,
    "histogram_quantile": _quantile_of_buckets,
}
