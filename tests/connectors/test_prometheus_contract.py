"""Prometheus keeps the connector contract, on a real server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from connectors.model import TimeWindow, ToolCall
from connectors.prometheus import CONNECTOR
from connectors.prometheus.connector import PrometheusConnector
from connectors.testing import ConnectorContract
from tests.connectors import history
from tests.support.servers import PrometheusServer

TOKEN = "prom-token-never-shown-31415"
HEADER = "header-secret-never-shown-2718"
WINDOW = TimeWindow(start=history.END - timedelta(minutes=30), end=history.END)


def make(url: str, **more: Any) -> PrometheusConnector:
    config = CONNECTOR.Config(url=url, token=TOKEN, headers={"x-api-key": HEADER}, **more)
    return CONNECTOR(name="prometheus/main", config=config, environment="production", clock=history.Fixed())


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(connector="prometheus/main", tool=tool, arguments=arguments, window=WINDOW)


@pytest.mark.servers
class TestPrometheusContract(ConnectorContract):
    secrets: ClassVar[Sequence[str]] = (TOKEN, HEADER)
    limit = "points"
    not_applicable: ClassVar[dict[str, str]] = {
        "wrong_credentials": "Prometheus itself has no accounts; statuses 401 and 403 are covered by their own clause",
    }

    @pytest.fixture(autouse=True)
    def _server(self, prometheus: PrometheusServer) -> None:
        self.server = prometheus

    def make(self) -> PrometheusConnector:
        return make(self.server.url)

    def make_at(self, host: str, port: int) -> PrometheusConnector:
        return make(f"http://{host}:{port}")

    def make_unauthorized(self) -> PrometheusConnector:
        return make("http://127.0.0.1:1")

    def calls(self) -> Sequence[ToolCall]:
        return (
            call("query_instant", promql="sum(up)"),
            call("query_range", promql="up", step_s=60),
            call("get_service_signals", services=["payment-service"]),
            call("get_dependency_signals", services=["checkout-api"]),
            call("list_alerts"),
            call("list_rules"),
            call("list_targets"),
            call("search_metrics", words="http duration"),
            call("search_labels", words="service"),
            call("list_exemplars", promql="http_request_duration_seconds_bucket"),
            call("list_services"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return call("query_range", promql="sum(http_requests_total)", step_s=60), 30

    def empty_call(self) -> ToolCall:
        return call("query_range", promql='no_such_metric{job="nowhere"}')

    def slow_call(self) -> ToolCall:
        return call("get_service_signals")

    def echo_call(self, text: str) -> ToolCall:
        literal = json.dumps(text.replace("$", "$$"), ensure_ascii=False)
        return call("query_instant", promql=f'label_replace(vector(1), "echoed", {literal}, "", "")')

    async def fingerprint(self) -> str:
        connector = self.make()
        try:
            answer = await connector.call(call("search_metrics", words="http up kube"), self.limits)
            rules = await connector.call(call("list_rules"), self.limits)
            return f"{answer.payload!r}{len(rules.payload.items)}"  # type: ignore[union-attr]
        finally:
            await connector.close()
