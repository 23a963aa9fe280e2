"""The script of a world comes from its seed, and from nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.demo.world.cluster import Cluster
from bot.demo.world.journal import Journal
from bot.demo.world.plan import SCENARIOS, make_plan
from bot.demo.world.prometheus_store import SeriesStore
from bot.demo.world.story import Story
from tests.demo_world.conftest import NOW

INCIDENTS = [name for name in SCENARIOS if name != "healthy"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_seed_gives_the_same_script(scenario: str) -> None:
    assert make_plan(scenario, 7, NOW) == make_plan(scenario, 7, NOW)
    assert make_plan(scenario, 7, NOW) != make_plan(scenario, 8, NOW)


@pytest.mark.parametrize("scenario", INCIDENTS)
@pytest.mark.parametrize("seed", range(10))
def test_an_incident_begins_six_to_twelve_minutes_ago(scenario: str, seed: int) -> None:
    truth = make_plan(scenario, seed, NOW).truth
    assert truth.onset is not None
    assert timedelta(minutes=6) <= NOW - truth.onset <= timedelta(minutes=12)
    assert truth.component
    assert truth.cause not in {"", "no_fault_found"}


@pytest.mark.parametrize("seed", range(10))
def test_a_healthy_world_has_decoys_and_no_onset(seed: int) -> None:
    plan = make_plan("healthy", seed, NOW)
    assert (plan.truth.onset, plan.truth.component, plan.truth.cause) == (None, None, "no_fault_found")
    assert len(plan.truth.decoys) == 2
    assert not Story(plan, Cluster(plan)).level.any()


@pytest.mark.parametrize("scenario", INCIDENTS)
@pytest.mark.parametrize("seed", range(10))
def test_decoys_touch_nothing_that_is_guilty(scenario: str, seed: int) -> None:
    plan = make_plan(scenario, seed, NOW)
    innocent = {release.service for release in plan.releases if release is not plan.bad_release}
    assert innocent
    assert not (innocent | {plan.blip.service}) & {plan.target, plan.dependency}


def test_seeds_differ_in_service_onset_and_versions() -> None:
    plans = [make_plan("memory_leak", seed, NOW) for seed in range(20)]
    assert len({plan.target for plan in plans}) >= 3
    assert len({plan.onset for plan in plans}) >= 15
    assert len({plan.versions["frontend"] for plan in plans}) >= 15


def test_an_unknown_scenario_and_a_naive_time_are_refused() -> None:
    with pytest.raises(ValueError, match="known: bad_deployment"):
        make_plan("earthquake", 1, NOW)
    with pytest.raises(ValueError, match="aware"):
        make_plan("healthy", 1, datetime(2026, 1, 1))


def _everything(seed: int) -> tuple[object, ...]:
    plan = make_plan("bad_deployment", seed, NOW)
    cluster = Cluster(plan)
    story = Story(plan, cluster)
    store = SeriesStore(story, NOW.timestamp)
    rows = store.select([("__name__", "=", "http_requests_total")])
    logs = Journal(story, cluster).until(NOW.timestamp())
    pods = [pod.name for workload in cluster.workloads.values() for pod in workload.pods]
    return pods, [(dict(r.labels), r.values.tolist()) for r in rows], [(d.at, d.fields) for d in logs]


def test_pods_series_and_logs_are_the_same_for_the_same_seed() -> None:
    first, second, other = _everything(3), _everything(3), _everything(4)
    assert first == second
    assert first[0] != other[0]
    assert first[2] != other[2]
