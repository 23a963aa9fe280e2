"""Writing tools and their previews. They are declared as writes, so the gate runs them with an approval only."""

from __future__ import annotations

from pydantic import JsonValue

from connectors._json import iso, listed, mapping, moment, need_mapping, text
from connectors._reading import Reading
from connectors.base import Answer, Ask, parse_arguments, tool
from connectors.errors import NotFound, Rejected
from connectors.jira.arguments import CommentArguments, CreateArguments, LinkArguments, TransitionArguments
from connectors.jira.documents import as_document, as_wiki
from connectors.jira.tickets import ticket
from connectors.jira.tools_base import Tools, shown, status_of
from connectors.model import Effect, EvidenceKind, JsonObject, Objects, Preview, Tool, ToolCall


class WriteTools(Tools):
    """Changes tickets; every call does one thing."""

    @tool("Make a ticket.", returns=[EvidenceKind.OBJECTS], effect=Effect.WRITE)
    async def create_issue(self, arguments: CreateArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        fields = self._new_fields(arguments)
        path = f"{self.config.root}/issue"
        made = need_mapping(await reading.post(path, {"fields": fields}), reading.name, "key")
        return await self._as_it_is_now(reading, text(made, "key") or "")

    @tool("Add a comment to a ticket.", returns=[EvidenceKind.OBJECTS], effect=Effect.WRITE)
    async def add_comment(self, arguments: CommentArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        path = f"{self.config.root}/issue/{arguments.key}/comment"
        await reading.post(path, {"body": self._body(arguments.body)})
        return await self._as_it_is_now(reading, arguments.key)

    @tool("Move a ticket to another status.", returns=[EvidenceKind.OBJECTS], effect=Effect.WRITE)
    async def transition_issue(self, arguments: TransitionArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        chosen = await self._transition(reading, arguments)
        path = f"{self.config.root}/issue/{arguments.key}/transitions"
        body: JsonObject = {"transition": {"id": text(chosen, "id")}}
        reading.say(f"POST {path} {shown(body)}")
        await reading.send("POST", path, body=body)
        return await self._as_it_is_now(reading, arguments.key)

    @tool("Link two tickets.", returns=[EvidenceKind.OBJECTS], effect=Effect.WRITE)
    async def link_issues(self, arguments: LinkArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        path, body = f"{self.config.root}/issueLink", _link_body(arguments)
        reading.say(f"POST {path} {shown(body)}")
        await reading.send("POST", path, body=body)
        return await self._as_it_is_now(reading, arguments.key)

    async def _as_it_is_now(self, reading: Reading, key: str) -> Answer:
        url = self.config.link(key)
        raw = await self.issue(reading, key, more=("comment",))
        return reading.answer(Objects(items=(ticket(raw, url),)), language="http", url=url)

    def _new_fields(self, arguments: CreateArguments) -> JsonObject:
        project = arguments.project or self.config.project
        if not project:
            raise Rejected("No project is configured and none was given. Name one.")
        fields: JsonObject = {
            "project": {"key": project},
            "summary": " ".join(arguments.summary.split()),
            "issuetype": {"name": arguments.issue_type or self.config.issue_type},
        }
        if arguments.description:
            fields["description"] = self._body(arguments.description)
        if arguments.priority:
            fields["priority"] = {"name": arguments.priority}
        if arguments.labels:
            fields["labels"] = list(arguments.labels)
        return fields

    def _body(self, words: str) -> JsonValue:
        return as_document(words) if self.config.is_cloud else as_wiki(words)

    async def _transition(self, reading: Reading, arguments: TransitionArguments) -> JsonObject:
        """The transition that leads to the status, or NotFound with those there are."""
        wanted = arguments.to.strip().lower()
        found = await self.transitions(reading, arguments.key)
        for one in found:
            if wanted in {str(text(one, "to", "name")).lower(), str(text(one, "name")).lower()}:
                return one
        there = ", ".join(sorted(str(text(one, "to", "name")) for one in found)) or "none"
        raise NotFound(f"{arguments.key} cannot move to {arguments.to!r} now. It can move to: {there}.")

    # previews: reads only

    async def preview_write(self, declared: Tool, call: ToolCall, ask: Ask) -> Preview:
        """The target as it is now, and exactly what would be sent."""
        reading, arguments = self.reading(ask), parse_arguments(declared, call)
        match arguments:
            case CreateArguments():
                return await self._preview_create(reading, arguments)
            case CommentArguments():
                raw = await self.issue(reading, arguments.key)
                return _preview(raw, f"+ comment on {arguments.key}:\n{arguments.body}")
            case TransitionArguments():
                raw = await self.issue(reading, arguments.key)
                chosen = await self._transition(reading, arguments)
                step = f"- status: {status_of(raw)}\n+ status: {text(chosen, 'to', 'name')}"
                return _preview(raw, f"{step}\n(transition {text(chosen, 'name')}, id {text(chosen, 'id')})")
            case LinkArguments():
                raw = await self.issue(reading, arguments.key)
                await self.issue(reading, arguments.other)
                return _preview(raw, f"+ link: {arguments.key} {arguments.type} {arguments.other}")
        raise Rejected(f"{call.tool} changes nothing, so there is nothing to preview.")

    async def _preview_create(self, reading: Reading, arguments: CreateArguments) -> Preview:
        fields = self._new_fields(arguments)
        key = text(fields, "project", "key")
        path = f"{self.config.root}/project/{key}"
        project = need_mapping(await reading.get(path), reading.name, "key")
        wanted = text(fields, "issuetype", "name") or ""
        kinds = [str(text(one, "name")) for one in listed(project.get("issueTypes"))]
        warnings: tuple[str, ...] = ()
        if kinds and wanted not in kinds:
            warnings = (f"{key} has no tickets of type {wanted}; it has {', '.join(kinds)}.",)
        return Preview(
            target=f"project {key}",
            target_uid=text(project, "id"),
            diff=f"+ ticket\n{shown(fields)}",
            warnings=warnings,
        )


def _link_body(arguments: LinkArguments) -> JsonObject:
    return {
        "type": {"name": arguments.type},
        "inwardIssue": {"key": arguments.key},
        "outwardIssue": {"key": arguments.other},
    }


def _preview(raw: JsonObject, diff: str) -> Preview:
    version = iso(moment(mapping(raw, "fields").get("updated")))
    return Preview(target=text(raw, "key") or "?", target_uid=text(raw, "id"), target_version=version, diff=diff)
