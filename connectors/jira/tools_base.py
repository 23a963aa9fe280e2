"""What the tool modules of Jira share: readings, searches with both ways of paging."""

from __future__ import annotations

import json

from connectors._json import mapping, need_list, need_mapping, number, text
from connectors._reading import Reading
from connectors.base import Ask
from connectors.http import HttpClient
from connectors.jira.config import JiraConfig
from connectors.jira.tickets import FIELDS
from connectors.model import Clock, JsonObject

_PAGE = 100
_MOST_PAGES = 20


class Tools:
    """Base of the tool modules; the connector gives the client."""

    config: JiraConfig
    name: str
    clock: Clock
    link: HttpClient

    def reading(self, ask: Ask) -> Reading:
        return Reading(self.link, ask, name=self.name)

    async def search(self, reading: Reading, jql: str, *, most: int) -> list[JsonObject]:
        """Up to `most` issues in the order of the search."""
        pages = self._cloud_page if self.config.is_cloud else self._numbered_page
        found: list[JsonObject] = []
        place: str | None = None
        for _ in range(_MOST_PAGES):
            body: JsonObject = {"jql": jql, "maxResults": min(_PAGE, most - len(found)), "fields": list(FIELDS)}
            issues, place = await pages(reading, body, place)
            found += issues
            if place is None or not issues or len(found) >= most:
                break
        return found[:most]

    async def _cloud_page(
        self, reading: Reading, body: JsonObject, place: str | None
    ) -> tuple[list[JsonObject], str | None]:
        """Cloud: a token leads to the next page, and there is no total."""
        sent: JsonObject = {**body, **({"nextPageToken": place} if place else {})}
        answer = need_mapping(
            await reading.post(f"{self.config.root}/search/jql", sent, show=str(body["jql"])), reading.name, "issues"
        )
        following = None if answer.get("isLast") is True else text(answer, "nextPageToken")
        return need_list(answer.get("issues"), reading.name), following

    async def _numbered_page(
        self, reading: Reading, body: JsonObject, place: str | None
    ) -> tuple[list[JsonObject], str | None]:
        """Data Center: pages by number of the first issue, with a total."""
        begin = int(place or 0)
        sent: JsonObject = {**body, "startAt": begin}
        answer = need_mapping(
            await reading.post(f"{self.config.root}/search", sent, show=str(body["jql"])), reading.name, "issues"
        )
        issues = need_list(answer.get("issues"), reading.name)
        end = begin + len(issues)
        return issues, str(end) if end < (number(answer.get("total")) or 0) else None

    async def issue(self, reading: Reading, key: str, *, more: tuple[str, ...] = ()) -> JsonObject:
        """One issue by key."""
        params = {"fields": ",".join((*FIELDS, *more))}
        path = f"{self.config.root}/issue/{key}"
        return need_mapping(await reading.get(path, params, show=f"GET {path}"), reading.name, "key")

    async def transitions(self, reading: Reading, key: str) -> list[JsonObject]:
        """What this account may do with the issue's status now."""
        answer = await reading.get(f"{self.config.root}/issue/{key}/transitions")
        return need_list(need_mapping(answer, reading.name, "transitions").get("transitions"), reading.name)


def shown(fields: JsonObject) -> str:
    """The exact fields of a write, for a person to read."""
    return json.dumps(fields, ensure_ascii=False, indent=1, sort_keys=True)


def status_of(raw: JsonObject) -> str:
    return text(mapping(raw, "fields"), "status", "name") or "unknown"
