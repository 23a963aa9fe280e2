"""The marks that Inquest's writes leave in Jira, and how they are found again.

A ticket made carries a label, a comment ends with a line that names the proposal; a status and a link are what they
are. So a write whose answer was lost is settled by reading, and one that was made already is not made again.
"""

from __future__ import annotations

from pydantic import BaseModel

from connectors._json import listed, mapping, need_list, need_mapping, text
from connectors._reading import Reading
from connectors.errors import NotFound
from connectors.jira.arguments import (
    CommentArguments,
    CreateArguments,
    LinkArguments,
    TransitionArguments,
    UnlinkArguments,
)
from connectors.jira.documents import plain
from connectors.jira.tools_base import Tools, status_of
from connectors.model import JsonObject

_COMMENTS = "50"


def label_of(proposal: str) -> str:
    """The label of a ticket made for a proposal."""
    return f"inquest-{proposal}"


def line_of(proposal: str) -> str:
    """The last line of a comment made for a proposal."""
    return f"Written by Inquest for proposal {proposal}."


class Marks:
    """Looks for what a write would have left."""

    def __init__(self, tools: Tools, reading: Reading) -> None:
        self._tools = tools
        self._reading = reading

    async def done(self, arguments: BaseModel) -> tuple[bool, str]:
        """Whether it was carried out, and what tells so."""
        match arguments:
            case CreateArguments():
                key = await self.made(arguments.proposal)
                return bool(key), f"{key} carries its label" if key else "no ticket carries its label"
            case CommentArguments():
                found = await self._commented(arguments)
                return found, "the comment is there" if found else "no comment of it is there"
            case TransitionArguments():
                return await self._moved(arguments)
            case LinkArguments():
                found = await self.link(arguments) is not None
                return found, "the link is there" if found else "the link is not there"
            case UnlinkArguments():
                gone = await self.link(arguments) is None
                return gone, "the link is gone" if gone else "the link is there"
        raise NotFound("This is no write of Jira.")

    async def made(self, proposal: str) -> str | None:
        """The key of the ticket that was made for a proposal."""
        if not proposal:
            return None
        found = await self._tools.search(self._reading, f'labels = "{label_of(proposal)}"', most=1)
        return text(found[0], "key") if found else None

    async def link(self, arguments: LinkArguments | UnlinkArguments) -> str | None:
        """The id of the link between two tickets; None when there is none."""
        raw = await self._tools.issue(self._reading, arguments.key, more=("issuelinks",))
        for one in listed(mapping(raw, "fields").get("issuelinks")):
            named = text(one, "type", "name") == arguments.type
            if named and text(one, "outwardIssue", "key") == arguments.other:
                return text(one, "id")
        return None

    async def _commented(self, arguments: CommentArguments) -> bool:
        path = f"{self._tools.config.root}/issue/{arguments.key}/comment"
        answer = await self._reading.get(path, {"orderBy": "-created", "maxResults": _COMMENTS})
        comments = need_list(need_mapping(answer, self._reading.name, "comments").get("comments"), self._reading.name)
        wanted = line_of(arguments.proposal)
        return bool(arguments.proposal) and any(wanted in _words(one) for one in comments)

    async def _moved(self, arguments: TransitionArguments) -> tuple[bool, str]:
        """The status is the one that was wanted; it was another when this was approved."""
        status = status_of(await self._tools.issue(self._reading, arguments.key))
        return status.lower() == arguments.to.strip().lower(), f"its status is {status}"


def _words(comment: JsonObject) -> str:
    return " ".join(plain(comment.get("body")).split())
