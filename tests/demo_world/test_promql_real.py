"""The evaluator against a real Prometheus that holds the same samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest

from bot.demo.world.cluster import Cluster
from bot.demo.world.plan import make_plan
from bot.demo.world.prometheus_store import SeriesStore
from bot.demo.world.promql import Evaluator, RawSeries, Scalar, Vector
from bot.demo.world.promql.evaluate import Matcher, matches
from bot.demo.world.story import Story
from tests.demo_world.conftest import NOW
from tests.support.servers import PrometheusServer, require

FAMILIES = (
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "container_memory_working_set_bytes",
    "container_spec_memory_limit_bytes",
    "kube_pod_container_status_restarts_total",
    "db_pool_in_use",
    "queue_depth",
)

QUERIES = (
    "queue_depth",
    "sum by (service) (rate(http_requests_total[2m]))",
    'sum by (pod) (rate(http_requests_total{status=~"5.."}[5m])) / sum by (pod) (rate(http_requests_total[5m]))',
    'sum by (route) (increase(http_requests_total{service="frontend",status!="200"}[10m] offset 5m))',
    "histogram_quantile(0.99, sum by (service, le) (rate(http_request_duration_seconds_bucket[2m])))",
    "histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))",
    "max by (container) (container_memory_working_set_bytes / container_spec_memory_limit_bytes)",
    "sum by (container) (increase(kube_pod_container_status_restarts_total[10m])) > 0",
    "deriv(queue_depth[10m])",
    "predict_linear(queue_depth[10m], 600)",
    "delta(queue_depth[7m])",
    "irate(http_requests_total{service='user-service',status='200'}[5m])",
    "changes(queue_depth[5m])",
    "resets(http_requests_total{service='user-service'}[30m])",
    "avg_over_time(queue_depth[5m])",
    "stddev_over_time(queue_depth[5m])",
    "quantile_over_time(0.9, queue_depth[13m])",
    "max_over_time(sum(rate(http_requests_total[1m]))[10m:30s])",
    "topk(2, sum by (service) (rate(http_requests_total[2m])))",
    "quantile(0.75, container_memory_working_set_bytes)",
    "stddev(container_memory_working_set_bytes)",
    "count by (service) (http_requests_total)",
    "sum without (pod, instance, route, method, status) (db_pool_in_use)",
    "clamp(queue_depth, 4, 7) * 2 - 1",
    "queue_depth > 5",
    "queue_depth > bool 5",
    "sum(db_pool_in_use) / scalar(queue_depth)",
    "sum by (service) (rate(http_requests_total[2m])) and on (service) db_pool_in_use",
    "count(up) or vector(0)",
    "absent(up)",
    'absent(up{job="x",zone=~"y"})',
    'label_replace(queue_depth, "short", "$1", "queue", "(...).*")',
    "sum by (service) (rate(http_requests_total[2m])) * on (service) group_left () count by (service) (db_pool_in_use)",
    "round(sum(rate(http_requests_total[2m])), 0.5)",
    "time() - timestamp(queue_depth)",
    "-queue_depth % 4",
)


@pytest.fixture(scope="module")
def samples() -> list[RawSeries]:
    """The samples of a leaking world, as a backfilled server sees them: without staleness markers."""
    plan = make_plan("memory_leak", 5, NOW)
    store = SeriesStore(Story(plan, Cluster(plan)), NOW.timestamp)
    found = [raw for name in FAMILIES for raw in store.select([("__name__", "=", name)])]
    return [RawSeries(raw.labels, raw.times, raw.values, _until_next(raw.times)) for raw in found]


def _until_next(times: Any) -> Any:
    return np.minimum(times + 300, np.append(times[1:], np.inf))


@pytest.fixture(scope="module")
def server(samples: list[RawSeries]) -> Iterator[PrometheusServer]:
    lines = []
    for name in FAMILIES:
        lines.append(f"# TYPE {name} unknown")
        for raw in (raw for raw in samples if raw.labels["__name__"] == name):
            labels = ",".join(f'{k}="{v}"' for k, v in raw.labels.items() if k != "__name__")
            lines.extend(
                f"{name}{{{labels}}} {v!r} {t}" for t, v in zip(raw.times.tolist(), raw.values.tolist(), strict=True)
            )
    text = "\n".join(lines)
    started = require(lambda: PrometheusServer(openmetrics=text))
    yield started
    started.stop()


def _ours(samples: list[RawSeries], query: str, times: Any) -> dict[str, list[tuple[float, float]]]:
    def select(matchers: Sequence[Matcher]) -> list[RawSeries]:
        return [raw for raw in samples if matches(raw.labels, matchers)]

    value = Evaluator(select).evaluate(query, times)
    assert isinstance(value, Vector | Scalar)
    if isinstance(value, Scalar):
        return {"": list(zip(times.tolist(), value.values.tolist(), strict=True))}
    return {
        _key(s.labels): list(zip(times[s.there].tolist(), s.values[s.there].tolist(), strict=True))
        for s in value.samples
        if s.there.any()
    }


def _key(labels: Any) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@pytest.mark.servers
@pytest.mark.parametrize("query", QUERIES)
def test_a_real_server_gives_the_same_answer(samples: list[RawSeries], server: PrometheusServer, query: str) -> None:
    end = NOW.timestamp() // 60 * 60
    times = np.arange(end - 3600, end + 1, 37.0)
    form = {"query": query, "start": times[0], "end": times[-1], "step": 37}
    answer = httpx.get(f"{server.url}/api/v1/query_range", params=form, trust_env=False)
    assert answer.status_code == 200, answer.text
    theirs = {
        _key(row["metric"]): [(float(t), float(v)) for t, v in row["values"]] for row in answer.json()["data"]["result"]
    }
    ours = _ours(samples, query, times)
    assert set(ours) == set(theirs)
    for key, points in theirs.items():
        assert [t for t, _ in ours[key]] == [t for t, _ in points]
        wrong = [(t, a, b) for (t, a), (_, b) in zip(ours[key], points, strict=True) if not _same(a, b)]
        assert not wrong, (key, wrong[:3])
