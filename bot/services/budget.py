"""What one investigation may cost, and what it has cost so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.domain.investigation import Spent
from connectors.model import CallStats, Frozen


class Budget(Frozen):
    """Caps for one investigation. No call, argument or model can raise them."""

    queries: int = 200
    bytes: int = 200_000_000
    usd: float = 5.0
    seconds: float = 300.0


@dataclass
class Ledger:
    """Spending of one stream in this process; starts from what the log says was spent before."""

    budget: Budget
    queries: int = 0
    bytes: int = 0
    usd: float = 0.0
    _reserved: int = field(default=0, repr=False)

    @classmethod
    def resume(cls, budget: Budget, spent: Spent) -> Ledger:
        return cls(budget=budget, queries=spent.queries, bytes=spent.bytes, usd=spent.usd)

    def refusal(self) -> str | None:
        """Why the next call may not run, in words; None when it may."""
        if self.queries + self._reserved >= self.budget.queries:
            return f"The budget of {self.budget.queries} queries for this investigation is used up."
        if self.bytes >= self.budget.bytes:
            return f"The budget of {self.budget.bytes / 1e6:.0f} MB for this investigation is used up."
        if self.usd >= self.budget.usd:
            return f"The budget of ${self.budget.usd:.2f} for this investigation is used up."
        return None

    def reserve(self) -> None:
        self._reserved += 1

    def settle(self, stats: CallStats | None) -> None:
        """Give the reservation back and book what the call really cost."""
        self._reserved -= 1
        if stats is not None:
            self.queries += stats.api_calls
            self.bytes += stats.bytes
            self.usd += stats.cost_usd
