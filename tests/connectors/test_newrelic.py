"""What New Relic's tools answer, computed from stored events."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import Rejected, Unauthorized
from connectors.model import Changes, Limits, Logs, Objects, Rows, SeriesSet, ToolCall
from connectors.newrelic import CONNECTOR
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.connectors.newrelic_data import ROLLOUT, account, entities
from tests.support.newrelic_double import NewRelicDouble


def make(server: NewRelicDouble, **more: Any) -> Any:
    config = CONNECTOR.Config(**{"url": server.url, "account_id": 7, "api_key": "NRAK-X", **more})
    return CONNECTOR(name="newrelic/main", config=config, environment="production", clock=CLOCK)


async def ask(server: NewRelicDouble, tool: str, *, config: dict[str, Any] | None = None, **arguments: Any) -> Any:
    connector = make(server, **(config or {}))
    try:
        call = ToolCall(connector="newrelic/main", tool=tool, arguments=arguments, window=WINDOW)
        return await connector.call(call, Limits())
    finally:
        await connector.close()


def double(**more: Any) -> NewRelicDouble:
    return NewRelicDouble(account(), entities(), **more)


async def test_signals_of_agents_and_of_opentelemetry() -> None:
    async with double() as server:
        found = (await ask(server, "get_service_signals")).payload
    assert isinstance(found, SeriesSet)
    series = {(s.service, s.metric): s for s in found.series}
    during = {at: v for at, v in series["payment", "error_ratio"].points if at >= WINDOW.start and v is not None}
    assert sum(during.values()) / len(during) == pytest.approx(0.5)
    before = [v for at, v in series["payment", "error_rate"].points if at < WINDOW.start]
    assert set(before) == {0.0}
    assert series["payment", "latency_p99"].points[-1][1] == pytest.approx(0.8)
    assert series["cart", "latency_p99"].points[-1][1] == pytest.approx(0.04)
    assert series["payment", "cpu_ratio"].unit == "ratio"
    assert {v for _, v in series["payment", "cpu_ratio"].points if v is not None} == {0.4, 0.9}
    # Spans of a service that has transactions are left out, and client spans always.
    assert sum(v or 0 for _, v in series["payment", "request_rate"].points) * 30 == pytest.approx(360, abs=3)


async def test_open_incidents_and_on_request_closed_ones() -> None:
    async with double() as server:
        found = (await ask(server, "list_violations")).payload
        every = (await ask(server, "list_violations", also_closed=True)).payload
    assert isinstance(found, Objects)
    (item,) = found.items
    assert (item.name, item.fields["state"], item.fields["service"]) == ("Errors", "firing", "payment")
    assert item.fields["since"] == "2026-03-01T11:34:00.000Z"
    assert [i.fields["state"] for i in every.items] == ["firing", "closed"]


async def test_tracked_changes() -> None:
    async with double() as server:
        found = (await ask(server, "list_deployments")).payload
        older = (await ask(server, "list_deployments", services=["payment"], hours_before=48)).payload
    assert isinstance(found, Changes)
    assert [(c.service, c.change, c.version, c.by) for c in found.items] == [
        ("payment", "deployment", "2.1.0", "ada"),
        ("cart", "flag", None, "bo"),
    ]
    assert found.items[0].at == ROLLOUT
    assert [c.version for c in older.items] == ["2.1.0", "2.0.9"]


async def test_logs_are_counted_and_folded() -> None:
    async with double() as server:
        rates = (await ask(server, "get_error_rates")).payload
        groups = (await ask(server, "get_log_groups")).payload
    errors = {s.service: s for s in rates.series if s.metric == "log_error_rate"}
    assert sum(v * errors["checkout"].step_s for _, v in errors["checkout"].points) == pytest.approx(30)
    assert isinstance(groups, Logs)
    counts = {g.service: (g.count, g.baseline_count, g.level) for g in groups.groups}
    assert counts == {"checkout": (30, 0, "error"), "cart": (5, 5, "warn")}


async def test_a_sample_is_scaled_and_says_so() -> None:
    events = account()
    events["Log"] = [{**line, "timestamp": line["timestamp"] + n * 7} for line in events["Log"] for n in range(10)]
    async with NewRelicDouble(events, entities()) as server:
        result = await ask(server, "get_log_groups", level="info", config={"sample_lines": 60})
    assert "scaled" in str(result.truncated)
    assert sum(group.count for group in result.payload.groups) == pytest.approx(600, abs=4)


async def test_one_environment_only_when_configured() -> None:
    events = account()
    for line in events["Log"]:
        line["env"] = "staging" if line["service.name"] == "cart" else "production"
    async with NewRelicDouble(events, entities()) as server:
        settings = {"environment_attribute": "env", "environment_value": "production"}
        groups = (await ask(server, "get_log_groups", config=settings)).payload
    assert {g.service for g in groups.groups} == {"checkout"}


async def test_free_nrql_gets_the_window_and_the_guard() -> None:
    async with double() as server:
        result = await ask(server, "run_nrql", nrql="SELECT count(*) AS 'n' FROM Transaction FACET appName LIMIT 20")
        assert result.payload.rows[0][-1] == 120
        assert "SINCE 177236" in result.source.query
        series = await ask(server, "run_nrql", nrql="SELECT average(duration) FROM Transaction TIMESERIES 60 seconds")
        assert isinstance(series.payload, SeriesSet)
        with pytest.raises(Rejected, match="not on the list"):
            await ask(server, "run_nrql", nrql="SELECT drop_table(x) FROM Transaction")
        with pytest.raises(Rejected, match="Syntax Error"):
            await ask(server, "run_nrql", nrql="SELECT count(*) FROM Transaction WHERE a >> 3")


async def test_entities_come_page_by_page() -> None:
    async with double(page=1) as server:
        found = (await ask(server, "list_entities")).payload
        every = (await ask(server, "list_entities", domain="", name="")).payload
    assert [i.name for i in found.items] == ["payment", "cart"]
    assert len(every.items) == 4
    assert every.items[0].fields["alert_severity"] in ("CRITICAL", "WARNING")


async def test_errors_inside_a_good_status() -> None:
    async with double() as server:
        with pytest.raises(Unauthorized, match="Access denied"):
            await ask(server, "get_log_groups", config={"account_id": 8})
        connector = make(server, account_id=8)
        health = await connector.check()
        await connector.close()
    assert "may not read account 8" in health.detail


async def test_a_quote_stays_inside_its_string() -> None:
    async with double() as server:
        await ask(server, "search_logs", text="it's') OR (1=1")
        found = (await ask(server, "get_trace_logs", trace_id="x' OR message LIKE '%")).payload
    assert isinstance(found, Rows)
    assert found.rows == ()
