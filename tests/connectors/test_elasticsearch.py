"""What the Elasticsearch tools answer, computed by a double from documents that the tests know."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from connectors._search_dsl.answers import rate_points, source_value
from connectors._search_dsl.config import FieldNames
from connectors._search_dsl.fields import choose_fields
from connectors._search_dsl.queries import step_for
from connectors.elasticsearch import CONNECTOR
from connectors.elasticsearch.config import ElasticsearchConfig
from connectors.errors import Rejected
from connectors.model import Changes, HealthStatus, Limits, Logs, Rows, SeriesSet, TimeWindow, ToolCall, ToolResult
from tests.connectors.elasticsearch_data import CLOCK, LOG_FIELDS, MAPPINGS, NOW, WINDOW, documents, line
from tests.support.elasticsearch_double import ElasticsearchDouble

NAME = "elasticsearch/main"


@pytest.fixture
async def server() -> AsyncIterator[ElasticsearchDouble]:
    async with ElasticsearchDouble(documents(), MAPPINGS) as running:
        yield running


def connector(server: ElasticsearchDouble, **settings: Any) -> Any:
    config = CONNECTOR.Config(hosts=(server.url,), username="reader", password="pass", **settings)
    return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)


async def ask(
    server: ElasticsearchDouble, tool: str, settings: dict[str, Any] | None = None, **arguments: Any
) -> ToolResult:
    made = connector(server, **(settings or {}))
    await made.open()
    try:
        call = ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)
        return await made.call(call, Limits())  # type: ignore[no-any-return]
    finally:
        await made.close()


async def test_error_rates_rise_only_for_the_failing_service(server: ElasticsearchDouble) -> None:
    result = await ask(server, "get_error_rates", baseline_minutes=60)
    assert isinstance(result.payload, SeriesSet)
    rates = {s.service: s for s in result.payload.series if s.metric == "log_error_rate"}
    assert set(rates) == {"checkout", "cart"}
    failing = rates["checkout"].points
    assert [value for at, value in failing if at < WINDOW.start] == pytest.approx([0.0] * 120, abs=1e-9)
    inside = [value for at, value in failing if at >= WINDOW.start]
    assert sum(v * rates["checkout"].step_s for v in inside if v is not None) == pytest.approx(30)
    assert {value for _, value in rates["cart"].points} == {0.0}
    assert result.source.window == TimeWindow(start=WINDOW.start - timedelta(minutes=60), end=NOW)
    every = next(s for s in result.payload.series if s.metric == "log_rate" and s.service == "cart")
    assert sum(v * every.step_s for _, v in every.points if v is not None) == pytest.approx(90 + 10)


async def test_log_groups_compare_with_the_span_before(server: ElasticsearchDouble) -> None:
    result = await ask(server, "get_log_groups")
    assert isinstance(result.payload, Logs)
    assert result.payload.total == 35
    first, second = result.payload.groups
    assert (first.service, first.level, first.count, first.baseline_count) == ("checkout", "error", 30, 0)
    assert first.template == "call <*> to payment refused after <*>"
    assert (second.service, second.level, second.count, second.baseline_count) == ("cart", "warn", 5, 5)
    assert len(first.examples) == 3
    assert result.truncated is None


async def test_sampled_counts_are_scaled_and_said_so(server: ElasticsearchDouble) -> None:
    server.documents["logs-app"] += [line(0.1 + i / 100, "checkout", "error", f"pool busy {i}") for i in range(900)]
    result = await ask(server, "get_log_groups", {"sample_lines": 60})
    assert isinstance(result.payload, Logs)
    assert result.payload.total == 935
    checkout = sum(g.count for g in result.payload.groups if g.service == "checkout")
    assert checkout == pytest.approx(930, abs=3)
    assert "cart" in {group.service for group in result.payload.groups}, "a rare service is sampled too"
    assert result.truncated is not None
    assert "scaled" in result.truncated


@pytest.mark.parametrize("esql", [True, False])
async def test_deployments_of_this_environment(esql: bool) -> None:
    async with ElasticsearchDouble(documents(), MAPPINGS, esql=esql) as server:
        result = await ask(server, "list_deployments", hours_before=1)
    assert ("FROM deployments-*" in result.source.query) is esql
    assert isinstance(result.payload, Changes)
    (only,) = result.payload.items
    assert (only.service, only.version, only.by, only.change) == ("checkout", "2.1.0", "ada", "deployment")
    assert only.what == "deployed 2.1.0 (was 2.0.9)"
    assert only.url == "https://ci.test/checkout/2.1.0"


async def test_search_brings_lines_around(server: ElasticsearchDouble) -> None:
    plain = await ask(server, "search_logs", text="payment refused 7", limit=10)
    around = await ask(server, "search_logs", text="payment refused 7", limit=10, context_lines=2)
    assert isinstance(plain.payload, Rows)
    assert isinstance(around.payload, Rows)
    assert [row[3] for row in plain.payload.rows] == ["call 7 to payment refused after 7 ms"]
    assert len(around.payload.rows) == 5
    times = [str(row[0]) for row in around.payload.rows]
    assert times == sorted(times)


async def test_trace_and_first_seen(server: ElasticsearchDouble) -> None:
    trace = await ask(server, "get_trace_logs", trace_id="t-12")
    assert isinstance(trace.payload, Rows)
    assert [row[4] for row in trace.payload.rows] == ["t-12"]
    seen = await ask(server, "first_seen", text="refused")
    assert isinstance(seen.payload, Rows)
    ((service, count, first, last, _),) = seen.payload.rows
    assert (service, count) == ("checkout", 30)
    assert str(first) < str(last)


async def test_guarded_query_runs_and_a_write_does_not(server: ElasticsearchDouble) -> None:
    request = {"method": "POST", "path": "/logs-app/_search", "body": {"size": 2, "query": {"match_all": {}}}}
    result = await ask(server, "run_query", request=json.dumps(request))
    assert isinstance(result.payload, Rows)
    assert len(result.payload.rows) == 2
    before = len(server.requests)
    with pytest.raises(Rejected):
        await ask(server, "run_query", request='{"method":"POST","path":"/logs-app/_delete_by_query","body":{}}')
    with pytest.raises(Rejected):
        await ask(server, "run_esql", query="FROM logs-app | ENRICH x | FORK (WHERE a==1)")
    assert len(server.requests) == before
    assert server.refused_writes == []


async def test_esql_is_asked_for_once(server: ElasticsearchDouble) -> None:
    made = connector(server)
    call = ToolCall(
        connector=NAME,
        tool="run_esql",
        arguments={"query": "FROM logs-app | STATS n = COUNT(*) BY service.name | SORT n DESC | LIMIT 5"},
    )
    rows = [await made.call(call, Limits()) for _ in range(2)][1].payload
    await made.close()
    assert rows.rows == ((150, "checkout"), (130, "cart"))
    assert sum(1 for _, path, body in server.requests if path == "/_query" and body["query"].startswith("ROW")) == 1


@pytest.mark.parametrize("esql", [True, False])
async def test_anomalies_are_the_same_with_and_without_esql(esql: bool) -> None:
    async with ElasticsearchDouble(documents(), MAPPINGS, esql=esql) as server:
        result = await ask(server, "detect_anomalies", error_ratio=0.05, p99_ms=1_000)
    assert isinstance(result.payload, Rows)
    assert result.payload.rows == (
        ("checkout", 0.2, 410.0, "error_ratio", "payment", "high", "ada"),
        ("mail", 0.0, 5_000.0, "p99_ms", None, None, None),
    )
    assert ("FROM metrics-*" in result.source.query) is esql


@pytest.mark.parametrize("esql", [True, False])
async def test_services_that_fail_together(esql: bool) -> None:
    cascade = [line(m + 0.2, "cart", "error", "checkout answered 502", trace=f"t-{m}") for m in range(4)]
    async with ElasticsearchDouble(documents(), MAPPINGS, esql=esql) as server:
        server.documents["logs-app"] += cascade
        result = await ask(server, "correlate_errors")
    assert ("FROM logs-*" in result.source.query) is esql
    assert isinstance(result.payload, Rows)
    ((first, then, shared, earlier, _, _),) = result.payload.rows
    assert (first, then, shared, earlier) == ("checkout", "cart", 4, 4)


async def test_a_pipeline_the_server_refuses_becomes_a_search() -> None:
    """Indices that map one field to two types are refused by ES|QL and read by a search."""
    async with ElasticsearchDouble(documents(), MAPPINGS) as server:
        server.refused_pipelines = ("FROM deployments-*",)
        result = await ask(server, "list_deployments", hours_before=1)
    assert isinstance(result.payload, Changes)
    assert len(result.payload.items) == 1
    assert "POST /deployments-*/_search" in result.source.query


async def test_runbooks_best_first(server: ElasticsearchDouble) -> None:
    result = await ask(server, "search_runbooks", text="pool restart")
    assert isinstance(result.payload, Rows)
    assert [row[0] for row in result.payload.rows] == ["Connection pool exhausted", "Restart the mailer"]


@pytest.mark.parametrize(
    ("privileges", "security", "writable"),
    [({"read"}, True, False), ({"read", "write"}, True, True), ({"read"}, False, None)],
)
async def test_check_tells_whether_the_account_can_write(
    privileges: set[str], security: bool, writable: bool | None
) -> None:
    double = ElasticsearchDouble(documents(), MAPPINGS, privileges=frozenset(privileges), security=security)
    async with double as server:
        made = connector(server)
        health = await made.check()
        await made.close()
    assert health.status is HealthStatus.HEALTHY
    assert (health.writable, health.version) == (writable, "8.19.3")


async def test_no_index_is_empty_and_says_why() -> None:
    async with ElasticsearchDouble({}, {}) as server:
        result = await ask(server, "get_log_groups")
    assert result.is_empty
    assert result.truncated is not None
    assert "no index" in result.truncated


async def test_describe_names_indices_and_services(server: ElasticsearchDouble) -> None:
    made = connector(server)
    schema = await made.describe()
    await made.close()
    assert schema.services == ("cart", "checkout")
    assert {entry.kind: entry.name for entry in schema.entries} == {
        "logs": "logs-app",
        "deployments": "deployments-2026",
        "metrics": "metrics-system",
        "services": "lookup-services",
        "runbooks": "runbooks-knowledge",
    }


def test_fields_are_found_by_convention_and_overridden() -> None:
    caps: Any = {"app": {"text": {}}, "app.keyword": {"keyword": {}}, "severity": {"keyword": {}}, "msg": {"text": {}}}
    found = choose_fields({**caps, "@timestamp": {"date": {}}, "who": {"keyword": {}}}, FieldNames())
    assert (found.service, found.level, found.message, found.time) == ("app.keyword", "severity", "msg", "@timestamp")
    own = choose_fields({**caps, "who": {"keyword": {}}}, FieldNames(service="who"))
    assert (own.service, own.time) == ("who", None)
    assert choose_fields({name: {kind: {}} for name, kind in LOG_FIELDS.items()}, FieldNames()).trace == "trace.id"


def test_partial_steps_are_neither_dips_nor_peaks() -> None:
    span = TimeWindow(start=NOW + timedelta(seconds=20), end=NOW + timedelta(seconds=190))
    points = rate_points({NOW: 40, NOW + timedelta(seconds=180): 7}, span, step_s=60)
    assert points[0] == (NOW, 1.0)
    assert [at for at, _ in points] == [NOW + timedelta(seconds=60 * i) for i in range(3)]


def test_small_things() -> None:
    assert source_value({"service": {"name": "a"}}, "service.name") == "a"
    assert source_value({"service.name": "b"}, "service.name") == "b"
    assert source_value({"kubernetes": {"labels": {"app.x/name": "c"}}}, "kubernetes.labels.app.x/name") == "c"
    assert step_for(TimeWindow(start=NOW, end=NOW + timedelta(hours=2)), points=240) == 30
    assert ElasticsearchConfig(hosts=("https://es.test",)).hosts == ("https://es.test:443",)
