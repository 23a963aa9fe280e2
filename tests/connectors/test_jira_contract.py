"""The Jira connector keeps the contract, on Cloud and on Data Center, against a double that evaluates JQL."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from connectors.jira import CONNECTOR
from connectors.model import ToolCall
from connectors.testing import ConnectorContract
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.support.jira_double import JiraDouble

TOKEN = "ATATT-never-shown-0123456789"
NAME = "jira/main"
EMAIL = "bot@acme.test"
OUTCOME: dict[str, Any] = {"tool": "transition_issue", "arguments": {"key": "OPS-7", "to": "Done"}}


def issues() -> dict[str, dict[str, Any]]:
    """A hundred and thirty tickets; three speak of payments."""
    made = {}
    for number in range(1, 131):
        made[f"OPS-{number}"] = {
            "summary": f"Chore {number}",
            "description": "Nothing of note.",
            "status": {"name": "To Do", "statusCategory": {"key": "new"}},
            "project": {"key": "OPS"},
            "created": f"2026-01-{1 + number % 28:02d}T10:00:00.000+0000",
            "updated": "2026-02-01T10:00:00.000+0000",
            "labels": ["chore"],
        }
    made["OPS-7"] |= {"summary": "Payment service refused connections", "description": "Pool exhausted after release"}
    made["OPS-9"] |= {"summary": "Payment refunds slow", "description": "A lock on orders"}
    made["OPS-11"] |= {"summary": "Invoices", "description": "payment terms changed"}
    return made


class _JiraContract(ConnectorContract):
    secrets: ClassVar[Sequence[str]] = (TOKEN, base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode())
    cloud: ClassVar[bool]

    @pytest.fixture(autouse=True)
    async def _server(self) -> AsyncIterator[None]:
        async with JiraDouble(issues(), cloud=self.cloud, token=TOKEN, email=EMAIL) as server:
            self.server = server
            yield

    def _make(self, url: str, token: str) -> Any:
        kind = "cloud" if self.cloud else "data_center"
        email = EMAIL if self.cloud else None
        config = CONNECTOR.Config(server=url, email=email, token=token, project="OPS", deployment=kind)
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
            self.call("search_issues", jql="project = OPS", limit=5),
            self.call("search_similar", words="payment refused"),
            self.call("get_issue", key="OPS-7"),
            self.call("list_transitions", key="OPS-7"),
            ToolCall(connector=NAME, tool="read_outcome", arguments=OUTCOME),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return self.call("search_issues", jql="project = OPS", limit=1000), 130

    def empty_call(self) -> ToolCall:
        return self.call("search_issues", jql='text ~ "nothing-says-this"')

    def slow_call(self) -> ToolCall:
        return self.sized_call()[0]

    def echo_call(self, text: str) -> ToolCall | None:
        return self.call("search_similar", words=text) if text.isalnum() and len(text) < 500 else None

    async def fingerprint(self) -> str:
        return self.server.fingerprint()


class TestJiraCloudContract(_JiraContract):
    """Every clause, with the paging of Cloud."""

    cloud = True


class TestJiraDataCenterContract(_JiraContract):
    """Every clause, with the paging of Data Center."""

    cloud = False
