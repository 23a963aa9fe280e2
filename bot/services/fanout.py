"""Asks many sources at once, each under its own deadline, and stops at once when a person says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.domain.events import EventKind
from bot.domain.evidence import ChosenBy
from bot.domain.ids import investigation_stream
from bot.domain.question import PlannedCall
from bot.domain.states import InvestigationState, PhaseName
from bot.errors import BotError
from bot.services.execute import Execute
from bot.services.journal import Journal
from bot.store import Store

_PHASE = PhaseName.COLLECT.value
_Todo = tuple[str, PlannedCall, bool]


class StopRequested(Exception):
    """A person asked to pause or cancel, and this is a safe point."""

    def __init__(self, target: InvestigationState, by: str) -> None:
        super().__init__(target.value)
        self.target = target
        self.by = by


class FanOut:
    """The collect phase of one investigation."""

    def __init__(self, *, store: Store, execute: Execute, journal: Journal) -> None:
        self._store = store
        self._execute = execute
        self._journal = journal
        self._stream = investigation_stream(journal.state.id)

    async def run(self, planned: Sequence[PlannedCall]) -> int:
        """Run every call whose finish is not in the log yet; their starts share one commit.

        Returns how many ran. Raises StopRequested when somebody asked to pause or cancel meanwhile: calls in flight
        are cancelled (the cancel reaches the backends) and, being reads without a committed finish, asked again after
        a resume.
        """
        todo = self._todo(planned)
        if not todo:
            return 0
        await self._record_starts(todo)
        stop = asyncio.create_task(self._stop_request())
        calls = [asyncio.create_task(self._one(execution_id, item)) for execution_id, item, _ in todo]
        try:
            await _first_of(calls, stop)
        finally:
            for task in (*calls, stop):
                task.cancel()
            await asyncio.gather(*calls, stop, return_exceptions=True)
        return len(todo)

    def _todo(self, planned: Sequence[PlannedCall]) -> list[_Todo]:
        """(execution id, call, whether its start is in the log) of every call without a committed finish."""
        by_digest = {record.call.digest: record for record in self._journal.state.executions}
        todo: list[_Todo] = []
        chosen: set[str] = set()
        for item in planned:
            digest = item.call.digest
            record = by_digest.get(digest)
            if digest in chosen or (record is not None and record.outcome is not None):
                continue
            chosen.add(digest)
            todo.append((record.id if record else self._execute.execution_id(), item, record is not None))
        return todo

    async def _record_starts(self, todo: Sequence[_Todo]) -> None:
        starts = [
            self._execute.started_event(execution_id, item.call, by=ChosenBy.REASONER, phase=_PHASE, why=item.why)
            for execution_id, item, known in todo
            if not known
        ]
        if starts:
            await self._journal.record(starts)

    async def _one(self, execution_id: str, item: PlannedCall) -> None:
        await self._execute.run(
            item.call,
            by=ChosenBy.REASONER,
            stream=self._stream,
            phase=_PHASE,
            execution_id=execution_id,
            why=item.why,
        )

    async def _stop_request(self) -> StopRequested:
        """Waits until somebody asks to pause or cancel."""
        async for event in self._store.follow(self._stream, after=self._journal.state.seq):
            if event.kind is EventKind.CANCEL_REQUESTED:
                return StopRequested(InvestigationState.CANCELLED, event.actor)
            if event.kind is EventKind.PAUSE_REQUESTED:
                return StopRequested(InvestigationState.PAUSED, event.actor)
        raise BotError("The event log ended while an investigation was running.")


async def _first_of(calls: Sequence[asyncio.Task[None]], stop: asyncio.Task[StopRequested]) -> None:
    """Returns when all calls ended; raises what a call raised, or the stop, as soon as it is there."""
    waiting: set[asyncio.Task[None] | asyncio.Task[StopRequested]] = {*calls, stop}
    while not all(call.done() for call in calls):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if stop in done:
            raise stop.result()
        for call in done:
            call.result()
    for call in calls:
        call.result()
