"""What Datadog's tools answer, computed from a stored organisation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.datadog import CONNECTOR
from connectors.datadog.config import SITES
from connectors.datadog.signals import operations
from connectors.errors import Throttled
from connectors.model import Changes, Limits, Logs, Objects, Rows, SeriesSet, ToolCall, Traces
from tests.connectors.datadog_data import ROLLOUT, organisation
from tests.connectors.log_lines import CLOCK, NOW, WINDOW
from tests.support.datadog_double import DatadogDouble


def make(server: DatadogDouble, **more: Any) -> Any:
    settings = {"url": server.url, "api_key": "key", "application_key": "app", "env": "production", **more}
    config = CONNECTOR.Config(**settings)
    return CONNECTOR(name="datadog/main", config=config, environment="production", clock=CLOCK)


async def ask(server: DatadogDouble, tool: str, *, config: dict[str, Any] | None = None, **arguments: Any) -> Any:
    connector = make(server, **(config or {}))
    try:
        call = ToolCall(connector="datadog/main", tool=tool, arguments=arguments, window=WINDOW)
        return await connector.call(call, Limits())
    finally:
        await connector.close()


async def test_signals_are_canonical_and_of_one_environment() -> None:
    async with DatadogDouble(organisation()) as server:
        found = (await ask(server, "get_service_signals")).payload
    assert isinstance(found, SeriesSet)
    series = {(s.service, s.metric): s for s in found.series}
    rate = [v for _, v in series["payment", "request_rate"].points if v is not None]
    assert rate
    assert all(v == pytest.approx(2.0) for v in rate)
    ratio = dict(series["payment", "error_ratio"].points)
    assert {v for at, v in ratio.items() if at < WINDOW.start and v is not None} == {0.0}
    assert {round(v, 2) for at, v in ratio.items() if at >= WINDOW.start and v is not None} == {0.5}
    slow = {round(v, 3) for at, v in series["payment", "latency_p99"].points if at >= WINDOW.start and v is not None}
    assert slow == {0.8}
    assert series["checkout", "cpu_usage"].points[0][1] == pytest.approx(0.5)
    assert series["payment", "memory_ratio"].points[-1][1] == pytest.approx(0.9)
    assert set(series["checkout", "error_ratio"].points[-1][1:]) == {0.0}
    assert not any(s.metric.startswith("_") for s in found.series)


async def test_an_organisation_without_apm_says_so() -> None:
    stored = organisation()
    stored = stored._replace(points=[p for p in stored.points if not p.metric.startswith("trace.")])
    async with DatadogDouble(stored) as server:
        result = await ask(server, "get_service_signals")
    assert "no APM metric" in str(result.truncated)
    assert {s.metric for s in result.payload.series} == {"cpu_usage", "memory_usage", "memory_ratio"}


async def test_deployments_come_from_events_and_from_traffic() -> None:
    async with DatadogDouble(organisation()) as server:
        found = (await ask(server, "list_deployments")).payload
    assert isinstance(found, Changes)
    told = {(change.service, change.version): change for change in found.items}
    assert set(told) == {("payment", "2.0.9"), ("checkout", "2.1.0")}
    assert abs(told["checkout", "2.1.0"].at - ROLLOUT) < timedelta(minutes=3)
    assert told["payment", "2.0.9"].by == "ada"


async def test_monitors_of_another_environment_are_left_out() -> None:
    async with DatadogDouble(organisation()) as server:
        found = (await ask(server, "list_monitors")).payload
    assert isinstance(found, Objects)
    assert [(i.name, i.fields["state"]) for i in found.items] == [
        ("Errors of payment", "firing"),
        ("Heartbeat", "no_data"),
    ]
    first = found.items[0].fields
    assert first["service"] == "payment"
    assert first["severity"] == "high"
    assert first["since"] == (NOW - timedelta(minutes=26)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert first["url"] == "https://app.datadoghq.com/monitors/2"


async def test_logs_are_read_page_by_page() -> None:
    async with DatadogDouble(organisation(), page=7) as server:
        result = await ask(server, "search_logs", text="refused", limit=30)
        groups = (await ask(server, "get_log_groups")).payload
    assert len(result.payload.rows) == 30
    assert result.truncated is None
    assert result.stats.api_calls == 5
    assert result.source.url.startswith("https://app.datadoghq.com/logs?query=")
    assert isinstance(groups, Logs)
    counts = {group.service: (group.count, group.baseline_count) for group in groups.groups}
    assert counts == {"checkout": (30, 0), "cart": (5, 5)}


async def test_error_rates_count_on_the_server() -> None:
    async with DatadogDouble(organisation()) as server:
        found = (await ask(server, "get_error_rates")).payload
    errors = {s.service: s for s in found.series if s.metric == "log_error_rate"}
    assert sum(v * errors["checkout"].step_s for _, v in errors["checkout"].points) == pytest.approx(30)
    assert sum(v for _, v in errors["cart"].points) == 0


async def test_calls_between_services() -> None:
    async with DatadogDouble(organisation()) as server:
        found = (await ask(server, "get_topology")).payload
        spans = (await ask(server, "aggregate_spans", by="service")).payload
    assert isinstance(found, Traces)
    (edge,) = found.edges
    assert (edge.caller, edge.callee, edge.count, edge.errors) == ("checkout", "payment", 30, 30)
    assert edge.p99_ms == pytest.approx(800)
    assert found.slowest[0].duration_ms == pytest.approx(800)
    assert isinstance(spans, Rows)
    assert spans.rows[0][:3] == ("checkout", 30, 30)


async def test_used_up_requests_are_not_sent() -> None:
    async with DatadogDouble(organisation()) as server:
        connector = make(server)
        call = ToolCall(connector="datadog/main", tool="search_metrics", arguments={"words": "cpu"}, window=WINDOW)
        server.answer_headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "42"}
        await connector.call(call, Limits())
        with pytest.raises(Throttled) as caught:
            await connector.call(call, Limits())
        await connector.close()
    assert caught.value.retry_after_s == 42
    assert len(server.requests) == 1


async def test_a_services_name_is_data_in_a_metric_scope() -> None:
    async with DatadogDouble(organisation()) as server:
        await ask(server, "get_service_signals", services=["x} by {host}", "payment,env:staging"])
        sent = next(r.body for r in server.requests if r.path.endswith("timeseries"))
    queries = [q["query"] for q in sent["data"]["attributes"]["queries"]]
    assert all("service IN (x__by__host_,payment_env_staging)" in query for query in queries)


def test_clients_and_queries_are_no_serving_operations() -> None:
    names = [
        "trace.postgres.query.hits",
        "trace.http.request.hits",
        "trace.grpc.server.hits",
        "trace.redis.command.hits",
    ]
    assert operations(names) == ["grpc.server", "http.request"]


@pytest.mark.parametrize("site", sorted(SITES))
def test_sites(site: str) -> None:
    config = CONNECTOR.Config(site=site, api_key="a", application_key="b")
    assert config.access().url == SITES[site][0]
    assert config.app == SITES[site][1]


def test_an_unknown_site_is_refused() -> None:
    with pytest.raises(ValidationError):
        CONNECTOR.Config(site="moon", api_key="a", application_key="b")
