"""Evidence that is broken, huge or contradictory still gives an honest ranking."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from bot.analysis import correlate
from bot.domain.question import Service, Setting
from bot.domain.states import Verdict
from connectors.model import Edge, Item, Objects, Rows, SeriesSet, Text, TimeWindow, Traces
from tests.analysis.building import NOW, ONSET, WINDOW, Shop, add, evidence, lock, series


def test_no_evidence_at_all_is_inconclusive() -> None:
    ranking = correlate(Shop().hide("prometheus/main").case(), now=NOW)
    assert ranking.verdict is Verdict.INCONCLUSIVE
    assert ranking.hypotheses == ()
    assert ranking.summary


@pytest.mark.parametrize("values", [[1.0], [float("nan")] * 50, [3.0] * 50, [0.0, 1.0]])
def test_poor_series_are_survived(values: list[float]) -> None:
    poor = SeriesSet(series=(series(values, "latency_p99", "order"), series(values, "odd_metric", None)))
    ranking = correlate(Shop().hide("prometheus/main").put("prometheus/b", "query_range", poor).case("order"), now=NOW)
    assert ranking.verdict in {Verdict.INCONCLUSIVE, Verdict.NO_FAULT_FOUND}


def test_objects_without_their_fields_are_survived() -> None:
    kinds = ("Pod", "Deployment", "Node", "Lock", "Connections", "Statement", "Replica", "Alert", "Target", "Unheard")
    bare = Objects(items=tuple(Item(api_kind=kind, name="x") for kind in kinds))
    strange = Objects(items=(Item(api_kind="Pod", name="x", fields={"containers": "none", "service": 7}),))
    case = Shop().put("kubernetes/main", "list_pods", bare).put("kubernetes/main", "list_all", strange).case("order")
    assert correlate(case, now=NOW).findings is not None


def test_a_ring_of_calls_ends() -> None:
    case = Shop().slow("pay", 2.0).case("order")
    ring = Setting(services=(Service(name="pay", depends_on=("order",)), Service(name="order", depends_on=("pay",))))
    ranking = correlate(case.model_copy(update={"setting": ring}), now=NOW)
    assert ranking.hypotheses


def test_two_faults_at_once_are_both_ranked() -> None:
    shop = Shop().slow("pay", 3.0).items("postgresql/pay", "list_locks", lock(1), lock(2)).failing("stock", 0.3)
    names = {h.component for h in correlate(shop.case("shop"), now=NOW).hypotheses[:4]}
    assert {"database/pay_db", "app/stock"} <= names


def test_an_onset_before_the_window_is_still_explained() -> None:
    late = TimeWindow(start=ONSET + timedelta(minutes=4), end=NOW)
    ranking = correlate(
        Shop().slow("stock", 0.9).bend("stock", "cpu_ratio", add(0.66)).case("order", window=late), now=NOW
    )
    assert ranking.hypotheses[0].component == "app/stock"


def test_traces_against_their_baseline_show_a_gap() -> None:
    before = TimeWindow(start=WINDOW.start - WINDOW.duration, end=WINDOW.start)
    usual = Traces(edges=(Edge(caller="order", callee="pay", count=90, p95_ms=40, gap_ms=2),))
    now = Traces(edges=(Edge(caller="order", callee="pay", count=80, errors=20, p95_ms=900, gap_ms=850),))
    case = Shop().bend("order", "latency_p99", add(0.9)).bend("shop", "latency_p99", add(0.9)).case("order")
    kept = (evidence("ev_b", "tempo/main", "edges", usual, before), evidence("ev_n", "tempo/main", "edges", now))
    ranking = correlate(case.model_copy(update={"evidence": (*case.evidence, *kept)}), now=NOW)
    kinds = {f.kind.value for f in ranking.findings if f.component == "app/pay"}
    assert {"span_gap_grew", "latency_rose", "error_rate_rose"} <= kinds


def test_free_text_and_rows_are_only_read_for_orders() -> None:
    case = Shop().put("x/y", "t", Text(text="all fine")).put("x/y", "r", Rows(columns=(), rows=())).case("order")
    assert correlate(case, now=NOW).verdict is Verdict.NO_FAULT_FOUND


def test_ten_thousand_services_give_the_same_answer() -> None:
    values = 0.1 * np.exp(0.05 * np.random.default_rng(1).standard_normal(40))
    names = [f"svc-{n}" for n in range(10_000)]
    many = SeriesSet(series=tuple(series(values, "latency_p99", name) for name in names))
    case = Shop().slow("stock", 0.9).put("prometheus/more", "get_service_signals", many).case("order")
    calls = tuple(Service(name=name, depends_on=(names[7 * n % 10_000],)) for n, name in enumerate(names))
    setting = case.setting.model_copy(update={"services": (*case.setting.services, *calls)})
    ranking = correlate(case.model_copy(update={"setting": setting}), now=NOW)
    assert ranking.hypotheses[0].component == "app/stock"
    assert len(ranking.hypotheses) <= 20
