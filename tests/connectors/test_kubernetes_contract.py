"""The Kubernetes connector keeps the contract, against a computing double."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from connectors.kubernetes.connector import CONNECTOR
from connectors.model import ToolCall
from connectors.testing import ConnectorContract
from tests.connectors.kubernetes_data import CLOCK, WINDOW, cluster, logs, pod
from tests.support.kubernetes_double import KubernetesDouble

TOKEN = "eyJhbGciOiJSUzI1NiJ9.s3cret-Kube-Token"
NAME = "kubernetes/main"


class TestKubernetesContract(ConnectorContract):
    """Every clause."""

    secrets: ClassVar[Sequence[str]] = (TOKEN, "hunter2-Sup3r", "c2VjcmV0LXZhbHVl")

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with KubernetesDouble(cluster(), token=TOKEN, logs=logs()) as server:
            self.server = server
            yield

    def _make(self, url: str, token: str) -> Any:
        config = CONNECTOR.Config(url=url, token=token, read_secret_names=True)
        return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)

    def make(self) -> Any:
        return self._make(self.server.url, TOKEN)

    def make_at(self, host: str, port: int) -> Any:
        return self._make(f"http://{host}:{port}", TOKEN)

    def make_unauthorized(self) -> Any:
        return self._make(self.server.url, "wrong")

    def call(self, tool: str, **arguments: Any) -> ToolCall:
        return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)

    def calls(self) -> Sequence[ToolCall]:
        plain = [
            "list_pods",
            "list_workloads",
            "list_events",
            "list_quotas",
            "list_storage",
            "check_services",
            "check_references",
            "list_policies",
            "list_changes",
        ]
        found = [self.call(tool, namespace="", services=[]) for tool in plain]
        query = self.call("run_query", command="kubectl get deploy -n shop")
        asked = {"tool": "restart_workload", "arguments": {"namespace": "shop", "name": "web"}}
        outcome = ToolCall(connector=NAME, tool="read_outcome", arguments=asked, window=WINDOW)
        return (*found, self.call("list_nodes"), self.call("get_logs", services=["web"]), query, outcome)

    def sized_call(self) -> tuple[ToolCall, int]:
        self.server.objects["pods"] = [pod("web", f"{index:05d}") for index in range(300)]
        return self.call("list_pods"), 300

    def empty_call(self) -> ToolCall:
        return self.call("list_pods", services=["nobody-has-this-name"])

    def slow_call(self) -> ToolCall:
        return self.calls()[1]

    async def fingerprint(self) -> str:
        return self.server.fingerprint()

    async def test_no_secret_value_is_ever_asked_for(self) -> None:
        async with self._open(self.make()) as connector:
            for call in self.calls():
                await connector.call(call, self.limits)
        assert any("/secrets" in request for request in self.server.requests)
        assert self.server.secret_values_sent == 0
