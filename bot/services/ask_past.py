"""What past questions teach: the source that answered alike, and the query of the very same words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rapidfuzz import fuzz

from bot.reasoning.ask.model import Asked, CannotAnswer
from bot.reasoning.ask.spans import take_span
from bot.store.query_history import PastQuery

REMEMBERED = 500
"""How many of the newest questions are looked through."""
_ALIKE = 90.0
_MOVING = re.compile(
    r"\b(?:now|today|yesterday|tomorrow|tonight|current\w*|this|last|past|ago|since|recent\w*|latest|newest|so far|"
    r"hour|day|week|month|quarter|year)s?\b",
    re.I,
)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d|\b1[5-9]\d{8}\b")


def normal(question: str) -> str:
    """A question without capitals, spacing and closing signs: two of one form are the same question."""
    return re.sub(r"[\s?!.]+", " ", question.casefold()).strip()


def same_words(question: str, source: str, past: Iterable[PastQuery]) -> str | None:
    """The query that answered these very words of this source before; None where time may have changed its meaning."""
    if _MOVING.search(question) or _about_a_time(question):
        return None
    wanted = normal(question)
    found = (p.generated_query for p in past if p.success and p.source == source and normal(p.question) == wanted)
    query = next((q for q in found if q), None)
    return None if query is None or _STAMP.search(query) else query


def usual_source(question: str, sources: Sequence[str], past: Iterable[PastQuery]) -> str | None:
    """Of several sources that could answer, the one that alone has answered questions like this one."""
    wanted = normal(question)
    seen = Counter(
        p.source
        for p in past
        if p.success and p.source in sources and fuzz.token_sort_ratio(wanted, normal(p.question)) >= _ALIKE
    )
    return next(iter(seen)) if len(seen) == 1 else None


def _about_a_time(question: str) -> bool:
    try:
        return take_span(Asked(question, datetime.now(UTC)))[1] is not None
    except CannotAnswer:
        return True
