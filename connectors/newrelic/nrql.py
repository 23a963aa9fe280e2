"""NRQL from typed parts; nothing a person wrote is ever more than a string literal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from connectors._guarded import guarded
from connectors._sampling import FAILURE_WORDS, spellings
from connectors.guards import GuardLimits
from connectors.guards.pipes import Rules, cut
from connectors.model import Limits, TimeWindow

MAX_ROWS = 5_000
MAX_BUCKETS = 366
"""What one NRQL query gives at most."""
_RULES = Rules(strings="'\"", names="`", line_comments=("--", "//"), block_comments=True)


def literal(text: str) -> str:
    """An NRQL string."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def name(attribute: str) -> str:
    """An attribute, quoted: names hold dots."""
    return f"`{attribute.replace('`', '')}`"


def since(span: TimeWindow) -> str:
    return f" SINCE {_ms(span.start.timestamp())} UNTIL {_ms(span.end.timestamp())}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def select(picked: str, events: str, conditions: str = "", tail: str = "") -> str:
    """One query over types of events; see `where` for the conditions."""
    return "".join(("SELECT ", picked, " FROM ", events, conditions, tail))


def where(*conditions: str) -> str:
    """A WHERE of the conditions that are not empty."""
    held = [condition for condition in conditions if condition]
    return f" WHERE {' AND '.join(held)}" if held else ""


def among(attribute: str, values: Sequence[str]) -> str:
    """A condition, or nothing when there are no values."""
    return f"{name(attribute)} IN ({', '.join(literal(value) for value in values)})" if values else ""


def at_levels(level: str | None, levels: Sequence[str]) -> str:
    """Lines of the levels, whatever the spelling; by words of failure where lines carry no level."""
    if level is None:
        words = [f"lower(message) LIKE {literal(f'%{word}%')}" for word in FAILURE_WORDS]
        return f"({' OR '.join(words)})"
    return f"lower({name(level)}) IN ({', '.join(literal(word) for word in spellings(levels))})"


def with_words(text: str) -> str:
    """Lines that hold every word, in any case."""
    words = [f"lower(message) LIKE {literal(f'%{word.lower()}%')}" for word in text.split()[:30]]
    return " AND ".join(words)


def free(nrql: str, span: TimeWindow, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """A query of a person: guarded, with the window when it names none, and what the guard changed."""
    judged = guarded(nrql, dialect="nrql", limits=GuardLimits(max_rows=min(MAX_ROWS, limits.max_rows)))
    return judged.text + ("" if _names_a_time(judged.text) else since(span)), judged.notes


def _names_a_time(nrql: str) -> bool:
    """Whether SINCE stands outside brackets: one inside belongs to a subquery."""
    depth = 0
    for piece in cut(nrql, _RULES, max_depth=100):
        if piece.kind == "op":
            depth += (piece.text in "([{") - (piece.text in ")]}")
        elif piece.kind == "word" and piece.value == "since" and depth == 0:
            return True
    return False
