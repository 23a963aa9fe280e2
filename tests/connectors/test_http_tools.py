"""HTTP tools: values stay values, only the configured address is asked, writes are declared and previewed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import Misconfigured, NotFound, Rejected
from connectors.http_tools import CONNECTOR
from connectors.http_tools.addresses import check_host
from connectors.http_tools.shaping import at_path
from connectors.http_tools.template import fill_body, fill_path, fill_query
from connectors.model import Changes, Effect, Limits, Objects, Rows, Text, ToolCall
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.connectors.test_http_tools_contract import NAME, TOOLS, hosts, releases
from tests.support.inventory_double import InventoryDouble

WRITE: dict[str, Any] = {"method": "PUT", "effect": "write"}


def make(server: InventoryDouble, tools: Any = TOOLS) -> Any:
    config = CONNECTOR.Config.model_validate({"url": server.url, "token": "tok", "tools": tools, "writes": True})
    return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)


async def ask(server: InventoryDouble, tool: str, *, tools: Any = TOOLS, **arguments: Any) -> Any:
    connector = make(server, tools)
    try:
        call = ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)
        return await connector.call(call, Limits())
    finally:
        await connector.close()


def double() -> InventoryDouble:
    return InventoryDouble(releases(), hosts())


async def test_answers_take_the_configured_shape() -> None:
    async with double() as server:
        rows = await ask(server, "list_releases", limit=2)
        changes = (await ask(server, "list_deployments")).payload
        things = (await ask(server, "list_hosts", service="web")).payload
        words = (await ask(server, "get_health")).payload
    assert isinstance(rows.payload, Rows)
    assert rows.payload.rows[0] == ("service-0", "1.0", "2026-03-01T11:30:00Z")
    assert rows.source.query == "GET /v1/releases?since=2026-03-01T11:30:00Z&limit=2"
    assert isinstance(changes, Changes)
    assert (changes.items[0].service, changes.items[0].version, changes.items[0].by) == ("service-0", "1.0", "ada")
    assert isinstance(things, Objects)
    assert [(i.api_kind, i.name, i.fields["up"]) for i in things.items][2] == ("Host", "web-2", False)
    assert isinstance(words, Text)
    assert words.text == "all is well"


async def test_arguments_are_typed() -> None:
    async with double() as server:
        for wrong in ({"limit": "5"}, {"limit": 0}, {"limit": 2_000}, {"service": 3}, {"other": 1}):
            with pytest.raises(Rejected, match=next(iter(wrong))):
                await ask(server, "list_releases", **wrong)
        assert server.requests == []


@pytest.mark.parametrize(
    "hostile", ["../../admin", "a/b?x=1#y", "@evil.test", "\\\\evil.test", "%2e%2e", "a\r\nHost: evil"]
)
async def test_a_value_is_one_segment_of_the_path(hostile: str) -> None:
    async with double() as server:
        result = await ask(server, "list_hosts", service=hostile)
        assert result.is_empty
        (asked,) = server.requests
    assert asked.path == f"/v1/services/{hostile}/hosts"
    assert asked.query == {}
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("hostile", ["..", ".", ""])
async def test_a_value_cannot_climb(hostile: str) -> None:
    async with double() as server:
        with pytest.raises(Rejected):
            await ask(server, "list_hosts", service=hostile)
        assert server.requests == []


async def test_redirects_are_not_followed() -> None:
    tools = [{"name": "get_elsewhere", "summary": "Redirects.", "path": "/elsewhere"}]
    async with double() as server:
        with pytest.raises(Misconfigured, match="redirects elsewhere"):
            await ask(server, "get_elsewhere", tools=tools)


async def test_a_name_that_leads_inside_is_refused() -> None:
    with pytest.raises(Misconfigured, match="private address"):
        await check_host("localhost", 80, name="x", allow_private=False)
    await check_host("localhost", 80, name="x", allow_private=True)
    await check_host("127.0.0.1", 80, name="x", allow_private=False)
    with pytest.raises(Misconfigured, match="link-local"):
        await check_host("169.254.169.254", 80, name="x", allow_private=False)


async def test_a_write_is_declared_previewed_and_sent_as_shown() -> None:
    arguments = {"service": "web", "who": 'ada", "x": "y'}
    async with double() as server:
        connector = make(server)
        assert {tool.name for tool in connector.tools() if tool.effect is Effect.WRITE} == {"restart_service"}
        call = ToolCall(connector=NAME, tool="restart_service", arguments=arguments)
        shown = await connector.preview(call)
        assert server.requests == []
        assert shown.target == f"{server.url}/v1/services/web/restart"
        result = await connector.call(call, Limits())
        with pytest.raises(Rejected):
            await connector.preview(call.model_copy(update={"tool": "get_health"}))
        await connector.close()
    assert server.restarted == [["web", {"reason": 'asked by ada", "x": "y', "grace_s": 30}]]
    assert result.source.query == shown.diff


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "POST"}, "needs `effect: write`"),
        ({"method": "DELETE"}, "needs `effect: write`"),
        ({"body": {"a": 1}}, "only a write has a body"),
        ({"path": "//evil.test/x"}, "begins with one /"),
        ({"path": "/x?y=1"}, "begins with one /"),
        ({"path": "/x/{who}"}, "who is no parameter"),
        ({"path": "/x/{a}", "parameters": {"a": {"optional": True}}}, "part of the path"),
        ({"answer": {"kind": "changes", "fields": {"at": "at"}}}, "changes need the fields"),
        ({"name": "Bad-Name"}, "pattern"),
        ({"target": {"path": "/x", "mark": "m"}}, "only a write has a target"),
        ({**WRITE, "target": {"path": "/x"}}, "needs `mark` or `fields`"),
        ({**WRITE, "target": {"path": "/x", "mark": "m", "if_match": True}}, "needs the target's version"),
        ({**WRITE, "target": {"path": "x", "mark": "m"}}, "begins with one /"),
        ({**WRITE, "parameters": {"version": {}}}, "a write is given version"),
        ({"path": "/x/{proposal}"}, "proposal is no parameter"),
    ],
)
def test_a_tool_that_cannot_be_sound_is_refused(change: dict[str, Any], words: str) -> None:
    tool = {"name": "get_thing", "summary": "Reads a thing.", "path": "/x", **change}
    with pytest.raises(ValidationError, match=words):
        CONNECTOR.Config.model_validate({"url": "https://api.test", "tools": [tool]})


async def test_an_answer_without_the_list_says_which_setting_to_correct() -> None:
    tools = [{"name": "list_releases", "summary": "R.  ", "path": "/v1/releases", "answer": {"items": "data.rows"}}]
    async with double() as server:
        with pytest.raises(NotFound, match=r"data\.rows"):
            await ask(server, "list_releases", tools=tools)


def test_templates_hold_no_language() -> None:
    values: dict[str, Any] = {"a": "{b}", "n": 5, "many": ["x", "y&z"], "none": None}
    assert fill_path("/p/{a}", values) == "/p/%7Bb%7D"
    assert fill_query({"q": "{a}", "m": "{many}", "gone": "{none}", "k": "v"}, values) == {
        "q": "{b}",
        "m": ["x", "y&z"],
        "k": "v",
    }
    assert fill_body({"n": "{n}", "t": "n={n}", "deep": ["{a}"], "{n}": 1}, values) == {
        "n": 5,
        "t": "n=5",
        "deep": ["{b}"],
        "{n}": 1,
    }


def test_paths() -> None:
    document: Any = {"a": [{"b": 1}, {"b": 2}]}
    assert at_path(document, "a[1].b") == 2
    assert at_path(document, "a[9].b") is None
    assert at_path(document, "a.b") is None
