"""Walks a parsed PromQL expression and evaluates it for all steps at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import promql_parser as parser

from bot.demo.world.promql.aggregate import aggregate
from bot.demo.world.promql.binary import binary
from bot.demo.world.promql.functions import FUNCTIONS
from bot.demo.world.promql.values import (
    Array,
    PromqlError,
    RawSeries,
    Sample,
    Scalar,
    Text,
    Value,
    Vector,
    Window,
    without_name,
)

Matcher = tuple[str, str, str]
"""Label name, one of = != =~ !~, value."""

Select = Callable[[Sequence[Matcher]], list[RawSeries]]
SUBQUERY_STEP_S = 60.0
_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


class Evaluator:
    """Evaluates expressions against the series that `select` finds."""

    def __init__(self, select: Select) -> None:
        self._select = select

    def evaluate(self, query: str, times: Array) -> Value:
        """Parse `query` and evaluate it at each of `times` (epoch seconds, ascending)."""
        return self.walk(parse(query), times)

    def walk(self, node: Any, times: Array) -> Value:
        """Evaluate one node of the tree."""
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is None:
            raise PromqlError(f"unsupported expression {type(node).__name__}")
        value: Value = handler(node, times)
        return value

    def _numberliteral(self, node: Any, times: Array) -> Value:
        return Scalar(np.full(len(times), float(node.val)))

    def _stringliteral(self, node: Any, times: Array) -> Value:
        return Text(str(node.val))

    def _parenexpr(self, node: Any, times: Array) -> Value:
        return self.walk(node.expr, times)

    def _unaryexpr(self, node: Any, times: Array) -> Value:
        value = self.walk(node.expr, times)
        if isinstance(value, Scalar):
            return Scalar(-value.values)
        if isinstance(value, Vector):
            return Vector([Sample(without_name(s.labels), -s.values, s.there) for s in value.samples])
        raise PromqlError("unary expression only allowed on scalar or vector", "bad_data")

    def _binaryexpr(self, node: Any, times: Array) -> Value:
        return binary(node, self.walk(node.lhs, times), self.walk(node.rhs, times))

    def _aggregateexpr(self, node: Any, times: Array) -> Value:
        param = None if node.param is None else self.walk(node.param, times)
        value = self.walk(node.expr, times)
        if not isinstance(value, Vector):
            raise PromqlError("expected an instant vector in aggregation", "bad_data")
        return aggregate(node, value, param)

    def _call(self, node: Any, times: Array) -> Value:
        function = FUNCTIONS.get(node.func.name)
        if function is None:
            raise PromqlError(f"unknown function with name {node.func.name!r}")
        if node.func.name == "timestamp" and type(node.args[0]).__name__ == "VectorSelector":
            return self._sampled_at(node.args[0], times)
        value = function([self.walk(argument, times) for argument in node.args], times)
        if node.func.name.startswith("absent") and isinstance(value, Vector):
            return Vector([Sample(_wanted_labels(node.args[0]), s.values, s.there) for s in value.samples])
        return value

    def _sampled_at(self, selector: Any, times: Array) -> Value:
        """When the samples that answer a selector were taken."""
        moments = _moments(selector, times)
        samples = []
        for series in self._select(matchers_of(selector)):
            at = np.maximum(np.searchsorted(series.times, moments, side="right") - 1, 0)
            there = (series.times[at] <= moments) & (moments < series.valid_until[at])
            if there.any():
                samples.append(Sample(without_name(series.labels), series.times[at], there))
        return Vector(samples)

    def _vectorselector(self, node: Any, times: Array) -> Value:
        moments = _moments(node, times)
        samples = []
        for series in self._select(matchers_of(node)):
            at = np.searchsorted(series.times, moments, side="right") - 1
            safe = np.maximum(at, 0)
            there = (at >= 0) & (moments < series.valid_until[safe])
            if there.any():
                samples.append(Sample(series.labels, np.where(there, series.values[safe], np.nan), there))
        return Vector(samples)

    def _matrixselector(self, node: Any, times: Array) -> Value:
        selector = node.vector_selector
        return Window(self._select(matchers_of(selector)), _moments(selector, times), node.range.total_seconds())

    def _subqueryexpr(self, node: Any, times: Array) -> Value:
        ends = _moments(node, times)
        range_s = node.range.total_seconds()
        step = node.step.total_seconds() if node.step else SUBQUERY_STEP_S
        first = np.ceil((ends.min() - range_s) / step) * step
        inner_times = np.arange(first, ends.max() + 1e-9, step)
        inner = self.walk(node.expr, inner_times)
        if isinstance(inner, Scalar):
            everywhere = np.ones(len(inner_times), dtype=bool)
            inner = Vector([Sample({}, inner.values, everywhere)])
        if not isinstance(inner, Vector):
            raise PromqlError("subquery is only allowed on an instant vector", "bad_data")
        series = [
            RawSeries(s.labels, inner_times[s.there], s.values[s.there], inner_times[s.there] + step)
            for s in inner.samples
        ]
        return Window(series, ends, range_s)


def parse(query: str) -> Any:
    """The tree of `query`; a query that does not parse is bad_data, as in Prometheus."""
    try:
        return parser.parse(query)
    except ValueError as error:
        raise PromqlError(f'invalid parameter "query": 1:1: parse error: {error}', "bad_data") from error


def matchers_of(node: Any) -> list[Matcher]:
    """All matchers of a selector, the name among them."""
    if node.matchers.or_matchers:
        raise PromqlError("matchers joined with `or` are not supported", "bad_data")
    found = [(m.name, _OPERATORS[str(m.op).rpartition(".")[2]], m.value) for m in node.matchers.matchers]
    if node.name:
        found.append(("__name__", "=", node.name))
    return found


def matches(labels: Any, matchers: Sequence[Matcher]) -> bool:
    """Whether a label set satisfies all matchers; a missing label counts as empty."""
    for name, operator, wanted in matchers:
        value = labels.get(name, "")
        if operator in {"=", "!="}:
            hit = value == wanted
        else:
            try:
                hit = re.fullmatch(wanted, value) is not None
            except re.error as error:
                raise PromqlError(f"invalid regular expression {wanted!r}: {error}", "bad_data") from error
        if hit == operator.startswith("!"):
            return False
    return True


def _wanted_labels(node: Any) -> dict[str, str]:
    """The labels that absent() gives its answer: those the selector asks to be equal."""
    selector = getattr(node, "vector_selector", node)
    if type(selector).__name__ != "VectorSelector":
        return {}
    found = matchers_of(selector)
    names = [name for name, _, _ in found]
    return {n: v for n, op, v in found if op == "=" and n != "__name__" and names.count(n) == 1}


def _moments(node: Any, times: Array) -> Array:
    offset: timedelta | None = node.offset
    shift = offset.total_seconds() if offset is not None else 0.0
    moments = times
    if node.at is not None:
        kind = str(node.at.type).rpartition(".")[2]
        fixed = {"Start": times[0], "End": times[-1]}.get(kind)
        moments = np.full(len(times), node.at.at.timestamp() if fixed is None else fixed)
    return np.asarray(moments - shift)
