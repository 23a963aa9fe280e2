"""The same cause whichever series is dated first, and no wrong one when a source gives nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.analysis import correlate, hypothesis_key
from bot.analysis.facts import lay_out
from bot.analysis.graph import build
from bot.analysis.logs import is_about_code, is_about_load, is_about_remote
from bot.domain.evidence import Gap, GapReason
from bot.domain.question import Ranking
from bot.domain.states import Verdict
from connectors.model import Item, LogGroup
from tests.analysis.building import NOW, ONSET, Shop, add, step

EVERY = ("shop", "order", "cart", "pay", "stock")
PROMETHEUS = Gap(source="prometheus/main", reason=GapReason.TIMED_OUT, text="no answer in 10 s")


def best(ranking: Ranking) -> str:
    return hypothesis_key(ranking.hypotheses[0])


def lines(service: str, template: str, *, level: str = "error", count: int = 300) -> LogGroup:
    return LogGroup(
        template=template,
        service=service,
        level=level,
        count=count,
        baseline_count=0,
        first=ONSET,
        examples=(template,),
    )


def surge(shift_s: float, *, skip: tuple[str, ...] = ()) -> Shop:
    """Four times the load fills the processor of `order`; the load is dated `shift_s` after the symptom."""
    shop = Shop().slow("order", 1.5).bend("order", "cpu_ratio", add(0.68))
    for service in (s for s in EVERY if s not in skip):
        shop.bend(service, "request_rate", step(4.0, ONSET + timedelta(seconds=shift_s)))
    return shop


@pytest.mark.parametrize("shift_s", [-60, -30, 0, 30, 60, 90, 120])
def test_a_surge_is_named_whichever_series_is_dated_first(shift_s: float) -> None:
    assert best(correlate(surge(shift_s).case("shop"), now=NOW)) == "app/shop traffic_surge"


def test_a_processor_that_grows_far_more_than_the_load_is_no_consequence_of_it() -> None:
    retries = Shop().slow("stock", 0.9).bend("stock", "cpu_ratio", add(0.66)).bend("stock", "request_rate", step(1.55))
    assert best(correlate(retries.case("order"), now=NOW)) == "app/stock cpu_saturation"


def test_a_load_that_only_callers_count_still_explains_a_full_processor() -> None:
    shop = Shop().slow("order", 1.5).bend("order", "cpu_ratio", add(0.68)).drop("request_rate")
    for caller, callee in (
        ("shop", "order"),
        ("shop", "cart"),
        ("order", "pay"),
        ("order", "stock"),
        ("cart", "stock"),
    ):
        shop.edge(caller, callee, "call_rate", step(4.0))
    assert best(correlate(shop.case("shop"), now=NOW)) == "app/shop traffic_surge"


def test_what_callers_log_leads_to_the_callee_when_nobody_measured_calls() -> None:
    shop = (
        Shop()
        .hide("prometheus/main")
        .logs(
            lines("order", "call to pay failed: POST http://pay:8080/charges timed out after 5000 ms"),
            lines("pay", "unhandled ValueError in charge()"),
        )
    )
    graph = build(lay_out(shop.case("order", calls={}), now=NOW))
    assert graph.callees == {"order": ("pay",)}


def test_a_line_that_names_its_caller_makes_no_edge() -> None:
    shop = (
        Shop()
        .hide("prometheus/main")
        .logs(lines("pay", "request from order refused: unknown card"), lines("order", "order could not connect"))
    )
    assert not build(lay_out(shop.case("order", calls={}), now=NOW)).known


def test_addresses_in_the_environment_tell_who_calls_whom() -> None:
    env = [
        {"name": "PAY_URL", "value": "http://pay.prod.svc.cluster.local:8080/v1"},
        {"name": "MODE", "value": "order"},
    ]
    workload = Item(
        api_kind="Deployment",
        name="order",
        namespace="prod",
        fields={"service": "order", "template": {"containers": [{"name": "order", "env": env}]}},
    )
    pay = Item(api_kind="Deployment", name="pay", namespace="prod", fields={"service": "pay"})
    shop = Shop().hide("prometheus/main").items("kubernetes/main", "list_workloads", workload, pay)
    assert build(lay_out(shop.case("order", calls={}), now=NOW)).callees == {"order": ("pay",)}


def test_a_service_that_says_it_is_overloaded_is_not_blamed_while_its_load_is_unknown() -> None:
    shop = Shop().hide("prometheus/main").logs(lines("order", "too many requests in flight: 220, limit 200, refused"))
    ranking = correlate(shop.case("order", gaps=[PROMETHEUS]), now=NOW)
    assert ranking.verdict is Verdict.INCONCLUSIVE
    assert all(h.cause != "code_exception" or h.confidence < ranking.bar for h in ranking.hypotheses)


def test_lines_about_locks_are_no_fault_of_the_code_when_the_database_does_not_answer() -> None:
    gap = Gap(source="postgresql/pay", reason=GapReason.TIMED_OUT, text="no answer in 10 s")
    told = lines("pay", "canceling statement due to lock timeout while updating tuple in relation payments")
    shop = Shop().slow("pay", 3.0).failing("pay", 0.1).logs(told)
    ranking = correlate(shop.case("order", gaps=[gap]), now=NOW)
    assert not [h for h in ranking.hypotheses if h.cause == "code_exception" and h.confidence >= ranking.bar]


def test_a_few_failing_requests_do_not_make_a_calm_service_slow() -> None:
    shop = Shop().bend("order", "error_ratio", add(0.006, ONSET, ONSET + timedelta(seconds=90)))
    shop.change("cart", ONSET - timedelta(minutes=12))
    ranking = correlate(shop.case("order"), now=NOW)
    assert ranking.verdict is not Verdict.SUPPORTED


def test_a_read_that_failed_counts_although_its_source_gave_other_things() -> None:
    target = Item(api_kind="Target", name="shop/10.0.0.1", fields={"up": True, "job": "shop"})
    told = lines("pay", "java.lang.NullPointerException in charge")
    shop = Shop().drop().items("prometheus/main", "list_targets", target).logs(told)
    full = Shop().failing("pay", 0.2).logs(told).case("pay")
    part = correlate(shop.case("pay", gaps=[PROMETHEUS]), now=NOW).hypotheses[0].confidence
    assert part < correlate(full, now=NOW).hypotheses[0].confidence
    assert part <= 0.85


def payments(**env: str) -> tuple[Item, Item]:
    told = [{"name": name, "value": value} for name, value in env.items()]
    container = {"name": "pay", "env": told}
    fields = {"service": "pay", "desired": 1, "ready": 1, "updated": 1, "template": {"containers": [container]}}
    known = Item(
        api_kind="Service", name="stock", namespace="prod", fields={"service": "stock", "ports": [{"port": 80}]}
    )
    return Item(api_kind="Deployment", name="pay", namespace="prod", fields=fields), known


def address_doubted(shop: Shop) -> bool:
    ranking = correlate(shop.case("order"), now=NOW)
    return any(h.cause == "service_env_var_address_mismatch" for h in ranking.hypotheses)


def test_an_address_that_demonstrably_answers_is_not_doubted() -> None:
    connected = Item(
        api_kind="Connections", name="pay_db", fields={"used": 9, "limit": 50, "by_application": {"pay": 9}}
    )
    items = payments(DB_HOST="pay-db.prod.svc")
    quiet = Shop().items("kubernetes/main", "list_workloads", *items)
    assert not address_doubted(quiet)
    doubted = quiet.logs(lines("pay", "could not connect to pay-db.prod.svc: Connection refused"))
    assert address_doubted(doubted)
    assert not address_doubted(doubted.items("postgresql/pay", "get_connections", connected))
    other = Shop().items("kubernetes/main", "list_workloads", *payments(CACHE_HOST="pay-cache.prod.svc"))
    assert address_doubted(other.items("postgresql/pay", "get_connections", connected))


def test_no_finding_speaks_for_and_against_one_hypothesis() -> None:
    told = lines("pay", "unhandled ValueError in charge()")
    shop = Shop().slow("pay", 2.0).failing("pay", 0.1).change("pay", ONSET - timedelta(minutes=2)).logs(told)
    shop.bend("pay", "request_rate", step(1.7)).bend("pay", "cpu_ratio", add(0.6))
    ranking = correlate(shop.case("order"), now=NOW)
    assert any(h.against for h in ranking.hypotheses)
    for hypothesis in ranking.hypotheses:
        pro, con = ({f.statement for f in side} for side in (hypothesis.supporting, hypothesis.against))
        assert not pro & con


@pytest.mark.parametrize(
    "text",
    [
        "java.lang.IllegalStateException: No instances available for stock",
        "503 no healthy upstream",
        "com.alibaba.dubbo.rpc.RpcException: No provider available for the service StockApi",
        "load balancer: no servers available",
    ],
)
def test_a_callee_that_cannot_be_found_is_no_fault_of_the_code(text: str) -> None:
    assert is_about_remote(text)
    assert not is_about_code(text)


@pytest.mark.parametrize("text", ["worker queue full, refused", "429 Too Many Requests", "RejectedExecutionException"])
def test_lines_about_too_much_to_do_are_known(text: str) -> None:
    assert is_about_load(text)
    assert not is_about_load("order accepted, 3 items in cart")
