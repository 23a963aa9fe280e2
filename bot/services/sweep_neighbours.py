"""Which services call each other, asked of every source that can tell; so that one cause is one page."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from datetime import timedelta

from bot.domain.question import Source
from bot.services.catalogue import Catalogue
from bot.services.execute import Execute
from bot.services.unrecorded import ask_unrecorded
from connectors.model import Clock, JsonObject, Payload, SeriesSet, TimeWindow, ToolCall, Traces

_TOOLS = ("get_dependency_signals", "get_topology")
_BEFORE = timedelta(minutes=30)
_MOST = 10_000


class Neighbourhood:
    """What the last `refresh` learned; a source that does not answer keeps what it said before."""

    def __init__(self, *, execute: Execute, catalogue: Catalogue, clock: Clock) -> None:
        self._execute, self._catalogue, self._clock = execute, catalogue, clock
        self._near: dict[str, set[str]] = {}

    def __call__(self, service: str) -> Collection[str]:
        """Services that this one calls or is called by."""
        return self._near.get(service, ())

    async def refresh(self) -> None:
        """Ask; never raises for a source that fails."""
        sources = (await self._catalogue.setting()).sources
        wanted = [(source, tool.name) for source in sources for tool in source.tools if tool.name in _TOOLS]
        for payload in await asyncio.gather(*(self._ask(source, tool) for source, tool in wanted)):
            for one, other in _edges(payload) if payload is not None else ():
                if len(self._near) < _MOST and one != other:
                    self._catalogue.note_call(one, other)
                    self._near.setdefault(one, set()).add(other)
                    self._near.setdefault(other, set()).add(one)

    async def _ask(self, source: Source, tool: str) -> Payload | None:
        now = self._clock.now()
        arguments: JsonObject = {"baseline_minutes": 0} if tool == "get_dependency_signals" else {}
        window = TimeWindow(start=now - _BEFORE, end=now)
        call = ToolCall(connector=source.name, tool=tool, arguments=arguments, window=window)
        execution = await ask_unrecorded(self._execute, call, stream=f"sweep/neighbours/{source.name}")
        return execution.evidence.payload if execution.evidence else None


def _edges(payload: Payload) -> Iterator[tuple[str, str]]:
    if isinstance(payload, Traces):
        yield from ((edge.caller, edge.callee) for edge in payload.edges)
    elif isinstance(payload, SeriesSet):
        for series in payload.series:
            caller, callee = series.labels.get("caller"), series.labels.get("callee")
            if caller and callee:
                yield caller, callee
