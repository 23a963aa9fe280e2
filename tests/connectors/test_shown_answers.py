"""One real answer of each connector, as Slack shows it: it fits, it names its query; together they make a page of docs.

INQUEST_ANSWERS=docs/connectors/answers.md pytest tests/connectors/test_shown_answers.py writes the page anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.services.ask import Answered
from bot.slack.blocks.answer import answer_message
from bot.slack.blocks.elements import Message
from connectors.model import Limits, ToolResult
from connectors.testing import ConnectorContract
from tests.connectors import (
    test_bigquery,
    test_clickhouse_contract,
    test_datadog_contract,
    test_elasticsearch_contract,
    test_files,
    test_http_tools_contract,
    test_jira_contract,
    test_kubernetes_contract,
    test_loki_contract,
    test_mcp_contract,
    test_mongodb_contract,
    test_mysql_contract,
    test_newrelic_contract,
    test_opensearch_contract,
    test_postgresql_contract,
    test_prometheus_contract,
)
from tests.connectors.test_bigquery import double
from tests.connectors.test_files import root

__all__ = ["double", "root"]

HEAD = """\
# One answer of each connector, as Slack shows it

Made by running one tool of every connector against the server or double that its tests use; words and numbers are what
came back. Where Slack draws tables and charts of its own, this is the plain form that it falls back to.
"""
_LONGEST_TEXT = 3_000


@pytest.fixture(scope="session")
def page() -> Iterator[dict[str, str]]:
    """Sections by type; written when a file is asked for and every connector is there."""
    sections: dict[str, str] = {}
    yield sections
    target = os.environ.get("INQUEST_ANSWERS")
    if target and len(sections) == len(SHOWN):
        Path(target).write_text(HEAD + "".join(sections[name] for name in sorted(sections)), encoding="utf-8")


class ShownAnswer:
    """What is added to a contract suite."""

    type_: ClassVar[str]
    tool: ClassVar[str]
    question: ClassVar[str]
    server_is: ClassVar[str]

    async def test_fits_and_names_its_query(self: Any, page: dict[str, str]) -> None:
        call = next(call for call in self.calls() if call.tool == self.tool)
        connector = self.make()
        await connector.open()
        try:
            result = await connector.call(call, Limits(max_rows=8))
        finally:
            await connector.close()
        assert not result.is_empty
        answered = _answered(self, result, connector.tool(self.tool).summary)
        for native in (True, False):
            message = answer_message(answered, native_blocks=native)
            assert len(message.blocks) <= 50
            self.assert_clean(str(message.blocks), message.text)
            assert max(len(text) for text in _texts(message)) <= _LONGEST_TEXT
        shown = "\n".join(_texts(answer_message(answered, native_blocks=False)))
        assert result.source.query.strip()[:20] in shown
        page[self.type_] = f"\n## {self.type_}\n\n`{self.tool}`, asked of {self.server_is}.\n\n~~~text\n{shown}\n~~~\n"


def _answered(shown: ShownAnswer, result: ToolResult, summary: str) -> Answered:
    return Answered(
        question=shown.question,
        source=f"{shown.type_}/main",
        query=result.source.query[:600],
        language=result.source.language,
        explanation=summary.rstrip("."),
        duration_ms=result.stats.duration_ms,
        cost_usd=result.stats.cost_usd,
        payload=result.payload,
        truncated=result.truncated,
        url=result.source.url,
    )


def _texts(message: Message) -> list[str]:
    """Every text of the blocks, in order."""
    found: list[str] = []
    stack: list[Any] = list(reversed(message.blocks))
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if isinstance(item.get("text"), str):
                found.append(item["text"])
            stack.extend(reversed([value for value in item.values() if isinstance(value, dict | list)]))
        elif isinstance(item, list):
            stack.extend(reversed(item))
    return found


def _class(suite: type[ConnectorContract], *, type_: str, tool: str, question: str, server_is: str) -> type:
    """The suite's servers and calls with this one test in place of its clauses."""
    none = {name: None for name in dir(suite) if name.startswith("test_")}
    own = {"type_": type_, "tool": tool, "question": question, "server_is": server_is}
    return type(f"TestShown{type_.title().replace('_', '')}", (ShownAnswer, suite), none | own | _MODULE)


_MODULE = {"__module__": __name__, "test_fits_and_names_its_query": ShownAnswer.test_fits_and_names_its_query}
SHOWN: tuple[tuple[type[ConnectorContract], str, str, str, str], ...] = (
    (test_bigquery.TestBigqueryContract, "bigquery", "run_query", "Orders of today, the first few",
     "a double over the REST routes"),
    (test_clickhouse_contract.TestClickhouseContract, "clickhouse", "search_schema", "Where are orders kept?",
     "ClickHouse's engine"),
    (test_datadog_contract.TestDatadogContract, "datadog", "list_deployments", "What was deployed?", "a double"),
    (test_elasticsearch_contract.TestElasticsearchContract, "elasticsearch", "get_log_groups",
     "Which errors are new?", "a double"),
    (test_files.TestFilesContract, "files", "get_log_groups", "Which errors are new in the files?", "real files"),
    (test_http_tools_contract.TestHttpToolsContract, "http_tools", "list_releases", "Releases of service-1",
     "a computing HTTP server"),
    (test_jira_contract.TestJiraCloudContract, "jira", "search_similar", "Did payments refuse before?", "a double"),
    (test_kubernetes_contract.TestKubernetesContract, "kubernetes", "check_services", "Which services lead nowhere?",
     "a double"),
    (test_loki_contract.TestLokiContract, "loki", "get_error_rates", "Error rate of checkout", "a double"),
    (test_mcp_contract.TestMcpContract, "mcp", "search_notes", "Notes on payment", "a real MCP server"),
    (test_mongodb_contract.TestMongodbContract, "mongodb", "run_query", "Orders over 10", "a real FerretDB"),
    (test_mysql_contract.TestMysqlContract, "mysql", "get_table_health", "Are the tables of the shop well?",
     "a real MariaDB 10.11"),
    (test_newrelic_contract.TestNewRelicContract, "newrelic", "list_violations", "What alerts?", "a double"),
    (test_opensearch_contract.TestOpenSearchContract, "opensearch", "first_seen", "Since when are calls refused?",
     "a double that is held to a real node's answers"),
    (test_postgresql_contract.TestPostgresqlContract, "postgresql", "get_connections", "Who holds the connections?",
     "a real PostgreSQL 15"),
    (test_prometheus_contract.TestPrometheusContract, "prometheus", "get_service_signals",
     "How is payment-service?", "a real Prometheus 2.42"),
)  # fmt: skip
for _suite, _type, _tool, _question, _server in SHOWN:
    _made = _class(_suite, type_=_type, tool=_tool, question=_question, server_is=_server)
    globals()[_made.__name__] = _made
