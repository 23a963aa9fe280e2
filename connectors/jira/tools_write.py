"""Writing tools and their previews. They are declared as writes, so the gate runs them with an approval only.

Every write names the ticket by id and the status in which it was approved; Jira has no conditional requests, so they
are compared right before. A write that was carried out already, by its mark, is not sent again.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from connectors._json import listed, need_mapping, text
from connectors._reading import Reading
from connectors._writes import OutcomeArguments, WriteArguments, WritingConnector, outcome_item
from connectors.base import Answer, Ask, tool
from connectors.errors import NotFound, Rejected
from connectors.jira.arguments import (
    CommentArguments,
    CreateArguments,
    LinkArguments,
    TransitionArguments,
    UnlinkArguments,
)
from connectors.jira.config import JiraConfig
from connectors.jira.documents import as_document, as_wiki
from connectors.jira.marks import Marks, label_of, line_of
from connectors.jira.tickets import ticket
from connectors.jira.tools_base import Tools, shown, status_of
from connectors.model import Effect, EvidenceKind, JsonObject, Objects, Preview, ToolCall

_OBJECTS = (EvidenceKind.OBJECTS,)


class WriteTools(Tools, WritingConnector[JiraConfig]):
    """Changes tickets; every call does one thing."""

    @property
    def writes_on(self) -> bool:
        return self.config.writes

    @tool("Make a ticket.", returns=_OBJECTS, effect=Effect.WRITE)
    async def create_issue(self, arguments: CreateArguments, ask: Ask) -> Answer:
        reading = await self._ready(arguments, ask)
        fields = self._new_fields(arguments)
        path = f"{self.config.root}/issue"
        made = need_mapping(await reading.post(path, {"fields": fields}), reading.name, "key")
        return await self._as_it_is_now(reading, text(made, "key") or "")

    @tool("Add a comment to a ticket.", returns=_OBJECTS, effect=Effect.WRITE)
    async def add_comment(self, arguments: CommentArguments, ask: Ask) -> Answer:
        reading = await self._ready(arguments, ask)
        path = f"{self.config.root}/issue/{arguments.key}/comment"
        await reading.post(path, {"body": self._body(_comment(arguments))})
        return await self._as_it_is_now(reading, arguments.key)

    @tool("Move a ticket to another status.", returns=_OBJECTS, effect=Effect.WRITE)
    async def transition_issue(self, arguments: TransitionArguments, ask: Ask) -> Answer:
        reading = await self._ready(arguments, ask)
        chosen = await self._transition(reading, arguments)
        path = f"{self.config.root}/issue/{arguments.key}/transitions"
        body: JsonObject = {"transition": {"id": text(chosen, "id")}}
        return await self._sent(reading, "POST", path, arguments.key, body)

    @tool("Link two tickets.", returns=_OBJECTS, effect=Effect.WRITE)
    async def link_issues(self, arguments: LinkArguments, ask: Ask) -> Answer:
        reading = await self._ready(arguments, ask)
        return await self._sent(reading, "POST", f"{self.config.root}/issueLink", arguments.key, _link_body(arguments))

    @tool("Take away the link between two tickets.", returns=_OBJECTS, effect=Effect.WRITE)
    async def unlink_issues(self, arguments: UnlinkArguments, ask: Ask) -> Answer:
        reading = await self._ready(arguments, ask)
        link = await Marks(self, reading).link(arguments)
        return await self._sent(reading, "DELETE", f"{self.config.root}/issueLink/{link}", arguments.key, None)

    @tool("Whether a write was carried out, told from the mark it leaves.", returns=_OBJECTS)
    async def read_outcome(self, arguments: OutcomeArguments, ask: Ask) -> Answer:
        wanted = self._write_arguments(ToolCall(connector="", tool=arguments.tool, arguments=arguments.arguments))
        reading = self.reading(ask)
        applied, words = await Marks(self, reading).done(wanted)
        item = outcome_item(getattr(wanted, "key", None) or "ticket", applied=applied, settled=applied, text=words)
        return reading.answer(Objects(items=(item,)), language="http", url=None)

    # shared

    async def _ready(self, arguments: WriteArguments, ask: Ask) -> Reading:
        """A reading for the write when everything is as it was approved and nothing of it was done; else Rejected."""
        self._allowed()
        reading = self.reading(ask)
        uid, version, _ = await self._place(reading, arguments)
        if (uid, version) != (arguments.uid, arguments.version):
            raise Rejected("The ticket was changed since this was approved. Nothing was sent.")
        await self._not_done(reading, arguments)
        return reading

    async def _not_done(self, reading: Reading, arguments: WriteArguments) -> None:
        done, words = await Marks(self, reading).done(arguments)
        if done:
            raise Rejected(f"Nothing was sent: {words} already.")

    async def _place(self, reading: Reading, arguments: Any) -> tuple[str, str, JsonObject]:
        """Id and version of what is changed: the project of a new ticket, else the ticket with its status."""
        if isinstance(arguments, CreateArguments):
            path = f"{self.config.root}/project/{self._project(arguments)}"
            project = need_mapping(await reading.get(path), reading.name, "key")
            return text(project, "id") or "", "", project
        raw = await self.issue(reading, arguments.key)
        return text(raw, "id") or "", status_of(raw), raw

    async def _sent(self, reading: Reading, method: str, path: str, key: str, body: JsonValue) -> Answer:
        reading.say(f"{method} {path}" + (f" {shown(body)}" if isinstance(body, dict) else ""))
        await reading.send(method, path, body=body)
        return await self._as_it_is_now(reading, key)

    async def _as_it_is_now(self, reading: Reading, key: str) -> Answer:
        url = self.config.link(key)
        raw = await self.issue(reading, key, more=("comment",))
        return reading.answer(Objects(items=(ticket(raw, url),)), language="http", url=url)

    def _project(self, arguments: CreateArguments) -> str:
        project = arguments.project or self.config.project
        if not project:
            raise Rejected("No project is configured and none was given. Name one.")
        return project

    def _new_fields(self, arguments: CreateArguments) -> JsonObject:
        mark = [label_of(arguments.proposal)] if arguments.proposal else []
        fields: JsonObject = {
            "project": {"key": self._project(arguments)},
            "summary": " ".join(arguments.summary.split()),
            "issuetype": {"name": arguments.issue_type or self.config.issue_type},
        }
        if arguments.description:
            fields["description"] = self._body(arguments.description)
        if arguments.priority:
            fields["priority"] = {"name": arguments.priority}
        if arguments.labels or mark:
            fields["labels"] = [*arguments.labels, *mark]
        return fields

    def _body(self, words: str) -> JsonValue:
        return as_document(words) if self.config.is_cloud else as_wiki(words)

    async def _transition(self, reading: Reading, arguments: TransitionArguments) -> JsonObject:
        """The transition that leads to the status, or NotFound with those there are."""
        wanted = arguments.to.strip().lower()
        found = await self.transitions(reading, arguments.key)
        for one in found:
            if str(text(one, "to", "name")).lower() == wanted:
                return one
        there = ", ".join(sorted(str(text(one, "to", "name")) for one in found)) or "none"
        raise NotFound(f"{arguments.key} cannot move to {arguments.to!r} now. It can move to: {there}.")

    # previews: reads only

    async def preview_write(self, call: ToolCall, ask: Ask) -> Preview:
        """The target as it is now, and exactly what would be sent."""
        arguments = self._write_arguments(call)
        self._allowed()
        reading = self.reading(ask)
        uid, version, raw = await self._place(reading, arguments)
        diff = await self._difference(reading, arguments, raw)
        await self._not_done(reading, arguments)
        warnings = self._warnings(arguments, raw) if isinstance(arguments, CreateArguments) else ()
        target = f"project {text(raw, 'key')}" if isinstance(arguments, CreateArguments) else text(raw, "key") or "?"
        return Preview(target=target, target_uid=uid, target_version=version, diff=diff, warnings=warnings)

    async def _difference(self, reading: Reading, arguments: Any, raw: JsonObject) -> str:
        match arguments:
            case CreateArguments():
                return f"+ ticket\n{shown(self._new_fields(arguments))}"
            case CommentArguments():
                return f"+ comment on {arguments.key}:\n{_comment(arguments)}"
            case TransitionArguments():
                chosen = await self._transition(reading, arguments)
                step = f"- status: {status_of(raw)}\n+ status: {text(chosen, 'to', 'name')}"
                return f"{step}\n(transition {text(chosen, 'name')}, id {text(chosen, 'id')})"
            case LinkArguments():
                await self.issue(reading, arguments.other)
                return f"+ link: {arguments.key} {arguments.type} {arguments.other}"
            case UnlinkArguments():
                return f"- link: {arguments.key} {arguments.type} {arguments.other}"
        raise Rejected("This is no write of Jira.")

    def _warnings(self, arguments: CreateArguments, project: JsonObject) -> tuple[str, ...]:
        wanted = arguments.issue_type or self.config.issue_type
        kinds = [str(text(one, "name")) for one in listed(project.get("issueTypes"))]
        if not kinds or wanted in kinds:
            return ()
        return (f"{text(project, 'key')} has no tickets of type {wanted}; it has {', '.join(kinds)}.",)


def _comment(arguments: CommentArguments) -> str:
    return f"{arguments.body}\n{line_of(arguments.proposal)}" if arguments.proposal else arguments.body


def _link_body(arguments: LinkArguments) -> JsonObject:
    return {
        "type": {"name": arguments.type},
        "inwardIssue": {"key": arguments.key},
        "outwardIssue": {"key": arguments.other},
    }
