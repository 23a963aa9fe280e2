"""The Jira connector: lifecycle, health and what there is; the tools are in the modules beside it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ValidationError

from connectors._json import mapping, need_list, need_mapping, text
from connectors._linked import LinkedConnector
from connectors._reading import Reading
from connectors.base import Ask
from connectors.errors import NotFound, Rejected
from connectors.http import HttpClient
from connectors.jira.config import JiraConfig
from connectors.jira.tools_read import ReadTools
from connectors.jira.tools_write import WriteTools
from connectors.model import (
    Health,
    HealthStatus,
    Limits,
    Preview,
    SchemaEntry,
    SourceSchema,
    ToolCall,
)

_PROBE = Limits(deadline_s=8.0, max_bytes=4_000_000)
_WRITES = ("CREATE_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES", "LINK_ISSUES", "DELETE_ISSUES", "ADMINISTER")
_MOST_PROJECTS = 500


class JiraConnector(ReadTools, WriteTools, LinkedConnector[JiraConfig, HttpClient]):
    """One site."""

    type: ClassVar[str] = "jira"
    Config = JiraConfig
    driver_errors = (ValidationError,)  # an answer whose values do not fit our types

    def make_link(self) -> HttpClient:
        return HttpClient(self.config.access(), name=self.name)

    async def probe(self) -> Health:
        """Who this is, and what it may change: writes go through approvals, so being able to write is no fault."""
        reading = self.reading(Ask(None, _PROBE, self.clock))
        me = need_mapping(await reading.get(f"{self.config.root}/myself"), self.name, "accountId", "name", "key")
        may = await self._may(reading)
        who = reading.http.clean(text(me, "displayName") or "someone")
        sort = "Cloud" if self.config.is_cloud else "Data Center"
        words = f"Jira {sort} as {who}"
        words += f"; may {', '.join(sorted(may)).lower().replace('_', ' ')}" if may else "; reads only"
        dangerous = may & {"DELETE_ISSUES", "ADMINISTER"}
        status = HealthStatus.DEGRADED if dangerous else HealthStatus.HEALTHY
        words += "; take away deleting and administering, which are never needed" if dangerous else ""
        return Health(status=status, latency_ms=0.0, detail=f"{words}.", writable=bool(may))

    async def _may(self, reading: Reading) -> set[str]:
        params = {"permissions": ",".join(_WRITES)} if self.config.is_cloud else {}
        if self.config.project:
            params["projectKey"] = self.config.project
        try:
            answer = await reading.get(f"{self.config.root}/mypermissions", params)
        except (NotFound, Rejected):
            return set()
        granted = mapping(answer, "permissions")
        return {name for name in _WRITES if mapping(granted, name).get("havePermission") is True}

    async def describe(self) -> SourceSchema:
        reading = self.reading(Ask(None, _PROBE, self.clock))
        if self.config.is_cloud:
            path = f"{self.config.root}/project/search"
            answer = await reading.get(path, {"maxResults": "100"})
            projects = need_list(need_mapping(answer, self.name, "values").get("values"), self.name)
        else:
            projects = need_list(await reading.get(f"{self.config.root}/project"), self.name)
        entries = tuple(
            SchemaEntry(name=text(one, "key") or "?", kind="project", description=text(one, "name"))
            for one in projects[:_MOST_PROJECTS]
        )
        return SourceSchema(entries=entries)

    async def preview(self, call: ToolCall) -> Preview:
        return await self.preview_write(call, Ask(call.window, _PROBE, self.clock))
