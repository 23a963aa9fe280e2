"""The MCP connector: each configured reading tool of a server, typed by the schema the server gives for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

from mcp import Client, MCPError
from pydantic import BaseModel, ValidationError

from connectors.base import Answer, Ask, ConfigType, Connector
from connectors.errors import ConnectorError, Malformed, NotFound, Rejected, TimedOut, Unavailable
from connectors.mcp.arguments import Given, Known, model_of
from connectors.mcp.config import McpConfig
from connectors.mcp.results import payload_of, tool_name, words_of
from connectors.mcp.transport import Trouble, connect
from connectors.model import (
    Clock,
    Effect,
    EvidenceKind,
    Health,
    HealthStatus,
    Limits,
    SchemaEntry,
    SourceRef,
    SourceSchema,
    Tool,
)
from connectors.redaction import clean_text

T = TypeVar("T")
_PROBE = Limits(deadline_s=8.0, max_bytes=4_000_000)
_MOST_PAGES = 20
_KINDS = frozenset({EvidenceKind.OBJECTS, EvidenceKind.TEXT})
_DRIVER_ERRORS = (MCPError, ExceptionGroup, ValidationError, RuntimeError, EOFError)
_CODES: dict[int, type[ConnectorError]] = {-32601: NotFound, -32602: Rejected, -32600: Rejected, -32001: TimedOut}


class McpConnector(Connector[McpConfig]):
    """Connects for each call: nothing is left behind by one that is cancelled."""

    type: ClassVar[str] = "mcp"
    Config = McpConfig
    driver_errors = _DRIVER_ERRORS

    def __init__(self, *, name: str, config: McpConfig, environment: str, clock: Clock) -> None:
        super().__init__(name=name, config=config, environment=environment, clock=clock)
        self._remote = {tool_name(one): one for one in config.read_tools}
        self._known: dict[str, Known] = {}
        self._learning: asyncio.Task[None] | None = None
        for ours, theirs in self._remote.items():
            self._declare(ours, Given, f"Calls {theirs} of the server.")

    def _declare(self, ours: str, arguments: ConfigType, summary: str) -> None:
        declared = Tool(name=ours, summary=summary, arguments=arguments, effect=Effect.READ, returns=_KINDS)
        self.declare(declared, self._runner(ours))

    def _runner(self, ours: str) -> Callable[[BaseModel, Ask], Awaitable[Answer]]:
        async def run(arguments: BaseModel, ask: Ask) -> Answer:
            return await self._run(ours, arguments, ask)

        return run

    async def open(self) -> None:
        """Begins to learn the schemas of the tools; does not wait for it."""
        if self._learning is None:
            self._learning = asyncio.create_task(self._learn_quietly())

    async def close(self) -> None:
        learning, self._learning = self._learning, None
        if learning is not None:
            learning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await learning

    def translate(self, error: Exception) -> ConnectorError:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, ConnectorError):
            return error
        if isinstance(error, MCPError):
            words = clean_text(error.message, self.config.secrets).rstrip(".")
            return _CODES.get(error.code, Unavailable)(f"{self.name} answered with an error: {words}.")
        if isinstance(error, OSError):
            return Unavailable(f"{self.name} cannot be started or reached.")
        return Malformed(f"{self.name} answered something unexpected.")

    async def probe(self) -> Health:
        found = await self._talk(_PROBE, self._learn)
        missing = sorted(set(self._remote.values()) - set(found))
        words = f"{len(self._remote)} of the server's {len(found)} tools can be called"
        if missing:
            words += f"; the server has no {', '.join(missing)}"
        status = HealthStatus.DEGRADED if missing else HealthStatus.HEALTHY
        return Health(status=status, latency_ms=0.0, detail=f"{clean_text(words, self.config.secrets)}.")

    async def describe(self) -> SourceSchema:
        found = await self._talk(_PROBE, self._learn)
        entries = tuple(
            SchemaEntry(name=name, kind="tool" if name in self.config.read_tools else "tool (not callable)")
            for name in sorted(found)
        )
        return SourceSchema(entries=entries)

    async def _run(self, ours: str, arguments: BaseModel, ask: Ask) -> Answer:
        theirs, size = self._remote[ours], [0]

        async def call(client: Client) -> Any:
            if ours not in self._known:
                await self._learn(client)
            values = (
                arguments.given
                if isinstance(arguments, Given)
                else arguments.model_dump(mode="json", exclude_unset=True)
            )
            known = self._known.get(ours)
            if known is None:
                raise NotFound(f"{self.name}: the server has no tool {theirs!r}.")
            known.check(values)
            return values, await client.call_tool(theirs, values)

        values, result = await self._talk(ask.limits, call, size)
        if result.is_error:
            raise Rejected(f"{self.name}: {theirs} failed: {clean_text(words_of(result.content), self.config.secrets)}")
        query = f"tools/call {theirs} {json.dumps(values, ensure_ascii=False)}"
        source = SourceRef(query=query[:20_000], language="mcp", url=self.config.url, window=ask.window)
        return Answer(payload_of(result.structured_content, result.content), source, bytes=size[0])

    async def _talk(self, limits: Limits, what: Callable[[Client], Awaitable[T]], size: list[int] | None = None) -> T:
        """One connection and what is done over it; ends at once when the way is broken."""
        trouble = Trouble()

        async def run() -> T:
            async with AsyncExitStack() as stack:
                client, watched = await connect(
                    stack, self.config, name=self.name, max_bytes=limits.max_bytes, trouble=trouble
                )
                found = await what(client)
                if watched is not None and size is not None:
                    size[0] = watched.received
                return found

        task = asyncio.create_task(run())
        try:
            waiting: set[asyncio.Future[Any]] = {task, trouble.fatal}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if trouble.fatal.done():
                raise trouble.fatal.result()
            return await task
        except _DRIVER_ERRORS as error:
            named = self.translate(error)
            raise trouble.soft if trouble.soft is not None and isinstance(error, MCPError) else named from error
        finally:
            trouble.fatal.cancel()
            await _ended(task)

    async def _learn_quietly(self) -> None:
        """A server that is down is no error here: `check` says so, and the next call asks again."""
        with contextlib.suppress(ConnectorError, OSError, TimeoutError, *_DRIVER_ERRORS):
            async with asyncio.timeout(_PROBE.deadline_s):
                await self._talk(_PROBE, self._learn)

    async def _learn(self, client: Client) -> list[str]:
        """The names of all tools of the server; those that may be called get their types."""
        found: dict[str, Any] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            found |= {tool.name: tool for tool in page.tools}
            cursor = page.next_cursor
            if cursor is None:
                break
        for ours, theirs in self._remote.items():
            if theirs in found and ours not in self._known:
                known = Known(found[theirs].input_schema, name=self.name)
                self._known[ours] = known
                words = " ".join((found[theirs].description or f"Calls {theirs} of the server").split())[:300]
                self._declare(ours, model_of(ours, known.schema), words if words.endswith(".") else f"{words}.")
        return list(found)


async def _ended(task: asyncio.Task[Any]) -> None:
    """Waits until a connection is given back; its errors were told already."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
