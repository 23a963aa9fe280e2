"""Reading tools: search, similar tickets, one ticket, what can be done with it."""

from __future__ import annotations

from datetime import timedelta

from connectors._guarded import guarded
from connectors._json import text
from connectors.base import Answer, Ask, tool
from connectors.jira.arguments import IssueArguments, SearchArguments, SimilarArguments
from connectors.jira.tickets import likeness, ticket, words_of
from connectors.jira.tools_base import Tools
from connectors.model import Column, EvidenceKind, Objects, Rows

LANGUAGE = "jql"
_LOOKED_THROUGH = 100


class ReadTools(Tools):
    """Looks only."""

    @tool("Run a JQL search.", returns=[EvidenceKind.OBJECTS])
    async def search_issues(self, arguments: SearchArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.jql, dialect="jql")
        reading, limit = self.reading(ask), min(arguments.limit, ask.limits.max_rows)
        found = await self.search(reading, judged.text, most=limit + 1)
        if len(found) > limit:
            reading.note(f"first {limit:,} tickets; there are more")
        items = tuple(ticket(raw, self.config.link(text(raw, "key") or "")) for raw in found[:limit])
        return reading.answer(Objects(items=items), language=LANGUAGE, url=self._search_link(judged.text))

    @tool("Earlier tickets that speak of the same things, most alike first.", returns=[EvidenceKind.OBJECTS])
    async def search_similar(self, arguments: SimilarArguments, ask: Ask) -> Answer:
        reading, words = self.reading(ask), words_of(arguments.words)
        end = ask.window.end if ask.window else self.clock.now()
        since = (end - timedelta(days=arguments.days)).strftime("%Y-%m-%d")
        until = (end + timedelta(days=1)).strftime("%Y-%m-%d")
        parts = [f'created >= "{since}"', f'created < "{until}"']
        parts += [f"project = {self.config.project}"] if self.config.project else []
        if words:
            parts.append("(" + " OR ".join(f'text ~ "{word}"' for word in words) + ")")
        jql = f"{' AND '.join(parts)} ORDER BY created DESC"
        found = await self.search(reading, jql, most=_LOOKED_THROUGH if words else arguments.limit)
        items = [ticket(raw, self.config.link(text(raw, "key") or "")) for raw in found]
        if words:
            items.sort(key=lambda item: -likeness(item, words))
            if len(found) == _LOOKED_THROUGH:
                reading.note(f"only the newest {_LOOKED_THROUGH} tickets with any of the words were compared")
        url = self._search_link(jql)
        return reading.answer(Objects(items=tuple(items[: arguments.limit])), language=LANGUAGE, url=url)

    @tool("One ticket with its newest comments and its links.", returns=[EvidenceKind.OBJECTS])
    async def get_issue(self, arguments: IssueArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        raw = await self.issue(reading, arguments.key, more=("comment",))
        url = self.config.link(arguments.key)
        return reading.answer(Objects(items=(ticket(raw, url),)), language="http", url=url)

    @tool("The statuses a ticket can move to now.", returns=[EvidenceKind.ROWS])
    async def list_transitions(self, arguments: IssueArguments, ask: Ask) -> Answer:
        reading = self.reading(ask)
        found = await self.transitions(reading, arguments.key)
        columns = tuple(Column(name=name, type="text") for name in ("id", "transition", "to"))
        rows = tuple((text(one, "id"), text(one, "name"), text(one, "to", "name")) for one in found)
        url = self.config.link(arguments.key)
        return reading.answer(Rows(columns=columns, rows=rows), language="http", url=url)

    def _search_link(self, jql: str) -> str:
        from urllib.parse import urlencode

        return f"{self.config.server.rstrip('/')}/issues/?{urlencode({'jql': jql})}"
