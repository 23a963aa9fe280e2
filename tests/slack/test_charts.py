"""Charts keep peaks, invent no point, and put what moved first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.slack.blocks.charts import chart, most_telling, sparkline, summary
from connectors.model import Series, SeriesSet
from tests.slack.story import ONSET, START


def series(name: str, values: Sequence[float | None], *, metric: str = "rate", step_s: float = 30) -> Series:
    points = tuple((START + timedelta(seconds=step_s * n), v) for n, v in enumerate(values))
    return Series(service=name, metric=metric, unit="1/s", step_s=step_s, points=points)


def test_a_shift_comes_before_blips() -> None:
    blips = series("noisy", [0.05 if n % 7 == 0 else 0.0 for n in range(60)])
    shift = series("payment", [0.03] * 40 + [2.1] * 20)
    flat = series("flat", [5.0] * 60)
    assert most_telling([blips, flat, shift])[0].service == "payment"


def test_a_spike_of_one_point_stays_in_the_chart() -> None:
    values: list[float | None] = [1.0] * 200
    values[77] = 90.0
    drawn = chart(SeriesSet(series=(series("a", values),)), ONSET)
    assert drawn is not None
    data = drawn["chart"]["series"][0]["data"]
    assert len(data) == 20
    assert max(p["value"] for p in data) == 90.0
    assert drawn["title"] == "rate (1/s) · onset 14:02"


def test_a_gap_is_not_a_zero() -> None:
    values: list[float | None] = [1.0] * 50 + [None] * 50 + [1.0] * 50
    drawn = chart(SeriesSet(series=(series("a", values),)))
    assert drawn is None or all(p["value"] == 1.0 for p in drawn["chart"]["series"][0]["data"])
    assert "·" in sparkline(series("a", values))
    assert "50 points missing" in summary(SeriesSet(series=(series("a", values),)))


def test_one_chart_shows_one_metric() -> None:
    rates = [series(f"s{n}", [1.0] * 30 + [9.0] * 30) for n in range(9)]
    other = series("s1", [1.0] * 60, metric="other")
    drawn = chart(SeriesSet(series=(*rates, other)))
    assert drawn is not None
    assert len(drawn["chart"]["series"]) == 6
    assert "and 4 more series that moved less" in summary(SeriesSet(series=(*rates, other)))


def test_the_largest_numbers_do_no_harm() -> None:
    huge = series("a", [1.7e308, -1.7e308, 0.0] * 10)
    assert len(sparkline(huge)) > 0
    assert chart(SeriesSet(series=(huge,))) is not None


def test_nothing_to_draw() -> None:
    assert chart(SeriesSet(series=())) is None
    assert chart(SeriesSet(series=(series("a", [None, None]),))) is None
    assert "1 series without a point" in summary(SeriesSet(series=(series("a", [None]),)))
