"""What sources and people get wrong: nothing of it is an anomaly, and what cannot be run says where and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from bot.domain.anomaly import Signal
from bot.domain.question import Source
from bot.domain.states import Severity
from bot.errors import InvalidConfiguration
from bot.services.sweep_config import load_sweeps, load_watching
from bot.services.sweep_model import QuietHours, Sweep
from bot.services.sweep_watch import Tick, Watch
from bot.store import Store
from connectors.errors import Rejected
from connectors.model import Series
from tests.services.test_sweeps import Desk, Hands, signal
from tests.support.doubles import Behaviour, DoubleConnector

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SWEEP = Sweep(name="signals", source="double/main", tool="read_rows", recovered_after=3, missing_after=3)
LEARNED = 200
Odd: TypeAlias = dict[tuple[str, str], float | None]
FILE = """\
defaults: false
sweeps:
  a:
    source: double/main
    tool: read_rows
    arguments:
      number: 3
"""


class Feed:
    """A watch that has learned some normal series, minute by minute."""

    def __init__(self, *services: str, metrics: tuple[str, ...] = ("latency_p99",)) -> None:
        self.watch, self.minute, self.dice = Watch(SWEEP), 0, np.random.default_rng(2)
        self.services, self.metrics = services, metrics
        for _ in range(LEARNED):
            self.tick({}, learning=True)

    def tick(
        self, odd: dict[tuple[str, str], float | None], *, learning: bool = False, extra: tuple[Series, ...] = ()
    ) -> Tick:
        """One more minute; `odd` replaces the value of a service and metric, None leaves the series out."""
        at = START + MINUTE * self.minute
        self.minute += 1
        found = []
        for service in self.services:
            for metric in self.metrics:
                normal = float(0.2 * self.dice.lognormal(0, 0.05))
                value = odd.get((service, metric), normal)
                if value is not None:
                    found.append(point(service, metric, (at, value)))
        return self.watch.feed([*found, *extra], query="q", learning=learning, until=(at + MINUTE).timestamp())

    def ticks(self, count: int, odd: Odd) -> list[Signal]:
        return [one for _ in range(count) for one in self.tick(odd).new]


def point(service: str, metric: str, *points: tuple[datetime, float | None]) -> Series:
    return Series(service=service, metric=metric, unit="s", step_s=60, points=points)


def test_a_service_that_vanishes_is_told_once_and_its_return_too() -> None:
    feed = Feed("checkout", "payment")
    told = feed.ticks(8, {("checkout", "latency_p99"): None})
    assert [(one.service, one.kind, one.severity) for one in told] == [("checkout", "missing", Severity.HIGH)]
    assert any(feed.tick({}).recovered for _ in range(4))


def test_a_renamed_metric_is_no_trouble_of_every_service() -> None:
    feed = Feed("a", "b", "c", metrics=("latency_p99", "request_rate"))
    gone: Odd = {(name, "latency_p99"): None for name in "abc"}
    assert feed.ticks(8, gone) == []


def test_one_metric_of_a_service_that_still_speaks_is_worth_no_page() -> None:
    feed = Feed("a", "b", metrics=("latency_p99", "request_rate"))
    assert [one.severity for one in feed.ticks(8, {("a", "latency_p99"): None})] == [Severity.LOW]


def test_late_and_repeated_points_are_not_judged_again() -> None:
    feed = Feed("checkout")
    late = point("checkout", "latency_p99", (START + MINUTE, 90.0), (START + 2 * MINUTE, 95.0))
    before = feed.tick({}).points
    tick = feed.watch.feed([late], query="q", learning=False)
    assert (before, tick.points, tick.new) == (1, 0, [])


def test_a_clock_that_is_ahead_does_not_silence_what_comes_after() -> None:
    feed = Feed("checkout")
    ahead = point("checkout", "latency_p99", (START + timedelta(days=300), 0.2))
    assert feed.watch.feed([ahead], query="q", learning=False, until=(START + LEARNED * MINUTE).timestamp()).points == 0
    assert [one.kind for one in feed.ticks(3, {("checkout", "latency_p99"): 9.0})] == ["high"]


@pytest.mark.parametrize("value", [0.0, -5.0, 7.0])
def test_a_series_that_never_moves_is_quiet(value: float) -> None:
    watch = Watch(SWEEP)
    for number in range(LEARNED + 50):
        flat = point("flat", "latency_p99", (START + MINUTE * number, value))
        assert watch.feed([flat], query="q", learning=number < LEARNED).new == []


def test_one_point_and_runs_without_values_say_nothing() -> None:
    feed = Feed("checkout")
    single = point("new", "latency_p99", (START + MINUTE * LEARNED, 5.0))
    empty = point("empty", "latency_p99", *((START + MINUTE * (LEARNED - 9 + n), None) for n in range(10)))
    assert feed.tick({}, extra=(single, empty)).new == []
    assert feed.tick({}).learning >= 1


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300, -5.0, float("inf"), float("nan")])
def test_absurd_values_are_survived_and_normal_ones_judged_after(value: float) -> None:
    feed = Feed("checkout", "payment")
    told = feed.ticks(3, {("checkout", "latency_p99"): value})
    assert len(told) <= 1
    assert all(np.isfinite(bound).all() for bound in feed.watch.detector.bounds())
    assert [one.service for one in feed.ticks(2, {("payment", "latency_p99"): 9.0})] == ["payment"]


def test_a_clock_change_keeps_quiet_hours_where_people_see_them() -> None:
    """Berlin, 29 March 2026: 02:00 becomes 03:00; quiet ends at 07:00 on the wall, an hour earlier in UTC."""
    hours = QuietHours.model_validate({"from": "22:00", "to": "07:00", "time_zone": "Europe/Berlin"})
    assert hours.covers(datetime(2026, 3, 28, 5, 30, tzinfo=UTC))
    assert not hours.covers(datetime(2026, 3, 29, 5, 30, tzinfo=UTC))
    assert hours.covers(datetime(2026, 3, 29, 4, 59, tzinfo=UTC))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'inquest.db'}", create=True)
    yield store
    await store.close()


SOURCE = Source(
    name="double/main",
    type="double",
    environment="production",
    tools=tuple(DoubleConnector(name="double/main", behaviour=Behaviour()).tools()),
)


async def test_a_wrong_query_names_file_line_and_what_the_backend_said(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sweeps.yaml"
    path.write_text(FILE)
    [sweep] = load_sweeps(path, {}, [SOURCE])
    desk = Desk(store, Hands(), sweep)
    desk.behaviour.errors = [Rejected("parse error at char 7: unexpected identifier")]
    outcome = await desk.sweeps.run(sweep)
    assert outcome.outcome in ("refused", "failed")
    assert "sweeps.yaml:6: " in outcome.reason
    assert "parse error at char 7" in outcome.reason
    assert desk.anomalies.recent() == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("quiet_hours: {from: '25:00', to: '07:00'}\n", "sweeps.yaml:1: quiet_hours.from"),
        ("quiet_hours: {from: '22:00', to: '07:00', time_zone: Mars/Base}\n", "no such time zone"),
        ("channel: C1\nmaintenance:\n  - from: 2026-03-01\n", "sweeps.yaml:3: maintenance.0"),
        ("sweeps:\n  a: {source: double/main, tool: read_rows, place: x}\n", "unknown key"),
    ],
)
def test_wrong_keys_are_told_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "sweeps.yaml"
    path.write_text(text)
    with pytest.raises(InvalidConfiguration, match=told):
        load_watching(path, {}, [SOURCE])


def test_maintenance_and_quiet_hours_say_why(tmp_path: Path) -> None:
    path = tmp_path / "sweeps.yaml"
    path.write_text(
        "defaults: false\nquiet_hours: {from: '22:00', to: '07:00'}\n"
        "maintenance:\n  - {from: 2026-03-01T12:00:00Z, to: 2026-03-01T14:00:00Z, services: [search]}\n"
    )
    watching = load_watching(path, {}, [])
    night, noon = START.replace(hour=23), START + 60 * MINUTE
    assert watching.quiet([signal("checkout")], Severity.MEDIUM, night) == "quiet hours"
    assert watching.quiet([signal("checkout")], Severity.HIGH, night) == ""
    assert watching.quiet([signal("search")], Severity.CRITICAL, noon) == "maintenance"
    assert watching.quiet([signal("search"), signal("cart")], Severity.HIGH, noon) == ""
