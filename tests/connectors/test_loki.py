"""What Loki's tools answer, computed from stored lines."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import Rejected
from connectors.loki import CONNECTOR
from connectors.model import Limits, Logs, Rows, SeriesSet, ToolCall
from tests.connectors.log_lines import CLOCK, NOW, WINDOW
from tests.connectors.test_loki_contract import stored
from tests.support.loki_double import LokiDouble

LEVELS = ("detected", "label", "none")


async def ask(server: LokiDouble, tool: str, *, config: dict[str, Any] | None = None, **arguments: Any) -> Any:
    settings = CONNECTOR.Config(url=server.url, tenant="acme", **(config or {}))
    connector = CONNECTOR(name="loki/main", config=settings, environment="production", clock=CLOCK)
    try:
        call = ToolCall(connector="loki/main", tool=tool, arguments=arguments, window=WINDOW)
        return await connector.call(call, Limits())
    finally:
        await connector.close()


@pytest.mark.parametrize("level", LEVELS)
async def test_error_rates_rise_where_errors_began(level: str) -> None:
    async with LokiDouble(stored(level)) as server:
        found = (await ask(server, "get_error_rates")).payload
    assert isinstance(found, SeriesSet)
    errors = {s.service: s for s in found.series if s.metric == "log_error_rate"}
    assert set(errors) == {"checkout", "cart"}
    points = errors["checkout"].points
    before = [v for at, v in points if at < WINDOW.start]
    during = [v for at, v in points if at >= WINDOW.start]
    assert sum(before) == 0  # type: ignore[arg-type]
    assert sum(v * errors["checkout"].step_s for v in during if v) == pytest.approx(30)
    assert all(v == 0 for _, v in errors["cart"].points)


@pytest.mark.parametrize("level", LEVELS)
async def test_groups_count_now_and_before(level: str) -> None:
    async with LokiDouble(stored(level)) as server:
        found = (await ask(server, "get_log_groups")).payload
    assert isinstance(found, Logs)
    refused = next(group for group in found.groups if group.service == "checkout")
    assert (refused.count, refused.baseline_count) == (30, 0)
    assert "refused" in refused.template
    if level != "none":
        assert refused.level == "error"
        expired = next(group for group in found.groups if group.service == "cart")
        assert (expired.count, expired.baseline_count, expired.level) == (5, 5, "warn")


async def test_a_sample_is_scaled_to_all_lines_and_says_so() -> None:
    lines = [line._replace(at_s=line.at_s + n / 100) for line in stored() for n in range(10)]
    async with LokiDouble(lines) as server:
        result = await ask(server, "get_log_groups", level="info", config={"sample_lines": 60})
    assert isinstance(result.payload, Logs)
    assert "scaled" in (result.truncated or "")
    assert sum(group.count for group in result.payload.groups) == pytest.approx(600, abs=4)
    assert {group.service for group in result.payload.groups} == {"checkout", "cart"}


async def test_a_trace_is_found_beside_and_within_lines() -> None:
    lines = stored()
    lines.append(lines[0]._replace(at_s=NOW.timestamp() - 60, text="saw t-7 again", metadata={}))
    async with LokiDouble(lines) as server:
        found = (await ask(server, "get_trace_logs", trace_id="t-7")).payload
    assert isinstance(found, Rows)
    assert [row[3] for row in found.rows] == ["call 7 to payment refused after 7 ms", "saw t-7 again"]


async def test_first_seen_tells_the_exact_edges() -> None:
    async with LokiDouble(stored()) as server:
        found = (await ask(server, "first_seen", text="REFUSED payment")).payload
    assert isinstance(found, Rows)
    service, count, first, last, example = found.rows[0]
    assert (service, count) == ("checkout", 30)
    assert str(first).startswith("2026-03-01T11:30:45")
    assert str(last).startswith("2026-03-01T11:59:45")
    assert "refused" in str(example)


async def test_only_the_configured_streams_are_read() -> None:
    lines = stored()
    lines.append(lines[0]._replace(labels={"service_name": "checkout", "env": "staging"}, text="staging says refused"))
    async with LokiDouble(lines) as server:
        found = (await ask(server, "search_logs", text="staging", config={"match": {"env": "production"}})).payload
        assert found.rows == ()
        assert len((await ask(server, "search_logs", text="staging")).payload.rows) == 1


async def test_free_logql_is_guarded() -> None:
    async with LokiDouble(stored()) as server:
        with pytest.raises(Rejected, match="every stream"):
            await ask(server, "query_range", logql='{service_name=~".+"}')
        lines = await ask(server, "query_range", logql='{service_name="cart"} |= "expired"', limit=3)
        assert len(lines.payload.rows) == 3
        assert "there are more" in str(lines.truncated)
        series = await ask(
            server, "query_range", logql='sum by (service_name) (count_over_time({env="production"} [1m]))', step_s=60
        )
        assert {s.service for s in series.payload.series} == {"checkout", "cart"}


async def test_a_store_without_known_labels_says_so() -> None:
    lines = [line._replace(labels={"colour": "red"}, metadata={}) for line in stored()]
    async with LokiDouble(lines) as server:
        result = await ask(server, "get_error_rates")
    assert result.is_empty
    assert "service_label" in str(result.truncated)
