"""One story: no two backends contradict each other, the past stays, and a cure shows everywhere."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
import yaml

from bot.demo.world import SCENARIOS, World
from bot.demo.world.cluster import Cluster
from bot.demo.world.journal import Journal
from bot.demo.world.metrics import Metrics
from bot.demo.world.plan import make_plan
from bot.demo.world.prometheus_store import SeriesStore
from bot.demo.world.promql import Evaluator, Vector
from bot.demo.world.story import Story
from bot.demo.world.topology import upstream
from tests.demo_world.conftest import NOW, StartWorld

END = NOW.timestamp()
P99 = "histogram_quantile(0.99, sum by (service, le) (rate(http_request_duration_seconds_bucket[2m])))"
ERRORS = (
    'sum by (service) (rate(http_requests_total{status=~"5.."}[2m])) / sum by (service) (rate(http_requests_total[2m]))'
)


class Bare:
    """A world without its servers."""

    def __init__(self, scenario: str, seed: int) -> None:
        self.plan = make_plan(scenario, seed, NOW)
        self.cluster = Cluster(self.plan)
        self.story = Story(self.plan, self.cluster)
        self.now = END

    def ask(self, query: str, moment: float, label: str = "service") -> dict[str, float]:
        store = SeriesStore(self.story, lambda: self.now)
        value = Evaluator(store.select).evaluate(query, np.array([moment]))
        assert isinstance(value, Vector)
        return {s.labels.get(label, ""): float(s.values[0]) for s in value.samples if s.there[0]}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("seed", range(6))
def test_the_symptom_is_there_now_and_was_not_an_hour_ago(scenario: str, seed: int) -> None:
    world = Bare(scenario, seed)
    for query, factor, floor in ((P99, 1.8, 0.0), (ERRORS, 3.0, 0.02)):
        before, after = world.ask(query, END - 3600), world.ask(query, END - 5)
        risen = {s for s in before if after[s] > factor * before[s] and after[s] > floor}
        if scenario == "healthy":
            assert not risen
        expected = set(
            upstream(world.plan.dependency if scenario == "traffic_surge" else world.plan.target or "frontend")
        )
        assert risen <= expected


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "healthy"])
@pytest.mark.parametrize("seed", range(6))
def test_something_a_person_would_notice_has_risen(scenario: str, seed: int) -> None:
    world = Bare(scenario, seed)
    slow = [s for s, v in world.ask(P99, END - 5).items() if v > 1.8 * world.ask(P99, END - 3600)[s]]
    failing = [s for s, v in world.ask(ERRORS, END - 5).items() if v > 0.03]
    assert slow or failing


@pytest.mark.parametrize("seed", range(10))
def test_no_alert_fires_in_a_healthy_world(seed: int) -> None:
    from bot.demo.world.prometheus import PrometheusServer

    world = Bare("healthy", seed)
    store = SeriesStore(world.story, lambda: END)
    server = PrometheusServer(store, lambda: END)
    value = server.evaluator.evaluate('ALERTS{alertstate="firing"}', np.arange(END - 7200, END, 60.0))
    assert isinstance(value, Vector)
    assert not value.samples


@pytest.mark.parametrize("scenario", ["bad_deployment", "memory_leak", "config_change"])
def test_logs_and_metrics_count_the_same_failures(scenario: str) -> None:
    world = Bare(scenario, 2)
    target, onset = world.plan.target, world.plan.truth.onset
    assert onset is not None
    begin = onset.timestamp() + 120
    logs = Journal(world.story, world.cluster).until(END)
    written = sum(
        d.fields["log.level"] in {"ERROR"} and d.fields["service.name"] == target and begin < d.at <= END for d in logs
    )
    slots = (world.story.times > begin) & (world.story.times <= END)
    flow = world.story.flows[target]
    failing = float((flow.rate * flow.errors)[slots].sum() * 15)
    assert 0.5 * failing <= written <= 1.15 * failing


def test_restarts_agree_between_metrics_and_pods() -> None:
    world = Bare("memory_leak", 4)
    counted = world.ask("kube_pod_container_status_restarts_total > 0", END, label="pod")
    moment = world.story.times[world.story.index(END) - 1]
    pods = world.cluster.workloads[world.plan.target].pods
    expected = {pod.name: sum(r.back <= moment for r in pod.restarts) for pod in pods}
    assert counted == {name: count for name, count in expected.items() if count}


def test_no_line_comes_from_a_pod_that_was_not_there() -> None:
    world = Bare("bad_deployment", 5)
    lives = {p.name: (p.created, p.deleted) for w in world.cluster.workloads.values() for p in w.pods}
    for document in Journal(world.story, world.cluster).until(END):
        created, deleted = lives[document.fields["kubernetes.pod.name"]]
        assert created <= document.at <= deleted + 15


def test_the_past_stays_when_time_moves_and_when_a_patch_changes_the_future() -> None:
    world = Bare("bad_deployment", 6)
    seen = world.story.index(END) - 4
    metrics = Metrics(world.story)
    names = ("http_requests_total", "http_request_duration_seconds_bucket", "db_pool_in_use", "queue_depth")

    def values() -> dict[str, dict[str, list[str]]]:
        return {
            name: {str(sorted(s.labels.items())): [f"{v:.6g}" for v in s.values[:seen]] for s in metrics.series(name)}
            for name in names
        }

    before = copy.deepcopy(values())
    world.story.extend(END + 7200)
    assert values() == before
    workload = world.cluster.workloads["payment-service"]
    world.cluster.roll_out(workload, workload.revisions[0].template, END, "undo")
    world.story.recover(END + 5)
    after = values()
    for name in names:
        assert {key: after[name][key] for key in before[name]} == before[name]


@pytest.mark.parametrize("scenario", ["bad_deployment", "config_change", "memory_leak"])
def test_a_rollback_ends_the_trouble_in_metrics_and_logs(scenario: str) -> None:
    world = Bare(scenario, 3)
    workload = world.cluster.workloads[world.plan.target]
    good = workload.revisions[-2 if world.plan.bad_release else -1]
    template = copy.deepcopy(good.template)
    template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "now"
    world.cluster.roll_out(workload, template, END, "undo")
    world.story.recover(END + 5)
    world.now = END + 600
    world.story.extend(world.now)
    assert max(world.ask(ERRORS, END + 400).values()) < 0.02
    assert max(world.ask(P99, END + 400).values()) < 1
    logs = Journal(world.story, world.cluster).until(world.now)
    late = Counter(d.fields["service.name"] for d in logs if d.fields["log.level"] == "ERROR" and d.at > END + 60)
    assert late[world.plan.target] < 80


async def test_a_patch_over_the_wire_recovers_the_world(start_world: StartWorld) -> None:
    import httpx

    world = await start_world("traffic_surge")
    name = world.plan.dependency
    token = yaml.safe_load(world.endpoints.kubeconfig_path.read_text())["users"][0]["user"]["token"]
    replicas = 2 * world.cluster.workloads[name].replicas
    async with httpx.AsyncClient(base_url=world.endpoints.kubernetes_url, trust_env=False) as client:
        answer = await client.patch(
            f"/apis/apps/v1/namespaces/shop/deployments/{name}",
            json={"spec": {"replicas": replicas}},
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
        )
    assert answer.status_code == 200
    assert answer.json()["spec"]["replicas"] == replicas
    assert world.story.recovery is not None


async def test_the_configuration_names_every_backend(start_world: StartWorld) -> None:
    world = await start_world("healthy")
    loaded = yaml.safe_load(world.sources_yaml())
    sources = loaded["data_sources"]
    assert set(sources) == {"prometheus", "elasticsearch", "kubernetes"}
    assert sources["prometheus"]["url"] == world.endpoints.prometheus_url
    assert sources["elasticsearch"]["password"].startswith("${DEMO_ES_PASSWORD:-")
    assert loaded["squads"]["payment"]["services"] == ["checkout-api", "payment-service"]


async def test_a_world_that_was_not_started_says_so(tmp_path: object) -> None:
    from pathlib import Path

    world = World("healthy", 1, NOW, Path(str(tmp_path)))
    with pytest.raises(RuntimeError, match="not been started"):
        world.sources_yaml()
