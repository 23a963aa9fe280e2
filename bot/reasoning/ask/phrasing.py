"""Ways of saying the same: a question about tables in the words that the reader knows."""

# ruff: noqa: E501 - patterns stay on one line

from __future__ import annotations

import re

from bot.reasoning.ask.lexicon import Lexicon
from bot.reasoning.ask.model import Kind
from bot.reasoning.ask.words import lemma

_UNIT = r"(?:ms|milliseconds?|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|days?|weeks?|kg|km|gb|mb|tb)"
_HIGH = r"(?:highest|largest|biggest|greatest|maximum|max|most expensive|longest)"
_LOW = r"(?:lowest|smallest|least|minimum|min|cheapest|shortest)"
_WAYS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), said)
    for pattern, said in (
        (rf"\b(\d+(?:\.\d+)?)({_UNIT})\b", r"\1 \2"),
        (r"\bhalf an hour\b", "30 minutes"),
        (rf"\b(than|least|most|over|under|exceed\w*|within) (?:an?|one) (?={_UNIT}\b)", r"\1 1 "),
        (r"\b(?:breakdown|distribution) of (?:all |the |our )?(.+?) (?:by|across|over|per|among)\b", r"number of \1 by"),
        (r"\b(?:break|split|group|bucket)(?:ing)?(?: down| up)? (?:all |the |our )*((?!by\b).+?) (?:down )?by\b", r"\1 by"),
        (rf"\b(?:difference|gap|spread|range) (?:between|of) (?:the )?(?:{_HIGH} and (?:the )?{_LOW}|{_LOW} and (?:the )?{_HIGH})\b", "valuerange"),
        (r"\b(?:what|which) (?:is|are) the (?:different|distinct|unique|various|possible) ", "list the distinct "),
        (r"\bhow much (?:money|revenue|income) (?:was|is|were|did we|do we|have we|has been)(?: made| earned| generated| make| earn)?\b", "total revenue"),
        (r"\bper (?:single |individual )", "per "),
    )
)  # fmt: skip
_WITHIN = re.compile(
    r"\bwith (?:the word |the text |the term )?[\"'“]?(?P<w>[\w.-]+)[\"'”]? in (?:the|their|its) (?P<c>\w+)\b",
    re.IGNORECASE,
)
_ENTERED = re.compile(r"\blog(?:ged|ging|s)?[ -]in\b", re.IGNORECASE)


def rephrase(text: str, lexicon: Lexicon) -> str:
    """The question with its less usual phrases said in a usual way; names of the schema stay as they are."""
    for pattern, said in _WAYS:
        text = pattern.sub(said, text)
    if lexicon.look_up(("login",)) or lexicon.look_up(("last", "login")):
        text = _ENTERED.sub("login", text)
    return _WITHIN.sub(lambda match: _contains(match, lexicon), text)


def _contains(match: re.Match[str], lexicon: Lexicon) -> str:
    """ "With love in the title" looks into that column, where there is one of text."""
    entry = lexicon.look_up((lemma(match["c"]),))
    found = [ref for ref in entry.columns if lexicon.kind(ref) is Kind.TEXT] if entry else []
    return f'whose {match["c"]} contains "{match["w"]}"' if found else match.group()
