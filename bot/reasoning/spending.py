"""What a reasoner that costs money tells its caller, and what it may still spend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from pydantic import Field

from bot.reasoning.protocol import Reasoner
from bot.reasoning.wording import Wording
from connectors.model import Frozen

_PER_MILLION = 1_000_000


class Price(Frozen):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_write: float = Field(ge=0)
    cache_read: float = Field(ge=0)


class Usage(Frozen):
    """What one turn of a model took. `input_tokens` are those neither written to a cache nor read from one."""

    step: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_write_tokens + self.cache_read_tokens

    def priced(self, price: Price) -> Usage:
        """The same with its money worked out."""
        usd = (
            self.input_tokens * price.input
            + self.output_tokens * price.output
            + self.cache_write_tokens * price.cache_write
            + self.cache_read_tokens * price.cache_read
        )
        return self.model_copy(update={"usd": usd / _PER_MILLION})


class Spending(Protocol):
    """Where a reasoner books what it spends; made anew for each investigation by whoever runs it."""

    @property
    def tokens(self) -> int:
        """Tokens that this investigation has spent so far, also before a restart."""
        ...

    @property
    def usd_left(self) -> float:
        """Money that this investigation may still spend."""
        ...

    async def spend(self, usage: Usage) -> None:
        """Book one turn; returns once it is recorded."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A reasoner that costs something: each investigation gets one of its own, with its own purse."""

    def begin(self, spending: Spending, wording: Wording | None = None) -> Reasoner:
        """`wording` hears the report while it is being worded."""
        ...

    async def close(self) -> None:
        """Give back what is open."""
        ...


def price_of(model: str, prices: Mapping[str, Price], unknown: Price) -> Price:
    """The price of the longest family name that the model's name begins with, else the price of unknown models."""
    families = sorted((family for family in prices if model.startswith(family)), key=len)
    return prices[families[-1]] if families else unknown
