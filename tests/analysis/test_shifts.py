"""Level shifts: found where they are, with gaps, seasons and older trouble, and not found where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.analysis.shifts import counter_rate, find_shift, increase, longest_growth, rarity, usual_level

TIMES = np.arange(160) * 30.0
START = 120 * 30.0


def noisy(level: float, sigma: float = 0.05, seed: int = 3) -> np.ndarray:
    return level * np.exp(sigma * np.random.default_rng(seed).standard_normal(TIMES.size))


def test_a_step_is_dated_and_measured() -> None:
    values = noisy(0.2)
    values[130:] *= 5
    found = find_shift(TIMES, values, START)
    assert found is not None
    assert found.onset_s == TIMES[130]
    assert found.before == pytest.approx(0.2, rel=0.1)
    assert found.after == pytest.approx(1.0, rel=0.1)
    assert found.rose
    assert not found.returned


def test_a_fall_has_its_direction() -> None:
    values = noisy(40)
    values[125:] *= 0.2
    found = find_shift(TIMES, values, START)
    assert found is not None
    assert not found.rose


def test_a_start_before_the_window_is_seen() -> None:
    values = noisy(0.2)
    values[110:] *= 4
    found = find_shift(TIMES, values, START)
    assert found is not None
    assert abs(found.onset_s - TIMES[110]) <= 60


def test_an_older_excursion_lends_no_weight() -> None:
    values = noisy(0.2)
    values[40:60] *= 8
    assert find_shift(TIMES, values, START) is None
    values[140:] *= 3
    found = find_shift(TIMES, values, START)
    assert found is not None
    assert found.onset_s == TIMES[140]


def test_what_came_and_went_inside_the_window_has_returned() -> None:
    values = noisy(0.2)
    values[125:133] *= 6
    found = find_shift(TIMES, values, START)
    assert found is not None
    assert found.returned


def test_gaps_change_nothing() -> None:
    values = noisy(0.2)
    values[130:] *= 5
    values[np.random.default_rng(1).random(values.size) < 0.3] = np.nan
    found = find_shift(TIMES, values, START)
    assert found is not None
    assert abs(found.onset_s - TIMES[130]) <= 120


def test_a_wave_that_repeats_is_usual() -> None:
    times = np.arange(600) * 30.0
    values = 100 + 60 * np.sin(np.arange(600) * 2 * np.pi / 60) + np.random.default_rng(2).normal(0, 3, 600)
    assert find_shift(times, values, times[520]) is None
    values[560:] += 120
    found = find_shift(times, values, times[520])
    assert found is not None
    assert abs(found.onset_s - times[560]) <= 60


@pytest.mark.parametrize("values", [np.full(160, 7.0), np.zeros(160), np.full(160, np.nan)])
def test_nothing_is_found_in_a_constant_or_an_empty_series(values: np.ndarray) -> None:
    assert find_shift(TIMES, values, START, floor_abs=0.001) is None


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_too_few_points_say_nothing(count: int) -> None:
    assert find_shift(TIMES[:count], noisy(1.0)[:count], START) is None


@given(st.lists(st.one_of(st.floats(-1e12, 1e12), st.just(float("nan"))), max_size=60), st.integers(0, 60))
@settings(max_examples=150, deadline=None)
def test_any_numbers_give_an_answer(values: list[float], start: int) -> None:
    array = np.asarray(values, dtype=float)
    found = find_shift(TIMES[: array.size], array, start * 30.0)
    if found is not None:
        assert np.isfinite([found.before, found.after, found.z, found.mass, found.rarity]).all()
        assert 0 <= found.rarity <= 1


def test_noise_alone_is_seldom_a_rare_shift() -> None:
    alarms = 0
    for seed in range(200):
        found = find_shift(TIMES, noisy(1.0, 0.1, seed), START)
        alarms += found is not None and found.rarity > 0.9 and abs(found.delta) > 0.3
    assert alarms <= 2


def test_what_the_usual_course_often_shows_is_not_rare() -> None:
    deviation = np.zeros(200)
    deviation[10:160:8] = 1.0
    assert rarity(deviation, 160, 1.0, 2) < 0.5
    assert rarity(np.zeros(200), 160, 1.0, 4) == 1.0


def test_counters_reset_and_grow() -> None:
    values = np.asarray([10.0, 20.0, np.nan, 40.0, 5.0, 15.0])
    assert increase(values) == 45.0
    rates = counter_rate(np.arange(6) * 10.0, values)
    assert rates[1] == pytest.approx(1.0)
    assert rates[3] == pytest.approx(1.0)
    assert rates[4] == pytest.approx(0.5)


def test_a_climb_is_growth_and_a_sawtooth_without_trend_is_not() -> None:
    climb = np.linspace(0.3, 0.99, 160)
    assert longest_growth(TIMES, climb) is not None
    assert longest_growth(TIMES, noisy(0.5, 0.02)) is None


def sparse(seed: int) -> np.ndarray:
    """Mostly nothing, now and then one event, seldom two: the errors of a healthy service in steps."""
    return np.random.default_rng(seed).poisson(0.35, TIMES.size) * 0.0045


@pytest.mark.parametrize("seed", range(20))
def test_one_event_more_or_less_is_no_shift(seed: int) -> None:
    assert find_shift(TIMES, sparse(seed), START, floor_abs=0.001) is None


def test_events_that_come_often_after_a_few_are_a_shift_dated_where_they_begin() -> None:
    values = sparse(1)
    values[127] = 0.0045
    values[130:] = 0.16
    found = find_shift(TIMES, values, START, floor_abs=0.001)
    assert found is not None
    assert found.onset_s == TIMES[130]


def test_chance_just_before_a_shift_does_not_date_it() -> None:
    dice, times = np.random.default_rng(1), np.arange(63) * 30.0
    early = 0
    for _ in range(500):
        counts = np.concatenate([dice.poisson(2, 41), dice.poisson(80, 22)]) / 30
        found = find_shift(times, counts, times[33])
        assert found is not None
        early += found.onset_s < times[39]
    assert early <= 1


def test_a_counting_series_spreads_by_a_count_even_where_its_median_lies_between_two() -> None:
    counts = np.array([0.0, 1.0, 1.0, 2.0, 2.0, 3.0] * 10)
    assert usual_level(np.arange(60) * 30.0, counts, 1e9, floor_abs=0.0, floor_ratio=0.05).spread >= 1
