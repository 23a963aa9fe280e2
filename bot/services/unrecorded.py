"""Calls through the gate that are not told event by event: those of ticks, which would drown the log."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.events import NewEvent
from bot.domain.evidence import ChosenBy, Evidence, ToolExecution
from bot.domain.ids import StreamId
from bot.services.execute import Execute
from connectors.model import ToolCall


class Unrecorded:
    """A recorder that keeps nothing; a tick is summed up in SweepRan."""

    async def record(self, events: Sequence[NewEvent], evidence: Sequence[Evidence] = ()) -> None:
        return None


async def ask_unrecorded(execute: Execute, call: ToolCall, *, stream: StreamId) -> ToolExecution:
    """One call of a sweep; `stream` keeps its budget apart from others that run at the same time."""
    execute.attach(stream, Unrecorded())
    try:
        return await execute.run(call, by=ChosenBy.SWEEP, stream=stream)
    finally:
        execute.detach(stream)
