"""What Jira's tools answer and what its writes would do."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import NotFound, Rejected
from connectors.jira import CONNECTOR
from connectors.jira.documents import as_document, as_wiki, plain
from connectors.jira.tickets import words_of
from connectors.model import Effect, HealthStatus, Limits, Objects, ToolCall
from tests.connectors.log_lines import CLOCK, WINDOW
from tests.connectors.test_jira_contract import issues
from tests.support.jira_double import JiraDouble

BOTH = pytest.mark.parametrize("cloud", [True, False])


def make(server: JiraDouble) -> Any:
    kind = "cloud" if server.cloud else "data_center"
    email = "bot@acme.test" if server.cloud else None
    config = CONNECTOR.Config(server=server.url, email=email, token="tok", project="OPS", deployment=kind, writes=True)
    return CONNECTOR(name="jira/main", config=config, environment="production", clock=CLOCK)


def wish(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(connector="jira/main", tool=tool, arguments=arguments, window=WINDOW)


async def ask(server: JiraDouble, tool: str, **arguments: Any) -> Any:
    connector = make(server)
    try:
        return await connector.call(wish(tool, **arguments), Limits())
    finally:
        await connector.close()


async def write(server: JiraDouble, tool: str, **arguments: Any) -> Any:
    """As it is done after an approval: bound to the target that the preview saw."""
    seen = await preview(server, tool, **arguments)
    return await ask(server, tool, **arguments, uid=seen.target_uid, version=seen.target_version)


async def preview(server: JiraDouble, tool: str, **arguments: Any) -> Any:
    connector = make(server)
    try:
        return await connector.preview(wish(tool, **arguments))
    finally:
        await connector.close()


@BOTH
async def test_both_ways_of_paging(cloud: bool) -> None:
    async with JiraDouble(issues(), cloud=cloud) as server:
        result = await ask(server, "search_issues", jql="project = OPS", limit=120)
        assert len(result.payload.items) == 120
        assert "there are more" in str(result.truncated)
        assert result.stats.api_calls == 2
        pages = [r.body.get("nextPageToken", r.body.get("startAt")) for r in server.requests]
    assert pages == ([None, "100"] if cloud else [0, 100])


@BOTH
async def test_similar_tickets_come_most_alike_first(cloud: bool) -> None:
    async with JiraDouble(issues(), cloud=cloud) as server:
        found = (await ask(server, "search_similar", words=["why is payment refused?", "payment"])).payload
        newest = (await ask(server, "search_similar", limit=3)).payload
    assert isinstance(found, Objects)
    assert [item.name for item in found.items] == ["OPS-7", "OPS-9", "OPS-11"]
    assert found.items[0].fields["url"] == f"{server.url}/browse/OPS-7"
    assert len(newest.items) == 3
    assert {str(item.fields["created"])[:10] for item in newest.items} == {"2026-01-28"}


async def test_the_guard_refuses_what_is_no_search() -> None:
    async with JiraDouble(issues(), cloud=True) as server:
        with pytest.raises(Rejected):
            await ask(server, "search_issues", jql="DELETE FROM issues")
        with pytest.raises(Rejected, match="not on the list"):
            await ask(server, "search_issues", jql="project = run(OPS)")
        assert server.requests == []


def test_writes_are_declared_as_writes() -> None:
    config = CONNECTOR.Config(server="https://acme.atlassian.net", email="a@b.c", token="t", writes=True)
    connector = CONNECTOR(name="jira/main", config=config, environment="production", clock=CLOCK)
    writes = {tool.name for tool in connector.tools() if tool.effect is Effect.WRITE}
    assert writes == {"create_issue", "add_comment", "transition_issue", "link_issues", "unlink_issues"}
    reading = CONNECTOR.Config(server="https://acme.atlassian.net", email="a@b.c", token="t")
    connector = CONNECTOR(name="jira/main", config=reading, environment="production", clock=CLOCK)
    assert all(tool.effect is Effect.READ for tool in connector.tools()), "changes nothing unless it says so"
    assert config.is_cloud


@BOTH
async def test_a_preview_changes_nothing_and_shows_the_exact_fields(cloud: bool) -> None:
    async with JiraDouble(issues(), cloud=cloud) as server:
        before = server.fingerprint()
        made = await preview(
            server, "create_issue", summary="Payment\nfails", labels=["inquest"], description="See {x}"
        )
        comment = await preview(server, "add_comment", key="OPS-7", body="Found it")
        moved = await preview(server, "transition_issue", key="OPS-7", to="in progress")
        linked = await preview(server, "link_issues", key="OPS-7", other="OPS-9")
        assert server.fingerprint() == before
    assert (made.target, made.target_uid) == ("project OPS", "100")
    assert '"summary": "Payment fails"' in made.diff
    assert '"inquest"' in made.diff
    assert comment.target_version == "To Do"
    assert comment.target_uid == "1007"
    assert "- status: To Do\n+ status: In Progress" in moved.diff
    assert "OPS-7 Relates OPS-9" in linked.diff


@BOTH
async def test_writes_do_one_thing_and_answer_the_ticket_as_it_is_then(cloud: bool) -> None:
    async with JiraDouble(issues(), cloud=cloud) as server:
        made = (await write(server, "create_issue", summary="Payment fails", description="It [broke]")).payload.items[0]
        assert made.name == "OPS-131"
        stored = server.issues["OPS-131"]["description"]
        assert plain(stored).strip() == "It [broke]" if cloud else stored == "It \\[broke\\]"
        noted = (await write(server, "add_comment", key="OPS-7", body="Found it")).payload.items[0]
        assert "Found it" in noted.fields["comments"][-1]["text"]
        moved = (await write(server, "transition_issue", key="OPS-7", to="In Progress")).payload.items[0]
        assert moved.fields["status"] == "In Progress"
        await write(server, "link_issues", key="OPS-7", other="OPS-9", type="Blocks")
        assert server.links[0]["type"] == {"name": "Blocks"}


async def test_a_status_that_cannot_be_reached_names_those_that_can() -> None:
    async with JiraDouble(issues(), cloud=True) as server:
        with pytest.raises(NotFound, match="It can move to: In Progress"):
            await write(server, "transition_issue", key="OPS-7", to="Done")
        with pytest.raises(Rejected, match="key"):
            await ask(server, "get_issue", key="OPS-7/../../myself")


async def test_check_tells_what_the_account_may_change() -> None:
    async with JiraDouble(issues(), cloud=True, may=frozenset({"ADD_COMMENTS", "DELETE_ISSUES"})) as server:
        connector = make(server)
        health = await connector.check()
        await connector.close()
    assert health.status is HealthStatus.DEGRADED
    assert health.writable is True
    assert "delete issues" in health.detail


def test_documents_are_plain_text_both_ways() -> None:
    hostile = "h1. {code}rm{code}\n[~ada] !http://evil/x.png!"
    assert plain(as_document(hostile)).strip() == hostile
    assert as_wiki("[~ada] {x}") == "\\[~ada\\] \\{x\\}"
    deep: Any = "end"
    for _ in range(5_000):
        deep = {"type": "paragraph", "content": [deep]}
    assert plain(deep).strip() == ""


def test_words_worth_looking_for() -> None:
    assert words_of('Why is "payment-service" slow? ORDER BY x') == ["payment-service", "slow", "order"]
    assert words_of('a") OR project = SECRET --') == ["project", "secret"]
