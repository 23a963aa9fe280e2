"""Finds investigations in which nothing happens any more, and says so where people look: in the card."""

from __future__ import annotations

from datetime import timedelta

import structlog

from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Gap, GapReason
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.errors import SequenceConflict
from bot.services.duty import keep_duty
from bot.store import Store
from connectors.model import Clock, JsonObject

log = structlog.get_logger(__name__)

QUIET_S = 600.0
"""No step takes this long: calls, thinking and waits all have deadlines far below it."""
_EVERY_S = 30.0
_WAITING = frozenset({InvestigationState.CREATED, InvestigationState.QUEUED, InvestigationState.RETRYING})


class Watchdog:
    """One process at a time has this duty. A worker cuts what is stuck in its own hands; this only speaks."""

    def __init__(self, *, store: Store, clock: Clock, name: str, quiet_s: float = QUIET_S) -> None:
        self._store = store
        self._clock = clock
        self._name = name
        self._quiet_s = quiet_s

    async def run(self) -> None:
        """Look every half minute, until cancelled."""
        await keep_duty(
            "watchdog", self.look, store=self._store, worker=self._name, every_s=_EVERY_S, lease_s=2 * _EVERY_S
        )

    async def look(self) -> list[str]:
        """Note each quiet investigation once; gives the ids of those noted now."""
        before = self._clock.now() - timedelta(seconds=self._quiet_s)
        quiet = await self._store.quiet_since(before)
        return [investigation.id for investigation in quiet if await self._note(investigation)]

    async def _note(self, quiet: Investigation) -> bool:
        gap = Gap(source="inquest", reason=GapReason.UNAVAILABLE, text=self._words(quiet))
        if gap in quiet.gaps:
            return False
        payload: JsonObject = {"gap": gap.model_dump(mode="json")}
        event = NewEvent(kind=EventKind.GAP_NOTED, actor="system:watchdog", at=self._clock.now(), payload=payload)
        try:
            await self._store.append(investigation_stream(quiet.id), expected_seq=quiet.seq, events=[event])
        except SequenceConflict:
            return False  # it moved
        log.warning("investigation.stuck", investigation=quiet.id, state=quiet.state.value)
        return True

    def _words(self, quiet: Investigation) -> str:
        span = f"{self._quiet_s / 60:.0f} minutes"
        if quiet.state in _WAITING:
            return f"No worker took this up for {span}. Somebody should look whether a worker runs and has a free slot."
        return f"Stuck: nothing happened here for {span}. What was gathered is kept; a worker starts this step anew."
