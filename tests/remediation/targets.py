"""Every write over HTTP that ships, with its double: what a test needs to carry it out and to see what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from connectors.base import Connector
from connectors.http_tools import CONNECTOR as HTTP_TOOLS
from connectors.jira import CONNECTOR as JIRA
from connectors.model import SystemClock, ToolCall
from tests.support.jira_double import JiraDouble
from tests.support.platform_double import SECRET, PlatformDouble

STAMP = "2026-02-01T10:00:00.000+0000"
TOOLS = yaml.safe_load(
    """
- name: set_flag
  summary: Switches a feature flag.
  method: PUT
  effect: write
  path: /flags/{flag}
  body: {enabled: "{enabled}", reason: "{proposal}"}
  parameters:
    flag: {type: string, pattern: "^[a-z0-9-]+$"}
    enabled: {type: boolean}
  target:
    {path: "/flags/{flag}", uid: id, version: version, if_match: true, mark: reason, fields: {enabled: "{enabled}"}}
- name: send_page
  summary: Tells the partner's duty desk.
  method: POST
  effect: write
  path: /hooks/desk
  body: {id: "{proposal}", severity: "{severity}", text: "{text}"}
  parameters:
    severity: {type: string, choices: [minor, major]}
    text: {type: string, max_length: 200}
  target: {path: "/hooks/desk/{proposal}", made: true, mark: id}
"""
)


@dataclass
class Target:
    """One write and its world."""

    name: str
    make: Callable[[], Connector[Any]]
    call: ToolCall
    back: ToolCall | None
    effects: Callable[[], int]
    change: Callable[[], object]
    """Somebody else changes the target; None when this write does not care."""


NAMES = (
    "flag", "webhook",
    *(f"{sort} {tool}" for sort in ("cloud", "data_center") for tool in ("create", "comment", "transition", "link")),
)  # fmt: skip


class Somewhere(Protocol):
    """A server at an address."""

    @property
    def url(self) -> str: ...


def platform(server: Somewhere) -> Connector[Any]:
    config = {"url": server.url, "token": "tok", "tools": TOOLS, "writes": True, "signing_secret": SECRET}
    checked = HTTP_TOOLS.Config.model_validate(config)
    return HTTP_TOOLS(name="http_tools/platform", config=checked, environment="production", clock=SystemClock())


def jira(server: JiraDouble) -> Connector[Any]:
    kind, email = ("cloud", "bot@acme.test") if server.cloud else ("data_center", None)
    config = JIRA.Config(server=server.url, email=email, token="tok", project="OPS", deployment=kind, writes=True)
    return JIRA(name="jira/main", config=config, environment="production", clock=SystemClock())


def tickets() -> dict[str, dict[str, Any]]:
    ticket = {"summary": "Payment is slow", "description": "", "status": {"name": "To Do"}, "labels": []}
    return {f"OPS-{n}": {**ticket, "created": STAMP, "updated": STAMP, "project": {"key": "OPS"}} for n in (1, 2)}


@contextlib.asynccontextmanager
async def a_target(name: str) -> AsyncIterator[tuple[Target, Any]]:
    """The target and its double."""
    if name in ("flag", "webhook"):
        async with PlatformDouble() as server:
            yield (_flag if name == "flag" else _webhook)(server), server
        return
    sort, tool = name.split()
    async with JiraDouble(tickets(), cloud=sort == "cloud") as site:
        yield _ticket(site, tool), site


def _flag(server: PlatformDouble) -> Target:
    def wish(enabled: bool) -> ToolCall:
        return ToolCall(
            connector="http_tools/platform", tool="set_flag", arguments={"flag": "fast-lane", "enabled": enabled}
        )

    flag = server.flags["fast-lane"]
    return Target(
        "flag", lambda: platform(server), wish(False), wish(True),
        lambda: int(flag["version"]) - 7, lambda: flag.update(version=99),
    )  # fmt: skip


def _webhook(server: PlatformDouble) -> Target:
    words = {"severity": "major", "text": "Payment is down: we roll back"}
    call = ToolCall(connector="http_tools/platform", tool="send_page", arguments=words)
    return Target(
        "webhook", lambda: platform(server), call, None,
        lambda: len(server.messages), lambda: server.messages.__setitem__("prop_1", {"id": "somebody else"}),
    )  # fmt: skip


_JIRA: dict[str, tuple[str, dict[str, Any], tuple[str, dict[str, Any]] | None]] = {
    "create": ("create_issue", {"summary": "Payment is slow since 14:02", "description": "See [the thread]"}, None),
    "comment": ("add_comment", {"key": "OPS-1", "body": "The release was rolled back."}, None),
    "transition": (
        "transition_issue", {"key": "OPS-1", "to": "In Progress"}, ("transition_issue", {"key": "OPS-1", "to": "To Do"})
    ),
    "link": (
        "link_issues", {"key": "OPS-1", "other": "OPS-2", "type": "Blocks"},
        ("unlink_issues", {"key": "OPS-1", "other": "OPS-2", "type": "Blocks"}),
    ),
}  # fmt: skip


def _ticket(site: JiraDouble, name: str) -> Target:
    tool, arguments, back = _JIRA[name]

    def effects() -> int:
        ticket = site.issues["OPS-1"]
        return {
            "create": len(site.issues) - 2,
            "comment": len(ticket.get("comment", {"comments": []})["comments"]),
            "transition": int(ticket["status"]["name"] == "In Progress"),
            "link": len(site.links),
        }[name]

    def change() -> None:
        if name == "create":
            site.project_id = "200"
        elif name == "link":
            site.issues["OPS-1"]["status"] = {"name": "In Progress"}
        else:
            site.issues["OPS-1"]["status"] = {"name": "Done"}

    undo = ToolCall(connector="jira/main", tool=back[0], arguments=back[1]) if back else None
    call = ToolCall(connector="jira/main", tool=tool, arguments=arguments)
    return Target(f"jira {name}", lambda: jira(site), call, undo, effects, change)
