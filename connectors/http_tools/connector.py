"""The HTTP tools connector: each configured tool as a typed tool of this instance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, JsonValue, ValidationError

from connectors._json import mapping
from connectors._linked import LinkedConnector
from connectors._writes import OutcomeArguments
from connectors.base import Answer, Ask, parse_arguments
from connectors.errors import ConnectorError, Malformed, NotFound, Rejected
from connectors.http import HttpClient, Reply, looks_like_html
from connectors.http_tools.addresses import check_host
from connectors.http_tools.arguments import arguments_of
from connectors.http_tools.changing import Changing
from connectors.http_tools.config import HttpTool, HttpToolsConfig
from connectors.http_tools.shaping import shaped
from connectors.http_tools.template import fill_body, fill_path, fill_query, window_values
from connectors.model import (
    Effect,
    EvidenceKind,
    Health,
    HealthStatus,
    JsonObject,
    Payload,
    Preview,
    SchemaEntry,
    SourceRef,
    SourceSchema,
    Text,
    Tool,
    ToolCall,
)

_PROBE_BYTES = 4_000_000
_SHOWN_HEADERS = ("content-type", "content-length", "last-modified", "etag", "age", "server")


class HttpToolsConnector(LinkedConnector[HttpToolsConfig, HttpClient]):
    """Asks one base address, and nothing else, in the configured ways."""

    type: ClassVar[str] = "http_tools"
    Config = HttpToolsConfig
    driver_errors = (ValidationError,)  # an answer whose values do not fit our types

    def make_link(self) -> HttpClient:
        return HttpClient(self.config, name=self.name)

    def prepare(self) -> None:
        self._described = {tool.name: tool for tool in self.config.tools}
        for described in self.config.tools:
            self.declare(_declared(described), self._runner(described))
        self._changing = Changing(self.link, self.config, name=self.name, clock=self.clock)
        if self.config.writes and any(tool.effect == "write" for tool in self.config.tools):
            self.declare(_READ_OUTCOME, self._read_outcome)

    def tools(self) -> Sequence[Tool]:
        return [tool for tool in super().tools() if self.config.writes or tool.effect is Effect.READ]

    def translate(self, error: Exception) -> ConnectorError:
        return Malformed(f"{self.name} answered something that does not fit the tool's `answer`.")

    async def probe(self) -> Health:
        await self._allowed()
        path = self.config.check_path
        try:
            await self.link.request("GET", path or "/", max_bytes=_PROBE_BYTES, timeout_s=8.0)
        except (NotFound, Rejected):
            if path is not None:
                raise
        writes = [tool.name for tool in self.config.tools if tool.effect == "write" and self.config.writes]
        words = f"Answers; {len(self.config.tools)} tools"
        words += f", of which {', '.join(writes)} write after an approval" if writes else ", all of them read"
        return Health(status=HealthStatus.HEALTHY, latency_ms=0.0, detail=f"{words}.", writable=bool(writes) or None)

    async def describe(self) -> SourceSchema:
        entries = (
            SchemaEntry(name=f"{tool.method} {tool.path}", kind=tool.effect, description=tool.summary)
            for tool in self.config.tools
        )
        return SourceSchema(entries=tuple(entries))

    async def preview(self, call: ToolCall) -> Preview:
        """What a write would send, to the letter, and its target as it is; nothing is sent."""
        described, arguments = self._write(call)
        values = arguments.model_dump(mode="json") | window_values(call.window)
        path, query, body = _request(described, values)
        asked = _shown(described.method, path, query, body)
        where = f"{self.config.url}{path}"
        if described.target is None:
            return Preview(target=where, diff=asked, warnings=("Nothing tells afterwards whether it was carried out.",))
        await self._allowed()
        return await self._changing.preview(described.target, values, target_name=where, asked=asked)

    def _write(self, call: ToolCall) -> tuple[HttpTool, BaseModel]:
        described = self._described.get(call.tool)
        if described is None or described.effect != "write":
            raise Rejected(f"{call.tool} changes nothing, so there is nothing to preview.")
        if not self.config.writes:
            raise Rejected(f"{self.name} is set up for reading only. Set writes: true to allow approved changes.")
        return described, parse_arguments(self.tool(call.tool), call)

    async def _read_outcome(self, arguments: OutcomeArguments, ask: Ask) -> Answer:
        """Whether a write was carried out, told from its target."""
        described, wanted = self._write(ToolCall(connector="", tool=arguments.tool, arguments=arguments.arguments))
        await self._allowed()
        return await self._changing.outcome(described.target, wanted.model_dump(mode="json"), limits=ask.limits)

    def _runner(self, described: HttpTool) -> Any:
        async def run(arguments: BaseModel, ask: Ask) -> Answer:
            return await self._run(described, arguments, ask)

        return run

    async def _run(self, described: HttpTool, arguments: BaseModel, ask: Ask) -> Answer:
        values = arguments.model_dump(mode="json") | window_values(ask.window)
        path, query, body = _request(described, values)
        await self._allowed()
        headers: dict[str, str] = {}
        content = None
        if described.effect == "write":
            self._write(ToolCall(connector="", tool=described.name, arguments=arguments.model_dump(mode="json")))
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")) if body is not None else None
            headers = await self._changing.headers(described.target, values, content=content, limits=ask.limits)
        reply = await self.link.request(
            described.method,
            path,
            params=query or None,
            content=content,
            headers=headers,
            max_bytes=ask.limits.max_bytes,
            timeout_s=ask.limits.deadline_s,
        )
        if looks_like_html(reply.headers.get("content-type", ""), reply.body):
            raise Malformed(f"{self.name} answered with a web page instead of data.")
        payload = self._payload(described, reply)
        url = f"{self.config.url}{path}" if described.effect == "read" else None
        source = SourceRef(
            query=_shown(described.method, path, query, body)[:20_000], language="http", url=url, window=ask.window
        )
        return Answer(payload, source, bytes=len(reply.body))

    def _payload(self, described: HttpTool, reply: Reply) -> Payload:
        headers, body = reply.headers, reply.body
        if described.method == "HEAD" or (not body and described.effect == "write"):
            lines = [f"HTTP {reply.status}", *(f"{key}: {headers[key]}" for key in _SHOWN_HEADERS if key in headers)]
            return Text(text="\n".join(lines))
        words = self.link.clean
        if described.answer.kind == "text" and "json" not in headers.get("content-type", ""):
            return Text(text=body.decode("utf-8", "replace"))
        document = reply.json(self.name)
        failure = mapping(document).get("error") if not described.answer.items else None
        if isinstance(failure, str) and len(mapping(document)) == 1:
            raise Rejected(f"{self.name} refused the request: {words(failure)}.")
        return shaped(document, described.answer, name=self.name)

    async def _allowed(self) -> None:
        if self.config.proxy is not None:
            return  # the proxy resolves names, and its own rules hold
        parts = urlsplit(self.config.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        await check_host(parts.hostname or "", port, name=self.name, allow_private=self.config.allow_private)


_READ_OUTCOME = Tool(
    name="read_outcome",
    summary="Whether a write was carried out, told from its target.",
    arguments=OutcomeArguments,
    effect=Effect.READ,
    returns=frozenset({EvidenceKind.OBJECTS}),
)


def _declared(described: HttpTool) -> Tool:
    kinds = {EvidenceKind(described.answer.kind)}
    if described.method == "HEAD" or described.effect == "write":
        kinds.add(EvidenceKind.TEXT)
    summary = described.summary.strip()
    return Tool(
        name=described.name,
        summary=summary if summary.endswith(".") else f"{summary}.",
        arguments=arguments_of(described),
        effect=Effect(described.effect),
        returns=frozenset(kinds),
    )


def _request(described: HttpTool, values: JsonObject) -> tuple[str, dict[str, str | list[str]], JsonValue]:
    body = fill_body(described.body, values) if described.body is not None else None
    return fill_path(described.path, values), fill_query(described.query, values), body


def _shown(method: str, path: str, query: dict[str, str | list[str]], body: JsonValue) -> str:
    pairs = [f"{key}={one}" for key, value in query.items() for one in ([value] if isinstance(value, str) else value)]
    asked = f"{method} {path}" + ("?" + "&".join(pairs) if pairs else "")
    return asked if body is None else f"{asked}\n{json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True)}"
