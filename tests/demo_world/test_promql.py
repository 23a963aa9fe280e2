"""The evaluator against cases worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from bot.demo.world.promql import Evaluator, PromqlError, RawSeries, Scalar, Vector
from bot.demo.world.promql.evaluate import Matcher, matches


def _series(labels: dict[str, str], points: dict[float, float]) -> RawSeries:
    times = np.array(list(points), dtype=float)
    return RawSeries(labels, times, np.array(list(points.values()), dtype=float), times + 300)


def _steps(name: str, values: list[float], **labels: str) -> RawSeries:
    return _series({"__name__": name, **labels}, {60.0 * i: value for i, value in enumerate(values)})


DATA = [
    _steps("calls", [0, 60, 120, 180, 240, 300], app="a", zone="x"),
    _steps("calls", [100, 110, 120, 5, 15, 25], app="a", zone="y"),
    _steps("calls", [0, 0, 0, 0, 0, 0], app="b", zone="x"),
    _steps("limit", [10, 10, 10, 10, 10, 10], app="a", team="red"),
    _steps("limit", [4, 4, 4, 4, 4, 4], app="b", team="blue"),
    _steps("heat", [1, 5, 3, 9, 7, 2]),
    _steps("took_bucket", [10] * 6, le="0.1"),
    _steps("took_bucket", [30] * 6, le="0.5"),
    _steps("took_bucket", [40] * 6, le="+Inf"),
]


def _select(matchers: Sequence[Matcher]) -> list[RawSeries]:
    return [series for series in DATA if matches(series.labels, matchers)]


def at(query: str, moment: float = 300.0) -> dict[tuple[tuple[str, str], ...], float]:
    """Label sets to values at one moment."""
    value = Evaluator(_select).evaluate(query, np.array([moment]))
    if isinstance(value, Scalar):
        return {(): float(value.values[0])}
    assert isinstance(value, Vector)
    return {tuple(sorted(s.labels.items())): float(s.values[0]) for s in value.samples if s.there[0]}


def single(query: str, moment: float = 300.0) -> float:
    """The only value of an answer."""
    (value,) = at(query, moment).values()
    return value


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("heat", 2.0),
        ("heat offset 2m", 9.0),
        ("heat @ 60", 5.0),
        ('calls{app="a",zone="x"}', 300.0),
        ('rate(calls{app="a",zone="x"}[5m])', 1.0),
        ('increase(calls{app="a",zone="x"}[2m])', 120.0),
        # 100→110→120→(reset)5→15→25: grown by 45 in 300 s, sampled to both edges
        ('increase(calls{zone="y"}[5m])', 45.0),
        ('irate(calls{zone="y"}[2m])', 10 / 60),
        ('resets(calls{zone="y"}[5m])', 1.0),
        ("delta(heat[4m])", -3.0),
        ("deriv(heat[1m])", -5 / 60),
        ("max_over_time(heat[5m])", 9.0),
        ("min_over_time(heat[2m])", 2.0),
        ("avg_over_time(heat[2m])", 6.0),
        ("sum_over_time(heat[5m])", 27.0),
        ("count_over_time(heat[3m])", 4.0),
        ("quantile_over_time(0.5, heat[4m])", 5.0),
        ("last_over_time(heat[1m])", 2.0),
        ("changes(heat[5m])", 5.0),
        ("sum(calls)", 325.0),
        ("count(calls)", 3.0),
        ("avg(limit)", 7.0),
        ("max(calls) - min(calls)", 300.0),
        ("stddev(limit)", 3.0),
        ("quantile(0.5, calls)", 25.0),
        ("histogram_quantile(0.5, took_bucket)", 0.1 + 0.4 * (20 - 10) / (30 - 10)),
        ("histogram_quantile(0.99, took_bucket)", 0.5),
        ("clamp_max(heat, 1)", 1.0),
        ("clamp(heat, 3, 5)", 3.0),
        ("abs(-heat)", 2.0),
        ("absent(nothing)", 1.0),
        ("time()", 300.0),
        ("vector(4)", 4.0),
        ("scalar(heat) * 3", 6.0),
        ("2 ^ 3 % 5", 3.0),
        ("7 > bool 3", 1.0),
        ("heat == bool 3", 0.0),
        ("max_over_time(rate(calls{zone='x',app='a'}[2m])[3m:1m])", 1.0),
        ("round(heat / 3)", 1.0),
    ],
)
def test_single_values(query: str, expected: float) -> None:
    assert single(query) == pytest.approx(expected)


def test_sum_by_and_without_keep_the_right_labels() -> None:
    assert at("sum by (app) (calls)") == {(("app", "a"),): 325.0, (("app", "b"),): 0.0}
    assert at("sum without (zone) (calls)") == {(("app", "a"),): 325.0, (("app", "b"),): 0.0}


def test_matching_on_with_group_left_brings_labels_over() -> None:
    result = at("calls / on (app) group_left (team) limit")
    assert result[(("app", "a"), ("team", "red"), ("zone", "x"))] == pytest.approx(30)
    assert result[(("app", "b"), ("team", "blue"), ("zone", "x"))] == pytest.approx(0)


def test_one_to_one_with_on_keeps_only_those_labels() -> None:
    assert at("sum by (app, zone) (calls{zone='y'}) / on (app) limit") == {(("app", "a"),): 2.5}


def test_comparison_filters_and_keeps_the_name() -> None:
    assert at("calls > 20") == {
        (("__name__", "calls"), ("app", "a"), ("zone", "x")): 300.0,
        (("__name__", "calls"), ("app", "a"), ("zone", "y")): 25.0,
    }


def test_set_operators() -> None:
    assert len(at("calls and on (app) limit{team='red'}")) == 2
    assert len(at("calls unless on (app) limit{team='red'}")) == 1
    assert len(at("calls or heat")) == 4


def test_topk_keeps_whole_samples() -> None:
    assert list(at("topk(1, calls)").values()) == [300.0]
    assert list(at("bottomk(1, calls)").values()) == [0.0]


def test_regular_expressions_are_anchored() -> None:
    assert len(at('calls{zone=~"x|y"}')) == 3
    assert len(at('calls{app!~"a.*"}')) == 1
    assert not at('calls{app=~"|z"}')


def test_a_series_is_gone_five_minutes_after_its_last_sample() -> None:
    assert at("heat", 599.0)
    assert not at("heat", 600.0)


def test_division_by_zero_is_a_value_not_an_error() -> None:
    assert math.isnan(single("sum(calls{app='b'}) / sum(calls{app='b'})"))
    assert math.isinf(single("vector(1) / 0"))


def test_absent_answers_with_the_labels_asked_for() -> None:
    assert at('absent(nothing{app="a",zone=~"x"})') == {(("app", "a"),): 1.0}
    assert not at("absent(heat)")


def test_label_replace_fills_groups() -> None:
    assert (("app", "a"), ("short", "re"), ("team", "red")) in {
        tuple(pair for pair in key if pair[0] != "__name__")
        for key in at('label_replace(limit, "short", "$1", "team", "(..).")')
    }


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("bogus(heat)", "bad_data"),
        ("sum(", "bad_data"),
        ('calls{zone=~"["}', "bad_data"),
        ("calls * on (app) calls", "execution"),
        ("calls / ignoring (zone, team) limit", "execution"),
        ("rate({zone='x'}[5m]) + on (zone) rate({zone='x'}[5m])", "execution"),
        ("info(heat)", "execution"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error_of_the_right_kind(query: str, kind: str) -> None:
    with pytest.raises(PromqlError) as caught:
        at(query)
    assert caught.value.kind == kind
