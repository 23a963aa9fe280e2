"""The door: one question and what a source holds in, a query or the reason why there is none out."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.reasoning.ask.model import Asked, Cannot, CannotAnswer, Holding, Written
from bot.reasoning.reading import clean

_LONGEST = 1_000
_SMUGGLED = re.compile(
    r"[;]\s*\S|--|/\*|\*/|\bunion\s+(?:all\s+)?select\b|\bor\s+'?1'?\s*=\s*'?1|\bxp_|\bpg_\w+\(|\bselect\s+.+\s+from\b",
    re.I,
)


def write(asked: Asked, holding: Holding) -> Written | Cannot:
    """Never raises for anything a question may hold."""
    text = clean(asked.text)
    try:
        _check(text)
        return _writer(holding.language)(Asked(text, asked.now, asked.time_zone), holding)
    except CannotAnswer as error:
        return Cannot(error.reason, tuple(dict.fromkeys(error.suggestions))[:5])


def usable(text: str) -> bool:
    """Whether a question is one in plain words, so that it may be given to a model as well."""
    try:
        _check(clean(text))
    except CannotAnswer:
        return False
    return True


def _check(text: str) -> None:
    if not any(c.isalpha() for c in text):
        raise CannotAnswer("There is no question in that. Ask for example: how many orders today?")
    if len(text) > _LONGEST:
        raise CannotAnswer(f"That is longer than {_LONGEST:,} characters. Ask in one sentence.")
    if _SMUGGLED.search(text):
        raise CannotAnswer("That looks like a query or a command. Ask in plain words; I write the query.")


def _writer(language: str) -> Callable[[Asked, Holding], Written]:
    if language == "promql":
        from bot.reasoning.ask.promql import write_promql

        return write_promql
    if language == "search":
        from bot.reasoning.ask.search import write_search

        return write_search
    from bot.reasoning.ask.sql_template import write_sql

    return write_sql
