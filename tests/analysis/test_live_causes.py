"""Each cause a live investigation must reach, with decoys beside it, and the ways of not knowing."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from bot.analysis import correlate, hypothesis_key
from bot.domain.evidence import FindingKind, Gap, GapReason
from bot.domain.question import Ranking
from bot.domain.states import Verdict
from connectors.model import Item, LogGroup
from tests.analysis.building import NOW, ONSET, Shop, add, lock, pod, step

POOL_ERRORS = LogGroup(
    template="connection pool exhausted after <*> ms",
    service="pay",
    level="error",
    count=80,
    baseline_count=0,
    first=ONSET,
)
FULL = Item(
    api_kind="Connections",
    name="pay_db",
    fields={"used": 46, "limit": 50, "ratio": 0.92, "by_application": {"pay": 44}},
)


def before(minutes: float) -> datetime:
    return ONSET - timedelta(minutes=minutes)


def best(ranking: Ranking) -> str:
    return hypothesis_key(ranking.hypotheses[0])


def bad_release() -> Shop:
    shop = Shop().slow("pay", 2.0).failing("pay", 0.1).change("pay", before(2)).change("stock", before(20))
    return shop.items("postgresql/pay", "get_connections", FULL)


def test_a_release_that_fills_the_pool_is_blamed_and_not_the_full_database() -> None:
    ranking = correlate(bad_release().logs(POOL_ERRORS).case("order"), now=NOW)
    assert ranking.verdict is Verdict.SUPPORTED
    assert best(ranking) == "app/pay bad_deployment"
    assert ranking.hypotheses[0].confidence >= 0.8
    kinds = {f.kind for f in ranking.hypotheses[0].supporting}
    assert {FindingKind.CHANGE_BEFORE_ONSET, FindingKind.CONNECTIONS_AT_LIMIT, FindingKind.LOG_TEMPLATE_NEW} <= kinds
    assert ranking.onset is not None
    assert abs((ranking.onset - ONSET).total_seconds()) <= 60


def test_a_source_that_did_not_answer_lowers_what_may_be_claimed() -> None:
    gap = Gap(source="elasticsearch/main", reason=GapReason.TIMED_OUT, text="no answer in 10 s")
    full = correlate(bad_release().case("order"), now=NOW).hypotheses[0].confidence
    capped = correlate(bad_release().case("order", gaps=[gap]), now=NOW)
    assert best(capped) == "app/pay bad_deployment"
    assert capped.verdict is Verdict.SUPPORTED
    assert capped.hypotheses[0].confidence < full


def test_a_lock_chain_is_found_at_the_database_with_its_root() -> None:
    shop = Shop().slow("pay", 3.0).failing("pay", 0.05).change("stock", before(20))
    ranking = correlate(shop.items("postgresql/pay", "list_locks", lock(1), lock(2), lock(3)).case("order"), now=NOW)
    assert best(ranking) == "database/pay_db database_lock_contention"
    chain = next(f for f in ranking.findings if f.kind is FindingKind.LOCK_CHAIN)
    assert chain.data["blocking_pid"] == 90
    assert chain.data["waiting"] == 3
    assert "session 90 blocks them" in chain.statement


def test_memory_that_climbs_until_the_kill_is_a_leak() -> None:
    killed = pod("stock", 1, last_reason="OOMKilled", last_finished_at=ONSET.isoformat(), restarts=3)
    shop = Shop().failing("stock", 0.2).change("cart", before(20)).items("kubernetes/main", "list_pods", killed)
    leak = shop.bend("stock", "memory_ratio", lambda v: v + np.linspace(0, 0.58, v.size)).case("order")
    assert best(correlate(leak, now=NOW)) == "app/stock memory_leak"


def test_kills_without_growth_are_a_limit_too_low() -> None:
    killed = pod("stock", 1, last_reason="OOMKilled", last_finished_at=ONSET.isoformat(), restarts=3)
    case = Shop().failing("stock", 0.2).items("kubernetes/main", "list_pods", killed).case("order")
    assert best(correlate(case, now=NOW)) == "app/stock oom_killed"


def test_a_callee_without_processor_time_explains_its_slow_callers() -> None:
    case = Shop().slow("stock", 0.9).bend("stock", "cpu_ratio", add(0.66)).change("cart", before(20)).case("order")
    assert best(correlate(case, now=NOW)) == "app/stock cpu_saturation"


def test_a_slow_callee_without_further_signs_is_named_as_such() -> None:
    ranking = correlate(Shop().slow("stock", 0.9).change("cart", before(20)).case("order"), now=NOW)
    assert best(ranking) == "app/stock dependency_slow"


def test_more_users_are_blamed_before_the_service_they_saturate() -> None:
    shop = Shop().slow("order", 1.5).bend("order", "cpu_ratio", add(0.68)).change("cart", before(20))
    for service in ("shop", "order", "cart", "pay", "stock"):
        shop.bend(service, "request_rate", step(4.0))
    assert best(correlate(shop.case("shop"), now=NOW)) == "app/shop traffic_surge"


def test_a_wrong_address_is_blamed_on_the_caller_whose_setting_changed() -> None:
    shop = Shop().failing("order", 0.3).edge("order", "stock", "call_error_ratio", add(0.9)).change("cart", before(20))
    case = shop.change("order", before(1), "config", "STOCK_URL changed").case("order")
    assert best(correlate(case, now=NOW)) == "app/order config_change"


def test_an_exception_in_its_own_code_without_a_release() -> None:
    line = LogGroup(
        template="java.lang.NullPointerException in <*>", service="stock", level="error", count=90, baseline_count=0
    )
    ranking = correlate(Shop().failing("stock", 0.2).logs(line).case("order"), now=NOW)
    assert best(ranking) == "app/stock code_exception"


def test_calls_that_lose_time_on_the_way_are_a_network_delay() -> None:
    shop = Shop().edge("order", "pay", "call_latency_p99", add(1.5))
    for service in ("order", "shop"):
        shop.bend(service, "latency_p99", add(1.5))
    assert best(correlate(shop.case("order"), now=NOW)) == "app/pay network_delay"


def test_calm_signals_and_a_harmless_release_are_healthy() -> None:
    shop = Shop().change("cart", before(20)).bend("stock", "cpu_ratio", add(0.15, before(40), before(38)))
    ranking = correlate(shop.case("order"), now=NOW)
    assert ranking.verdict is Verdict.NO_FAULT_FOUND
    assert ranking.hypotheses[0].cause == "no_fault_found"


def test_no_data_is_not_health() -> None:
    ranking = correlate(Shop().hide("prometheus/main").change("cart", before(20)).case("order"), now=NOW)
    assert ranking.verdict is Verdict.INCONCLUSIVE
    assert not ranking.hypotheses


def test_a_blip_that_went_away_before_the_window_is_no_onset() -> None:
    shop = Shop().bend("order", "latency_p99", add(1.0, before(35), before(33)))
    assert correlate(shop.case("order"), now=NOW).verdict is Verdict.NO_FAULT_FOUND


def test_a_release_after_the_onset_or_off_the_path_is_not_blamed() -> None:
    late = Shop().slow("pay", 2.0).change("pay", ONSET + timedelta(minutes=4)).case("order")
    assert best(correlate(late, now=NOW)) == "app/pay dependency_slow"
    aside = Shop().slow("pay", 2.0).change("cart", before(2)).case("order")
    assert best(correlate(aside, now=NOW)) == "app/pay dependency_slow"


def test_pinned_and_ruled_out_reorder_without_touching_confidence() -> None:
    plain = correlate(bad_release().case("order"), now=NOW)
    first, second = plain.hypotheses[:2]
    pinned = correlate(bad_release().case("order", pinned=[hypothesis_key(second)]), now=NOW)
    assert best(pinned) == hypothesis_key(second)
    assert pinned.hypotheses[0].pinned
    ruled_out = correlate(bad_release().case("order", ruled_out=[hypothesis_key(first)]), now=NOW)
    assert hypothesis_key(ruled_out.hypotheses[-1]) == hypothesis_key(first)
    assert ruled_out.hypotheses[-1].confidence == first.confidence


def test_the_same_case_gives_the_same_ranking_and_every_finding_cites() -> None:
    one = correlate(bad_release().logs(POOL_ERRORS).case("order"), now=NOW)
    other = correlate(bad_release().logs(POOL_ERRORS).case("order"), now=NOW)
    assert one == other
    assert all(f.evidence for f in one.findings)
    assert len({f.id for f in one.findings}) == len(one.findings)
