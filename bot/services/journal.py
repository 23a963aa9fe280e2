"""The pen of one investigation: batches what happens at the same moment into one commit, and notices requests.

Only the worker that holds the claim writes here, under its fence. People's requests land in the same stream from
elsewhere; they are folded in when the sequence shows that somebody else wrote.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.events import NewEvent
from bot.domain.evidence import Evidence
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.errors import SequenceConflict
from bot.store import Fence, Store

_MOST_CONFLICTS = 50
# A lease has at least this long to run after a proof that it is ours; a freeze that loses it lasts longer.
_SURE_S = 1.0
_RENEWED_S = 2.0


@dataclass
class _Entry:
    events: Sequence[NewEvent]
    evidence: Sequence[Evidence]
    done: asyncio.Future[None]


class Journal:
    """Appends to one investigation's stream. `state` is the investigation after everything that was committed."""

    def __init__(self, store: Store, state: Investigation, fence: Fence | None) -> None:
        self._store = store
        self._fence = fence
        self._stream = investigation_stream(state.id)
        self._pending: list[_Entry] = []
        self._flushing = False
        self._proved_at = time.monotonic()
        self.state = state

    async def still_ours(self) -> None:
        """FenceLost when another worker has it. Asked before every call that leaves the house: this process may have
        been frozen, and then neither the clock nor the lease waited for it.
        """
        if self._fence is None or time.monotonic() - self._proved_at < _SURE_S:
            return
        asked_at = time.monotonic()
        await self._store.renew(self._fence, lease_s=_RENEWED_S)
        self._proved_at = asked_at

    async def record(self, events: Sequence[NewEvent], evidence: Sequence[Evidence] = ()) -> None:
        """Commit the events, all or none; returns after the commit.

        Calls that arrive while a commit is under way share the next one. FenceLost when another worker took over.
        """
        entry = _Entry(events, evidence, asyncio.get_running_loop().create_future())
        self._pending.append(entry)
        if not self._flushing:
            await asyncio.shield(asyncio.ensure_future(self._flush()))
        await entry.done

    async def refresh(self) -> Investigation:
        """Read what others wrote since."""
        self.state = await self._store.investigation(self.state.id)
        return self.state

    async def _flush(self) -> None:
        self._flushing = True
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                await self._commit(batch)
        finally:
            self._flushing = False

    async def _commit(self, batch: list[_Entry]) -> None:
        events = [event for entry in batch for event in entry.events]
        evidence = [item for entry in batch for item in entry.evidence]
        try:
            await self._append(events, evidence)
        except BaseException as error:
            for entry in batch:
                if not entry.done.done():
                    entry.done.set_exception(error)
                    entry.done.exception()  # retrieved here too, in case the waiter was cancelled
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            for entry in batch:
                if not entry.done.done():
                    entry.done.set_result(None)

    async def _append(self, events: list[NewEvent], evidence: list[Evidence]) -> None:
        for _ in range(_MOST_CONFLICTS):
            started_at = time.monotonic()
            try:
                appended = await self._store.append(
                    self._stream,
                    expected_seq=self.state.seq,
                    events=events,
                    evidence=evidence,
                    fence=self._fence,
                )
            except SequenceConflict:
                await self.refresh()
                continue
            self._proved_at = started_at
            if appended.investigation is not None:
                self.state = appended.investigation
            return
        raise SequenceConflict("Too many others write to this investigation at once.")
