"""The Kubernetes connector keeps the contract on a real API server: every read tool, with the account of `deploy/`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from connectors.kubernetes.connector import CONNECTOR
from connectors.model import SystemClock, TimeWindow, ToolCall
from connectors.testing import ConnectorContract
from tests.cluster.conftest import SHOP
from tests.support.servers import ClusterServer

NAME = "kubernetes/main"
_CHANGEABLE = ("deployments", "statefulsets", "daemonsets", "pods", "configmaps", "horizontalpodautoscalers", "nodes")
_PLAIN = ("list_pods", "list_workloads", "list_events", "list_quotas", "list_storage", "check_services",
          "check_references", "list_policies", "list_changes")  # fmt: skip


class TestKubernetesContractOnTheServer(ConnectorContract):
    """Every clause."""

    secrets: ClassVar[Sequence[str]] = ("hunter2-Sup3r-Secret",)

    @pytest.fixture(autouse=True)
    def _server(self, shop: ClusterServer) -> None:
        self.server = shop
        self.token = shop.token("inquest", "inquest")
        type(self).secrets = (self.token, "hunter2-Sup3r-Secret")

    def _make(self, url: str, token: str) -> Any:
        config = CONNECTOR.Config(url=url, token=token, ca_file=self.server.ca_file)
        return CONNECTOR(name=NAME, config=config, environment="production", clock=SystemClock())

    def make(self) -> Any:
        return self._make(self.server.url, self.token)

    def make_at(self, host: str, port: int) -> Any:
        return self._make(f"http://{host}:{port}", self.token)

    def make_unauthorized(self) -> Any:
        return self._make(self.server.url, "wrong")

    def call(self, tool: str, **arguments: Any) -> ToolCall:
        now = datetime.now(UTC)
        window = TimeWindow(start=now - timedelta(minutes=30), end=now)
        return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=window)

    def calls(self) -> Sequence[ToolCall]:
        found = [self.call(tool, namespace=SHOP, services=[]) for tool in _PLAIN]
        query = self.call("run_query", command=f"kubectl get deploy -n {SHOP}")
        asked = {"tool": "restart_workload", "arguments": {"namespace": SHOP, "name": "web"}}
        outcome = query.model_copy(update={"tool": "read_outcome", "arguments": asked})
        return (*found, self.call("list_nodes"), self.call("get_logs", services=["web"]), query, outcome)

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("list_pods", namespace=SHOP), len(self.server.client.list("pods", SHOP))

    def empty_call(self) -> ToolCall:
        return self.call("list_pods", services=["nobody-has-this-name"])

    def slow_call(self) -> ToolCall:
        return self.calls()[1]

    async def fingerprint(self) -> str:
        state = [
            (plural, o["metadata"]["name"], o["metadata"]["uid"], o.get("spec"), o.get("data"))
            for plural in _CHANGEABLE
            for o in self.server.client.list(plural, "" if plural == "nodes" else SHOP)
        ]
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
