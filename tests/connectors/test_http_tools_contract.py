"""The HTTP tools connector keeps the contract, with tools from configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest
import yaml

from connectors.http_tools import CONNECTOR
from connectors.model import ToolCall
from connectors.testing import ConnectorContract
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.support.inventory_double import InventoryDouble

TOKEN = "inventory-token-never-shown"
NAME = "http_tools/inventory"
TOOLS = yaml.safe_load(
    """
- name: list_releases
  summary: Releases since the window began.
  path: /v1/releases
  query: {since: "{window.start}", limit: "{limit}", service: "{service}"}
  parameters:
    limit: {type: integer, default: 100, minimum: 1, maximum: 1000}
    service: {type: string, optional: true}
  answer: {kind: rows, items: data.items, fields: {service: service, version: version.name, at: at}}
- name: list_deployments
  summary: The same as changes
  path: /v1/releases
  answer:
    kind: changes
    items: data.items
    fields: {at: at, service: service, what: version.name, version: version.name, by: "people[0]"}
- name: list_hosts
  summary: Hosts of a service.
  path: /v1/services/{service}/hosts
  parameters: {service: {type: string, max_length: 30000}}
  answer: {kind: objects, items: hosts, api_kind: Host, fields: {up: up, service: service}}
- name: get_health
  summary: A word on health.
  path: /v1/health
  answer: {kind: text}
- name: check_releases
  summary: Whether releases can be asked.
  method: HEAD
  path: /v1/releases
- name: restart_service
  summary: Restarts a service.
  method: POST
  effect: write
  path: /v1/services/{service}/restart
  body: {reason: "asked by {who}", grace_s: "{grace_s}"}
  parameters:
    service: {type: string, pattern: "^[a-z-]+$"}
    who: {type: string}
    grace_s: {type: integer, default: 30}
  answer: {kind: rows}
"""
)


def releases() -> list[dict[str, Any]]:
    return [
        {
            "service": f"service-{number % 3}",
            "version": {"name": f"1.{number}"},
            "at": f"2026-03-01T11:{30 + number:02d}:00Z",
            "people": ["ada"],
        }
        for number in range(12)
    ]


def hosts() -> list[dict[str, Any]]:
    return [{"name": f"web-{n}", "service": "web", "up": n != 2} for n in range(4)]


class TestHttpToolsContract(ConnectorContract):
    """Every clause."""

    secrets: ClassVar[Sequence[str]] = (TOKEN,)

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with InventoryDouble(releases(), hosts(), token=TOKEN) as server:
            self.server = server
            yield

    def _make(self, url: str, token: str) -> Any:
        config = CONNECTOR.Config.model_validate(
            {"url": url, "token": token, "tools": TOOLS, "check_path": "/v1/health"}
        )
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
        return (
            self.call("list_releases", service="service-1"),
            self.call("list_deployments"),
            self.call("list_hosts", service="web"),
            self.call("get_health"),
            self.call("check_releases"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("list_releases"), 12

    def empty_call(self) -> ToolCall:
        return self.call("list_releases", service="nobody")

    def slow_call(self) -> ToolCall:
        return self.calls()[0]

    def echo_call(self, text: str) -> ToolCall | None:
        return self.call("list_releases", service=text) if text.isalnum() and len(text) < 500 else None

    async def fingerprint(self) -> str:
        return self.server.fingerprint()
