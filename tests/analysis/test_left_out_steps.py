"""Lines that a program no longer comes to, and sources that contradict each other."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from bot.analysis import correlate
from bot.analysis.facts import lay_out
from bot.analysis.log_steps import step_findings
from bot.domain.evidence import Finding, FindingKind
from connectors.model import LogGroup, SeriesSet
from tests.analysis.building import NOW, WINDOW, Shop, add, series

BEGAN = WINDOW.start + timedelta(seconds=20)


def line(template: str, count: int, usual: int, last: datetime = NOW, service: str = "pay") -> LogGroup:
    return LogGroup(
        template=template, service=service, level="info", count=count, baseline_count=usual, first=BEGAN, last=last
    )


def steps(*groups: LogGroup, shop: Shop | None = None) -> list[Finding]:
    return list(step_findings(lay_out((shop or Shop()).logs(*groups).case("pay"), now=NOW)))


def test_a_step_that_lags_behind_the_one_it_went_with() -> None:
    (found,) = steps(line("asked <*>", 94, 95), line("computed <*>", 47, 95))
    assert (found.kind, found.component) == (FindingKind.LOG_SILENT, "app/pay")
    assert "“computed <*>” came 47 times" in found.statement
    assert "95 and 95 before" in found.statement


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((94, 95), (90, 95)),  # both as ever
        ((40, 95), (38, 95)),  # both fell: fewer requests
        ((94, 95), (20, 40)),  # never a pair
        ((9, 10), (3, 10)),  # too few to tell
        ((39, 23), (28, 23)),  # chance
    ],
)
def test_pairs_that_tell_nothing(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert steps(line("asked <*>", *one), line("computed <*>", *other)) == []


def test_a_line_that_stops_while_its_service_goes_on() -> None:
    stopped = line("priced <*>", 60, 120, WINDOW.start + timedelta(minutes=10))
    (found,) = steps(stopped, line("asked <*>", 500, 480))
    assert found.onset == stopped.last
    assert "stopped at 14:02 UTC while others went on" in found.statement
    # A service that says nothing any more at all is a matter of traffic, and lines may be rare.
    assert steps(stopped) == []
    assert steps(line("priced <*>", 2, 4, stopped.last or NOW), line("asked <*>", 500, 480)) == []


def test_nobody_asks_for_what_stopped() -> None:
    stopped = line("priced <*>", 60, 120, WINDOW.start + timedelta(minutes=10))
    halves = {}
    for name, rate in (("went on", [2.0] * 160), ("stopped too", [2.0] * 136 + [0.0] * 24)):
        operation = SeriesSet(series=(series(rate, "operation_rate", "pay", {"operation": "GET /price"}),))
        shop = Shop().put("tempo/main", "get_span_signals", operation)
        halves[name] = steps(stopped, line("asked <*>", 500, 480), shop=shop)
    assert [f.weight > 0.5 for f in halves["went on"]] == [True]
    assert halves["stopped too"] == []


def contradiction(second: float | None) -> list[Finding]:
    """One source sees latency of pay rise by a second; the other stays, rises as well, or is silent."""
    dice = np.random.default_rng(4)
    values = 0.05 * np.exp(0.05 * dice.standard_normal(160))
    values[140:] += second or 0.0
    told = SeriesSet(series=(series(values, "latency_p99", "pay"),))
    shop = Shop().slow("pay", 1.0)
    shop = shop if second is None else shop.put("datadog/main", "get_service_signals", told)
    ranking = correlate(shop.case("order"), now=NOW)
    return [f for f in ranking.findings if f.kind is FindingKind.EVIDENCE_CONTRADICTS]


def test_two_sources_that_say_opposite_things_are_told() -> None:
    (found,) = contradiction(0.0)
    assert found.component == "app/pay"
    assert "while datadog/main measured" in found.statement
    assert len(found.evidence) == 2
    assert contradiction(1.0) == []
    assert contradiction(None) == []


def test_a_contradicted_symptom_is_claimed_with_less() -> None:
    dice = np.random.default_rng(4)
    calm = SeriesSet(series=(series(0.05 * np.exp(0.05 * dice.standard_normal(160)), "latency_p99", "pay"),))
    plain = correlate(Shop().slow("pay", 1.0).case("order"), now=NOW)
    doubted = correlate(Shop().slow("pay", 1.0).put("datadog/b", "get", calm).case("order"), now=NOW)
    assert plain.hypotheses[0].component == doubted.hypotheses[0].component == "app/pay"
    assert doubted.hypotheses[0].confidence < plain.hypotheses[0].confidence
    assert doubted.hypotheses[0].against


@pytest.mark.parametrize("skew_s", [-90, 90])
def test_a_clock_that_is_off_in_one_source_changes_no_cause(skew_s: int) -> None:
    shop = Shop().slow("stock", 0.9).bend("stock", "cpu_ratio", add(0.66))
    told = line("panic in stock: <*>", 80, 0, service="stock").model_copy(
        update={"level": "error", "first": NOW - timedelta(minutes=10) + timedelta(seconds=skew_s)}
    )
    ranking = correlate(shop.logs(told).case("order"), now=NOW)
    assert ranking.hypotheses[0].component == "app/stock"
