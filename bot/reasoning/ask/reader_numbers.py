"""Bare numbers of a question: a limit, a key, an equality, a count of rows, a bound."""

from __future__ import annotations

from bot.reasoning.ask.intent import MOST_ROWS
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.reader import Reader
from bot.reasoning.ask.reader_compare import bound_to, counted_next
from bot.reasoning.ask.words import lemma, name_parts


def number(r: Reader, piece: Piece) -> None:
    """A bare number: a limit, a key, an equality, or a count ("with 3 orders")."""
    if r.follows(1, Sort.ORMORE):
        following = r.peek()
        assert following is not None
        r.at += 1
        bound_to(r, following.value, piece.number, dimension="", said=piece.words)
    elif r.follows(1, Sort.SUPER, Sort.LATEST) and r.intent.limit is None:
        r.intent.limit = limit_of(piece)
    elif (
        isinstance(r.last, Ref)
        and r.follows(-1, Sort.NOUN, Sort.CMP, Sort.NOT)
        and r.c.about(r.last).kind in (Kind.NUMBER, Kind.TEXT)
    ):
        text = r.c.about(r.last).kind is Kind.TEXT
        r.condition(r.last, "!=" if r.negated else "=", piece.words if text else piece.number)
        r.negated = False
    elif isinstance(r.last, str) and r.follows(-1, Sort.NOUN):
        key = r.c.lexicon.tables[r.last].key
        if key is None:
            raise CannotAnswer(f"I do not know which column numbers the rows of {r.last}.")
        r.condition(Ref(r.last, key.name), "=", piece.number)
    elif (r.having and counted_next(r, "=", piece.number)) or _told_after(r, piece):
        return
    elif (r.intent.limit is None and r.intent.target is None and _ranked_later(r)) or (
        (r.super is not None or r.latest is not None) and r.follows(1, Sort.NOUN) and r.intent.limit is None
    ):
        r.intent.limit = limit_of(piece)
    else:
        raise CannotAnswer(f"I do not see what {piece.words} belongs to.")


def _told_after(r: Reader, piece: Piece) -> bool:
    """ "5 star hotels": the number stands before a word of the column that holds it."""
    following, noun = r.peek(), r.peek(2)
    if following is None or following.sort not in (Sort.UNKNOWN, Sort.NOUN) or noun is None or noun.entry is None:
        return False
    if not r.c.is_table(noun.entry) or (following.entry and r.c.is_table(following.entry)):
        return False
    table, word = r.c.table(noun.entry, noun.words), lemma(following.words)
    found = [c for c in r.c.numbers(table) if word in name_parts(c.name)]
    if len(found) != 1:
        return False
    r.at += 1
    r.condition(Ref(table, found[0].name), "=", piece.number)
    return True


def _ranked_later(r: Reader) -> bool:
    """ "Five patients with the most appointments": the number is how many, as the ranking comes behind."""
    following = r.peek()
    if following is None or following.entry is None or not r.c.is_table(following.entry):
        return False
    return r.follows(2, Sort.HAVE, Sort.WHO) and r.follows(3, Sort.SUPER)


def limit_of(piece: Piece) -> int:
    """How many rows a number asks for; CannotAnswer when that is none or too many."""
    if piece.number != int(piece.number) or not 0 < piece.number <= MOST_ROWS:
        raise CannotAnswer(f"I can list between 1 and {MOST_ROWS:,} rows.")
    return int(piece.number)
