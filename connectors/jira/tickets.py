"""Issues as typed items, and how alike two texts are. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import JsonValue

from connectors._json import iso, listed, mapping, moment, text
from connectors.jira.documents import plain
from connectors.model import Item, JsonObject

FIELDS = (
    "summary",
    "status",
    "priority",
    "issuetype",
    "project",
    "assignee",
    "reporter",
    "created",
    "updated",
    "resolutiondate",
    "resolution",
    "labels",
    "components",
    "description",
    "issuelinks",
)
_MOST_TEXT = 4_000
_MOST_COMMENTS = 10
_WORD = re.compile(r"[^\W_][\w.\-]*", re.UNICODE)


def ticket(raw: JsonObject, url: str) -> Item:
    """One issue."""
    fields = mapping(raw, "fields")
    components: list[JsonValue] = [name for one in listed(fields.get("components")) if (name := text(one, "name"))]
    labels = fields.get("labels")
    return Item(
        api_kind="Ticket",
        name=text(raw, "key") or "unknown",
        namespace=text(fields, "project", "key"),
        uid=text(raw, "id"),
        fields={
            "summary": text(fields, "summary"),
            "status": text(fields, "status", "name"),
            "status_category": text(fields, "status", "statusCategory", "key"),
            "type": text(fields, "issuetype", "name"),
            "priority": text(fields, "priority", "name"),
            "assignee": text(fields, "assignee", "displayName"),
            "reporter": text(fields, "reporter", "displayName"),
            "created": iso(moment(fields.get("created"))),
            "updated": iso(moment(fields.get("updated"))),
            "resolved": iso(moment(fields.get("resolutiondate"))),
            "resolution": text(fields, "resolution", "name"),
            "labels": list(labels) if isinstance(labels, list) else [],
            "components": components,
            "description": plain(fields.get("description")).strip()[:_MOST_TEXT] or None,
            "links": _links(fields),
            "comments": _comments(fields),
            "url": url,
        },
    )


def _links(fields: JsonObject) -> list[JsonValue]:
    found: list[JsonValue] = []
    for link in listed(fields.get("issuelinks")):
        for side in ("inward", "outward"):
            key = text(link, f"{side}Issue", "key")
            if key:
                found.append({"relation": text(link, "type", side), "key": key})
    return found


def _comments(fields: JsonObject) -> list[JsonValue]:
    """The newest comments, oldest first."""
    every = listed(mapping(fields, "comment").get("comments"))[-_MOST_COMMENTS:]
    return [
        {
            "at": iso(moment(one.get("created"))),
            "by": text(one, "author", "displayName"),
            "text": plain(one.get("body")).strip()[:_MOST_TEXT],
        }
        for one in every
    ]


def words_of(asked: str | Sequence[str]) -> list[str]:
    """Words worth looking for, each once: three letters or more, letters, digits, dots and dashes only."""
    joined = asked if isinstance(asked, str) else " ".join(asked)
    found = (match.rstrip(".-") for match in _WORD.findall(joined.lower()))
    return list(dict.fromkeys(word for word in found if len(word) > 2 and word not in _COMMON))[:20]


_COMMON = frozenset(
    """
    the and for with from that this are was were why what when where which who how has have had not but into since
    our your their its than then there here can could should would will did does doing been being about after before
    """.split()
)


def likeness(item: Item, words: Sequence[str]) -> float:
    """How many of the words the ticket holds; one in the summary counts double."""
    summary = str(item.fields.get("summary") or "").lower()
    rest = f"{item.fields.get('description') or ''} {item.fields.get('labels')} {item.fields.get('components')}".lower()
    return sum(2.0 if word in summary else 1.0 if word in rest else 0.0 for word in words)
