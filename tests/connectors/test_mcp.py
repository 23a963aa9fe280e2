"""MCP: only the tools that are listed can be called, typed by the server's schema; over HTTP and standard streams."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pydantic import ValidationError

pytest.importorskip("mcp", reason="needs the mcp extra: pip install 'inquest[mcp]'")

from connectors.errors import NotFound, Rejected, Unavailable
from connectors.mcp import CONNECTOR
from connectors.mcp.arguments import Known, model_of
from connectors.mcp.results import tool_name
from connectors.model import Effect, HealthStatus, Limits, Objects, Text, ToolCall
from tests.connectors.log_lines import CLOCK
from tests.support.mcp_server import McpHttpServer


def make(**settings: Any) -> Any:
    settings.setdefault("read_tools", ("search_notes", "echo", "fail_always"))
    return CONNECTOR(name="mcp/notes", config=CONNECTOR.Config(**settings), environment="production", clock=CLOCK)


def wish(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(connector="mcp/notes", tool=tool, arguments=arguments)


async def ask(connector: Any, tool: str, **arguments: Any) -> Any:
    try:
        return await connector.call(wish(tool, **arguments), Limits())
    finally:
        await connector.close()


async def test_tools_take_the_servers_schema() -> None:
    async with McpHttpServer(token="tok-123456") as server:
        connector = make(url=server.url, token="tok-123456")
        health = await connector.check()
        tool = connector.tool("search_notes")
        result = await ask(connector, "search_notes", about="payment", limit=2)
    assert health.status is HealthStatus.HEALTHY
    assert health.detail.startswith("3 of the server's 4 tools")
    assert (tool.summary, tool.effect) == ("Notes about a thing.", Effect.READ)
    assert tool.arguments.model_json_schema()["required"] == ["about"]
    assert isinstance(result.payload, Objects)
    assert [(item.name, item.uid) for item in result.payload.items] == [("Note 1", "n-1"), ("Note 3", "n-3")]
    assert result.source.query == 'tools/call search_notes {"about": "payment", "limit": 2}'


async def test_a_tool_that_is_not_listed_cannot_be_called() -> None:
    async with McpHttpServer(token="tok-123456") as server:
        connector = make(url=server.url, token="tok-123456")
        await connector.check()
        names = {tool.name for tool in connector.tools()}
        with pytest.raises(NotFound):
            await ask(connector, "delete_notes")
        assert server.kept == []
    assert names == {"search_notes", "call_echo", "fail_always"}


@pytest.mark.parametrize("learned", [True, False])
async def test_arguments_are_judged_before_they_are_sent(learned: bool) -> None:
    async with McpHttpServer(token="tok-123456") as server:
        for wrong in ({"about": 3}, {}, {"about": "x", "other": 1}, {"about": "x", "limit": "many"}):
            connector = make(url=server.url, token="tok-123456")
            if learned:
                await connector.check()
            with pytest.raises(Rejected):
                await ask(connector, "search_notes", **wrong)


async def test_a_failing_tool_and_a_missing_one_are_named() -> None:
    async with McpHttpServer(token="tok-123456") as server:
        with pytest.raises(Rejected, match="fail_always failed"):
            await ask(make(url=server.url, token="tok-123456"), "fail_always")
        connector = make(url=server.url, token="tok-123456", read_tools=("search_notes", "lost"))
        health = await connector.check()
        with pytest.raises(NotFound, match="no tool 'lost'"):
            await ask(connector, "call_lost")
    assert health.status is HealthStatus.DEGRADED
    assert "has no lost" in health.detail


async def test_a_program_on_standard_streams() -> None:
    connector = make(command=sys.executable, args=("-m", "tests.support.mcp_server"), env={"SECRET": "s"})
    result = await ask(connector, "call_echo", words="it's 'quoted' $(id)")
    assert isinstance(result.payload, Text)
    assert result.payload.text == "it's 'quoted' $(id)"
    assert result.source.url is None


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Unavailable):
        await ask(make(command="/no/such/program"), "call_echo", words="x")


def test_names_become_ours() -> None:
    assert [tool_name(name) for name in ("searchDocs", "search", "get-issue.v2", "1st", "list_all")] == [
        "search_docs",
        "call_search",
        "get_issue_v2",
        "call_1st",
        "list_all",
    ]


def test_a_schema_that_points_elsewhere_is_not_followed() -> None:
    schema: Any = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/evil.json"}}}
    with pytest.raises(Rejected, match="points elsewhere"):
        Known(schema, name="mcp/x").check({"a": 1})
    assert model_of("get_thing", schema).model_config["extra"] == "forbid"


def test_one_way_to_the_server() -> None:
    for wrong in ({}, {"url": "http://x.test", "command": "y"}, {"url": "ftp://x.test"}, {"url": "http://u:p@x.test"}):
        with pytest.raises(ValidationError):
            CONNECTOR.Config(read_tools=("a",), **wrong)
