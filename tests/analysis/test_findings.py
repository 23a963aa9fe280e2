"""Findings from each kind of evidence: what is said, what it cites, and what stays silent."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from bot.analysis import correlate
from bot.analysis.behaviour import log_origin
from bot.analysis.facts import lay_out
from bot.analysis.graph import Graph
from bot.analysis.logs import is_about_code, is_about_remote
from bot.domain.evidence import Finding, FindingKind, Gap, GapReason
from bot.domain.question import Service, Setting
from bot.domain.states import Verdict
from connectors.model import Change, Changes, Item, LogGroup, SeriesSet
from tests.analysis.building import NOW, ONSET, Shop, add, pod, series

_K = FindingKind


def findings(shop: Shop, kind: FindingKind, *asked: str) -> list[Finding]:
    ranking = correlate(shop.case(*(asked or ("order",))), now=NOW)
    return [f for f in ranking.findings if f.kind is kind]


def test_a_statement_shows_the_numbers_of_its_data() -> None:
    found = next(f for f in findings(Shop().slow("pay", 2.0), _K.LATENCY_ROSE) if f.component == "app/pay")
    before, after, times = (found.data[k] for k in ("before", "after", "times"))
    assert f"from {before:g} s to {after:g} s ({times:g}×)" in found.statement
    assert "at 14:02 UTC" in found.statement
    assert found.evidence == ("ev_signals",)


def test_ratios_are_shown_in_percent_and_kept_so() -> None:
    found = next(f for f in findings(Shop().failing("pay", 0.3), _K.ERROR_RATE_ROSE) if f.component == "app/pay")
    assert f"to {found.data['after_percent']:g} %" in found.statement


@pytest.mark.parametrize(
    ("count", "baseline", "level", "kind"),
    [
        (40, 0, "error", _K.LOG_TEMPLATE_NEW),
        (90, 10, "error", _K.LOG_TEMPLATE_ROSE),
        (0, 60, "info", _K.LOG_SILENT),
    ],
)
def test_log_groups_that_changed(count: int, baseline: int, level: str, kind: FindingKind) -> None:
    group = LogGroup(template="charge <*> declined", service="pay", level=level, count=count, baseline_count=baseline)
    found = findings(Shop().logs(group), kind)
    assert len(found) == 1
    assert found[0].component == "app/pay"


@pytest.mark.parametrize(("count", "baseline"), [(20, 18), (1, 0), (0, 2), (100, 80)])
def test_log_groups_that_did_not(count: int, baseline: int) -> None:
    group = LogGroup(template="charge <*> declined", service="pay", level="error", count=count, baseline_count=baseline)
    ranking = correlate(Shop().logs(group).case("order"), now=NOW)
    assert not [f for f in ranking.findings if f.kind in {_K.LOG_TEMPLATE_NEW, _K.LOG_TEMPLATE_ROSE, _K.LOG_SILENT}]


def test_complaints_about_others_are_told_from_own_failures() -> None:
    assert is_about_remote("connection refused by upstream")
    assert is_about_code("java.lang.IllegalStateException in handler")
    assert not is_about_code("TimeoutError: timed out waiting for connection")


def test_new_errors_are_blamed_on_the_lowest_that_logs_them() -> None:
    graph = Graph(callees={"a": ("b",), "b": ("c",)}, callers={"b": ("a",), "c": ("b",)})
    origin = log_origin({"a": 0.7, "b": 0.7, "c": 0.7}, graph)
    assert origin["c"] > 2 * origin["b"] > origin["a"]


def test_connections_at_the_limit_name_who_holds_them() -> None:
    full = Item(
        api_kind="Connections", name="pay_db", fields={"used": 95, "limit": 100, "by_application": {"pay": 80, "x": 15}}
    )
    found = findings(Shop().items("postgresql/pay", "get_connections", full), _K.CONNECTIONS_AT_LIMIT)[0]
    assert found.component == "database/pay_db"
    assert "95 of 100" in found.statement
    assert found.data["application"] == "pay"


def test_free_connections_say_nothing() -> None:
    free = Item(api_kind="Connections", name="pay_db", fields={"used": 20, "limit": 100})
    assert not findings(Shop().items("postgresql/pay", "get_connections", free), _K.CONNECTIONS_AT_LIMIT)


def test_slow_statements_lag_alerts_and_targets() -> None:
    shop = Shop().items(
        "postgresql/pay",
        "list",
        Item(api_kind="Statement", name="pay_db", fields={"query": "select 1", "mean_ms": 900, "baseline_mean_ms": 12}),
        Item(api_kind="Replica", name="replica-1", fields={"lag_s": 240}),
        Item(
            api_kind="Alert", name="HighLatency", fields={"state": "firing", "service": "order", "severity": "critical"}
        ),
        Item(api_kind="Target", name="t", fields={"up": False, "job": "stock", "instance": "10.0.0.4:80"}),
    )
    kinds = {f.kind for f in correlate(shop.case("order"), now=NOW).findings}
    assert {_K.SLOW_STATEMENT_ROSE, _K.REPLICATION_LAG_ROSE, _K.MONITOR_ALERTING, _K.SERIES_MISSING} <= kinds


def test_a_critical_alert_is_not_called_healthy() -> None:
    alert = Item(api_kind="Alert", name="Down", fields={"state": "firing", "service": "order", "severity": "critical"})
    ranking = correlate(Shop().items("prometheus/main", "list_alerts", alert).case("order"), now=NOW)
    assert ranking.verdict is Verdict.INCONCLUSIVE


def test_pods_nodes_and_rollouts() -> None:
    shop = Shop().items(
        "kubernetes/main",
        "list",
        pod("pay", 1, reason="CrashLoopBackOff", restarts=7),
        pod("cart", 1, reason="ImagePullBackOff", image="cart:9"),
        Item(api_kind="Deployment", name="stock", fields={"desired": 3, "updated": 1, "ready": 2, "service": "stock"}),
        Item(api_kind="Node", name="n1", fields={"ready": False, "pressures": ["DiskPressure"]}),
    )
    found = {(f.kind, f.component) for f in correlate(shop.case("order"), now=NOW).findings}
    assert (_K.CRASH_LOOPING, "app/pay") in found
    assert (_K.IMAGE_PULL_FAILED, "app/cart") in found
    assert (_K.ROLLOUT_IN_PROGRESS, "app/stock") in found
    assert {(_K.NODE_NOT_READY, "node/n1"), (_K.NODE_UNDER_PRESSURE, "node/n1")} <= found


def test_restarts_are_counted_from_a_cumulative_gauge() -> None:
    counts = np.concatenate((np.full(140, 4.0), np.full(20, 7.0)))
    shop = Shop().put("prometheus/k", "query_range", SeriesSet(series=(series(counts, "restarts", "pay"),)))
    assert findings(shop, _K.RESTARTED)[0].data["count"] == 3


def test_a_series_that_stops_is_missing_and_not_zero() -> None:
    values = np.full(160, 5.0)
    values[118:] = np.nan
    shop = Shop().put("prometheus/k", "query_range", SeriesSet(series=(series(values, "queue_depth", "pay"),)))
    assert findings(shop, _K.SERIES_MISSING)[0].component == "app/pay"


def test_the_same_change_told_twice_is_one() -> None:
    at = ONSET - timedelta(minutes=3)
    told = Change(at=at, service="pay", what="rollout", change="deployment", version="2.4.1")
    again = told.model_copy(update={"at": at + timedelta(seconds=40), "what": "release 2.4.1", "version": "v2.4.1"})
    other = told.model_copy(update={"service": "cart"})
    shop = (
        Shop()
        .put("kubernetes/main", "a", Changes(items=(told, other)))
        .put("elasticsearch/main", "b", Changes(items=(again,)))
    )
    assert len(lay_out(shop.case("order"), now=NOW).changes) == 2


@pytest.mark.parametrize("reason", [GapReason.EMPTY, GapReason.NOT_CONFIGURED])
def test_an_empty_answer_lowers_nothing(reason: GapReason) -> None:
    gap = Gap(source="elasticsearch/main", reason=reason, text="")
    shop = Shop().slow("stock", 0.9).bend("stock", "cpu_ratio", add(0.66))
    plain, gapped = (correlate(shop.case("order", gaps=g), now=NOW) for g in ((), (gap,)))
    assert plain.hypotheses[0].confidence == gapped.hypotheses[0].confidence


def test_edges_of_calls_alone_make_the_graph() -> None:
    shop = Shop().slow("stock", 0.9).edge("order", "stock", "call_latency_p99", add(0.9))
    case = shop.case("order").model_copy(update={"setting": Setting(services=(Service(name="order"),))})
    assert correlate(case, now=NOW).hypotheses[0].component == "app/stock"


def test_the_timeline_ascends_and_cites() -> None:
    shop = Shop().slow("pay", 2.0).change("pay", ONSET - timedelta(minutes=2))
    timeline = correlate(shop.case("order"), now=NOW).timeline
    assert [e.at for e in timeline] == sorted(e.at for e in timeline)
    assert all(e.evidence for e in timeline)
    assert "release 2.4.1" in timeline[0].text
