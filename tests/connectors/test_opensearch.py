"""What is OpenSearch's own: who answers, links, what the account may do, thresholds without ES|QL."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import Rejected
from connectors.model import HealthStatus, Limits, Logs, ToolCall
from connectors.opensearch import CONNECTOR
from tests.connectors.elasticsearch_data import CLOCK, MAPPINGS, WINDOW, documents
from tests.support.elasticsearch_double import ElasticsearchDouble
from tests.support.opensearch_double import OpenSearchDouble


def make(server: ElasticsearchDouble, **more: Any) -> Any:
    config = CONNECTOR.Config(url=server.url, username="reader", password="pass", **more)
    return CONNECTOR(name="opensearch/main", config=config, environment="production", clock=CLOCK)


async def ask(server: ElasticsearchDouble, tool: str, *, config: dict[str, Any] | None = None, **arguments: Any) -> Any:
    connector = make(server, **(config or {}))
    try:
        call = ToolCall(connector="opensearch/main", tool=tool, arguments=arguments, window=WINDOW)
        return await connector.call(call, Limits())
    finally:
        await connector.close()


def double(**more: Any) -> OpenSearchDouble:
    return OpenSearchDouble(documents(), MAPPINGS, **more)


async def test_groups_and_rates_as_elsewhere() -> None:
    async with double() as server:
        groups = (await ask(server, "get_log_groups")).payload
        rates = (await ask(server, "get_error_rates")).payload
    assert isinstance(groups, Logs)
    assert {g.service: (g.count, g.baseline_count) for g in groups.groups} == {"checkout": (30, 0), "cart": (5, 5)}
    errors = next(s for s in rates.series if s.metric == "log_error_rate" and s.service == "checkout")
    assert sum(v * errors.step_s for _, v in errors.points) == pytest.approx(30)


async def test_thresholds_are_aggregated() -> None:
    async with double() as server:
        result = await ask(server, "detect_anomalies")
        paths = [path for _, path, _ in server.requests]
    assert {row[0] for row in result.payload.rows} == {"checkout", "mail"}
    assert "payment" in str(result.payload.rows)
    assert "/_query" not in paths


async def test_links_open_dashboards() -> None:
    settings = {"dashboards_url": "https://dash.test/", "dashboards_index_pattern": "logs-1"}
    async with double() as server:
        result = await ask(server, "search_logs", text="it's refused", config=settings)
    assert result.source.url.startswith(
        "https://dash.test/app/data-explorer/discover#/?_g=(time:(from:'2026-03-01T11:30"
    )
    assert "it!'s" in result.source.url.replace("%27", "'").replace("%20", " ")
    assert "indexPattern:" in result.source.url


@pytest.mark.parametrize(
    ("roles", "writable", "status"),
    [(("inquest_reader",), None, HealthStatus.HEALTHY), (("all_access",), True, HealthStatus.DEGRADED)],
)
async def test_check_tells_a_writing_role(roles: tuple[str, ...], writable: bool | None, status: HealthStatus) -> None:
    async with double(roles=roles) as server:
        connector = make(server)
        health = await connector.check()
        await connector.close()
    assert (health.writable, health.status, health.version) == (writable, status, "2.19.1")


async def test_elasticsearch_is_told_apart() -> None:
    async with double(distribution=None) as server:
        connector = make(server)
        health = await connector.check()
        await connector.close()
    assert "Use the elasticsearch connector" in health.detail


async def test_a_request_that_writes_is_refused_before_it_is_sent() -> None:
    async with double() as server:
        with pytest.raises(Rejected):
            await ask(server, "run_query", request='{"method":"DELETE","path":"/logs-app"}')
        with pytest.raises(Rejected):
            await ask(server, "run_query", request='{"method":"POST","path":"/logs-app/_update_by_query","body":{}}')
        assert server.requests == []
