"""Books what a model costs: into the log, so that it is shown and survives a restart, and into the ledger, so that it
counts against the same budget as every query."""

from __future__ import annotations

from bot.domain.events import EventKind, NewEvent
from bot.reasoning.spending import Usage
from bot.services.budget import Ledger
from bot.services.journal import Journal
from connectors.model import Clock, JsonObject

_ACTOR = "system:reasoner"


class Purse:
    """The spending of one investigation."""

    def __init__(self, journal: Journal, ledger: Ledger, clock: Clock) -> None:
        self._journal = journal
        self._ledger = ledger
        self._clock = clock

    @property
    def tokens(self) -> int:
        return self._journal.state.spent.tokens

    @property
    def usd_left(self) -> float:
        return self._ledger.budget.usd - self._ledger.usd

    async def spend(self, usage: Usage) -> None:
        self._ledger.usd += usage.usd
        payload: JsonObject = {**usage.model_dump(mode="json"), "tokens": usage.tokens}
        event = NewEvent(kind=EventKind.BUDGET_SPENT, actor=_ACTOR, at=self._clock.now(), payload=payload)
        await self._journal.record([event])
