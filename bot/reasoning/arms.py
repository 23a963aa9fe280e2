"""Who reasons, how hard a model tries, and what its tokens cost."""

from __future__ import annotations

from enum import StrEnum

from bot.reasoning.spending import Price


class Arm(StrEnum):
    """Who decides. `model`: the model plans and orders causes without seeing the statistics, to measure it alone."""

    RULES = "rules"
    MODEL = "model"
    BOTH = "both"


class Effort(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


def _price(input_usd: float, output_usd: float, read_share: float = 0.1) -> Price:
    """A cache write of five minutes costs 1.25 of the input."""
    return Price(input=input_usd, output=output_usd, cache_write=1.25 * input_usd, cache_read=read_share * input_usd)


CLAUDE_PRICES: dict[str, Price] = {
    "claude-fable-5": _price(10, 50),
    "claude-fable-5-1": _price(10, 50, 0.025),
    "claude-mythos-5": _price(10, 50),
    "claude-mythos-5-1": _price(10, 50, 0.025),
    "claude-opus-4": _price(15, 75),
    "claude-opus-4-5": _price(5, 25),
    "claude-opus-4-6": _price(5, 25),
    "claude-opus-4-7": _price(5, 25),
    "claude-opus-4-8": _price(5, 25),
    "claude-opus-5": _price(5, 25),
    "claude-opus-5-5": _price(4, 20, 0.05),
    "claude-sonnet-4": _price(3, 15),
    "claude-sonnet-5": _price(2, 10),
    "claude-sonnet-5-5": _price(2, 10, 0.05),
    "claude-haiku-4-5": _price(1, 5),
    "claude-haiku-5-5": _price(0.5, 2.5),  # the price of prompts beyond 100,000 tokens; shorter ones cost a fifth
}
"""US dollars per million tokens, https://platform.claude.com/docs/en/about-claude/pricing (read 2026-11-20)."""

UNKNOWN_PRICE = _price(15, 75)
