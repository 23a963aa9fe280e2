"""What Prometheus tells of the shop: the fault is in the numbers, at the right service and minute."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from connectors.base import Ask
from connectors.errors import Rejected
from connectors.model import Limits, Objects, Rows, Series, SeriesSet, SystemClock, TimeWindow, ToolCall, ToolResult
from connectors.prometheus.api import PrometheusApi
from connectors.prometheus.config import PrometheusConfig
from connectors.prometheus.connector import PrometheusConnector
from connectors.testing import Fault, FaultServer
from tests.connectors import history
from tests.connectors.test_prometheus_contract import WINDOW, call, make
from tests.support.servers import PrometheusServer

pytestmark = pytest.mark.servers
LIMITS = Limits(deadline_s=10)


async def ask(connector: PrometheusConnector, wish: ToolCall, limits: Limits = LIMITS) -> ToolResult:
    try:
        return await connector.call(wish, limits)
    finally:
        await connector.close()


async def signals(server: PrometheusServer, wish: ToolCall) -> dict[tuple[str, str | None], Series]:
    result = await ask(make(server.url), wish)
    assert isinstance(result.payload, SeriesSet)
    return {(s.metric, s.service): s for s in result.payload.series}


async def answered(server: PrometheusServer, wish: ToolCall) -> ToolResult:
    """The first answer that holds something: rules and targets begin a few seconds after the server is ready."""
    async with asyncio.timeout(20):
        while (result := await ask(make(server.url), wish)).is_empty:
            await asyncio.sleep(0.1)
    return result


def means(series: Series) -> tuple[float, float]:
    """Mean before the fault and after it has settled."""
    before = [v for at, v in series.points if v is not None and at < history.FAULT]
    after = [v for at, v in series.points if v is not None and at > history.FAULT + timedelta(minutes=3)]
    return sum(before) / len(before), sum(after) / len(after)


async def test_the_fault_is_measured_where_it_is(prometheus: PrometheusServer) -> None:
    found = await signals(prometheus, call("get_service_signals"))
    expected = {
        "request_rate": (20, 20),
        "error_rate": (0, 5),
        "error_ratio": (0, 0.25),
        "latency_p99": (0.0495, 0.99),
        "latency_mean": (0.03, 0.415),
        "memory_ratio": (0.5, 0.9),
        "cpu_ratio": (0.4, 0.4),
        "pool_ratio": (0.2, 1.0),
        "replicas_available": (1, 1),
        "up": (1, 1),
    }
    for metric, values in expected.items():
        assert means(found[metric, "payment-service"]) == pytest.approx(values, rel=0.02, abs=1e-9), metric
    assert means(found["connections_ratio", "payment-db"]) == pytest.approx((0.3, 1.0))


async def test_what_never_failed_is_zero_not_unknown(prometheus: PrometheusServer) -> None:
    found = await signals(prometheus, call("get_service_signals"))
    for metric in ("error_rate", "error_ratio"):
        values = {value for _, value in found[metric, "catalog"].points}
        assert values == {0.0}


async def test_the_baseline_is_fetched_and_told(prometheus: PrometheusServer) -> None:
    result = await ask(make(prometheus.url), call("get_service_signals", baseline_minutes=45))
    assert result.source.window == TimeWindow(start=WINDOW.start - timedelta(minutes=45), end=WINDOW.end)
    assert isinstance(result.payload, SeriesSet)
    steps = {series.step_s for series in result.payload.series}
    assert len(steps) == 1
    assert all(WINDOW.start - timedelta(minutes=45) <= s.points[0][0] for s in result.payload.series)
    assert all(s.points[-1][0] < WINDOW.end for s in result.payload.series)


async def test_named_services_only(prometheus: PrometheusServer) -> None:
    found = await signals(prometheus, call("get_service_signals", services=["catalog"]))
    assert {service for metric, service in found if not metric.startswith("connections")} == {"catalog"}


async def test_edges_between_services(prometheus: PrometheusServer) -> None:
    for services in ([], ["checkout-api"], ["payment-service"]):
        result = await ask(make(prometheus.url), call("get_dependency_signals", services=services))
        assert isinstance(result.payload, SeriesSet)
        edges = {s.metric: s for s in result.payload.series}
        assert edges["call_rate"].labels == {"caller": "checkout-api", "callee": "payment-service"}
        assert means(edges["call_error_ratio"]) == pytest.approx((0, 0.5), abs=0.01)


async def test_few_requests_answer_for_all_services(prometheus: PrometheusServer) -> None:
    connector = make(prometheus.url)
    await connector.call(call("get_service_signals"), LIMITS)
    again = await ask(connector, call("get_service_signals"))
    assert again.stats.api_calls <= 24  # one a metric, whatever the number of services


async def test_gaps_are_none(prometheus: PrometheusServer) -> None:
    late = TimeWindow(start=history.END - timedelta(minutes=10), end=history.END + timedelta(minutes=20))
    wish = ToolCall(
        connector="prometheus/main", tool="query_range", arguments={"promql": "up", "step_s": 60}, window=late
    )
    result = await ask(make(prometheus.url), wish)
    assert isinstance(result.payload, SeriesSet)
    points = result.payload.series[0].points
    assert len(points) == 30
    assert points[0][1] == 1.0
    assert points[-1][1] is None


@pytest.mark.parametrize("promql", ["0/0 * sum(up)", "1/0 * sum(up)", "-1/0 * sum(up)"])
async def test_nan_and_infinity_are_unknown(prometheus: PrometheusServer, promql: str) -> None:
    result = await ask(make(prometheus.url), call("query_range", promql=promql, step_s=60))
    assert isinstance(result.payload, SeriesSet)
    assert {value for _, value in result.payload.series[0].points} == {None}
    result = await ask(make(prometheus.url), call("query_instant", promql=promql))
    assert isinstance(result.payload, Rows)
    assert result.payload.rows[0][-1] is None


async def test_a_step_that_asks_too_many_points_is_raised_and_said(prometheus: PrometheusServer) -> None:
    long = TimeWindow(start=history.END - timedelta(hours=12), end=history.END)
    wish = ToolCall(
        connector="prometheus/main", tool="query_range", arguments={"promql": "up", "step_s": 1}, window=long
    )
    result = await ask(make(prometheus.url), wish, Limits(max_points=50_000))
    assert result.truncated is not None
    assert "step raised from 1 s to 5 s" in result.truncated


@pytest.mark.parametrize(
    "promql", ["rate(up", "rate(up)", '{__name__=~".+"}', "up offset 5x", "absent(", 'up{job=~".+"}[5m]']
)
async def test_bad_promql_is_rejected_with_a_sentence(prometheus: PrometheusServer, promql: str) -> None:
    connector = make(prometheus.url)
    with pytest.raises(Rejected, match=r"\w+ .+\.$"):
        await ask(connector, call("query_range", promql=promql))


async def test_too_long_a_span_is_rejected(prometheus: PrometheusServer) -> None:
    wide = TimeWindow(start=history.END - timedelta(days=40), end=history.END)
    wish = ToolCall(connector="prometheus/main", tool="get_service_signals", window=wide)
    with pytest.raises(Rejected, match="31 days"):
        await ask(make(prometheus.url), wish)


async def test_alerts_rules_and_targets(prometheus: PrometheusServer) -> None:
    now = ToolCall(connector="prometheus/main", tool="list_alerts")
    alerts = await answered(prometheus, now)
    assert isinstance(alerts.payload, Objects)
    firing = alerts.payload.items[0]
    assert (firing.name, firing.fields["state"], firing.fields["service"]) == (
        "PaymentErrors", "firing", "payment-service",
    )  # fmt: skip
    assert firing.fields["summary"] == "Payments fail"
    rules = await ask(make(prometheus.url), call("list_rules"))
    assert isinstance(rules.payload, Objects)
    assert {item.name for item in rules.payload.items} == {"PaymentErrors", "shop:nothing"}
    targets = await answered(prometheus, call("list_targets"))
    assert isinstance(targets.payload, Objects)
    assert targets.payload.items[0].fields["up"] is False


async def test_links_open_the_graph_or_grafana(prometheus: PrometheusServer) -> None:
    result = await ask(make(prometheus.url), call("query_range", promql="sum(up)"))
    assert result.source.url is not None
    assert result.source.url.startswith(f"{prometheus.url}/graph?g0.expr=sum%28up")
    connector = make(prometheus.url, grafana_url="https://grafana.example/x", grafana_datasource="abc")
    result = await ask(connector, call("query_range", promql="sum(up)"))
    assert result.source.url is not None
    assert result.source.url.startswith("https://grafana.example/x/explore?schemaVersion=1&panes=%7B")


async def test_search_finds_metrics_by_words(prometheus: PrometheusServer) -> None:
    for words in ("connections limit pg", ["connections", "pg"]):
        result = await ask(make(prometheus.url), call("search_metrics", words=words))
        assert isinstance(result.payload, Rows)
        assert result.payload.rows[0][0] == "pg_settings_max_connections"


async def test_a_tenant_is_sent() -> None:
    async with FaultServer(Fault("reply", 400, echo=True)) as server:
        connector = make(f"http://{server.host}:{server.port}", tenant="acme-team")
        with pytest.raises(Rejected, match=r"x-scope-orgid: \[secret\]"):
            await ask(connector, call("query_instant", promql="up"))


async def test_a_source_that_is_allowed_more_points_may_answer_so_many() -> None:
    points = b",".join(b'[%d,"1"]' % at for at in range(250_000))
    body = b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[' + points + b"]}]}}"
    async with FaultServer(Fault("reply", body=body)) as server:
        api = PrometheusApi(PrometheusConfig(url=f"http://{server.host}:{server.port}"), name="prometheus/main")
        await api.open()
        few = Limits(max_bytes=10_000_000)
        with pytest.raises(Rejected, match="Ask for a shorter span or fewer things"):
            await api.range("up", WINDOW, 15.0, Ask(WINDOW, few, SystemClock()))
        many = few.model_copy(update={"max_points": 300_000})
        answered = await api.range("up", WINDOW, 15.0, Ask(WINDOW, many, SystemClock()))
        assert len(answered.lines[0].points) == 250_000
        await api.close()
