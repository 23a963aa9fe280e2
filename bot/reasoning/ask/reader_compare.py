"""Comparisons in a question: more than, at least, between, above average, and what they are about."""

from __future__ import annotations

from dataclasses import dataclass

from bot.reasoning.ask.intent import Having, Measure
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.reader import Reader
from bot.reasoning.ask.units import MONEY, converted, is_time, said_unit

_FLIPPED = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "=": "!=", "!=": "="}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


@dataclass(frozen=True)
class Bound:
    """`unit` as the question says it, empty when it says none."""

    operator: str
    value: float
    said: str
    unit: str = ""

    def of(self, column: str) -> float:
        """The value in the unit of a column."""
        return converted(self.value, self.unit, column) if self.unit else self.value


def compare(r: Reader, piece: Piece) -> None:
    operator, _, dimension = piece.value.partition(":")
    following = r.peek()
    if following is not None and following.sort is Sort.AGG and following.value == "avg":
        _against_average(r, _FLIPPED[operator] if r.negated else operator, dimension)
        return
    if following is None or following.sort is not Sort.NUM:
        named = following is not None and operator in ("=", "!=")
        if named and (r.follows(1, Sort.TEXT, Sort.UNKNOWN) or (r.follows(1, Sort.NOUN) and isinstance(r.last, Ref))):
            r.negated = r.negated or operator == "!="
            return
        raise CannotAnswer(f"“{piece.words}” needs a number after it.")
    r.at += 1
    operator = _FLIPPED[operator] if r.negated else operator
    r.negated = False
    bound_to(r, operator, following.number, dimension=dimension, said=following.words)


def bound_to(r: Reader, operator: str, value: float, *, dimension: str, said: str) -> None:
    """Which number a bound belongs to: what follows ("more than 5 orders"), else what stands before."""
    bound = Bound(operator, value, said, _take_unit(r, columns=bool(dimension)) or "")
    if dimension:
        _dimension(r, bound, dimension)
    elif counted_next(r, operator, value) or _before(r, bound) or _column_next(r, bound):
        return
    elif bound.unit and is_time(bound.unit):
        _dimension(r, bound, "duration")
    else:
        table = r.focus or r.intent.target
        ref = r.c.default_measure(table) if table else None
        if ref is None or (bound.unit and bound.unit not in MONEY):
            raise CannotAnswer(f"I do not see which number is compared with {said}.")
        r.condition(ref, operator, bound.of(ref.column))


def _dimension(r: Reader, bound: Bound, dimension: str) -> None:
    table = r.intent.target or r.focus
    if table is None:
        raise CannotAnswer("I do not see what is compared.")
    ref, turned = r.c.dimension(table, dimension)
    if turned:
        raise CannotAnswer(f"{ref.column} is a date. Ask with before or after a date.")
    r.condition(ref, bound.operator, bound.of(ref.column))


def _against_average(r: Reader, operator: str, dimension: str) -> None:
    """ "Priced above average": each row against the mean of all."""
    r.at += 1
    r.negated = False
    following = r.peek()
    table = r.focus or r.intent.target
    ref = None
    if following is not None and following.sort is Sort.NOUN and following.entry and following.entry.columns:
        ref = r.c.column(following.entry, following.words, focus=table, fits=lambda c: c.comparable)
        r.at += 1 if ref else 0
    if ref is None and isinstance(r.last, Ref) and r.c.about(r.last).comparable:
        ref = r.last
    if ref is None and dimension and table:
        ref = r.c.dimension(table, dimension)[0]
    ref = ref or (r.c.default_measure(table) if table else None)
    if ref is None or operator not in _TURNED or r.pending:
        raise CannotAnswer("Above or below the average of which number?")
    r.intent.columns = [c for c in r.intent.columns if c != ref]
    r.condition(ref, f"{operator}avg")


def counted_next(r: Reader, operator: str, value: float) -> bool:
    following = r.peek()
    step = 1
    distinct = bool(following and following.sort is Sort.DISTINCT)
    if distinct or _value_next(r, following):
        step, following = 2, r.peek(2)
    if not following or following.sort is not Sort.NOUN or not following.entry or not r.c.is_table(following.entry):
        return False
    if isinstance(r.last, Ref) and r.c.about(r.last).kind is Kind.NUMBER and r.follows(-2, Sort.NOUN):
        return False
    name = r.c.table(following.entry, following.words)
    if name == r.intent.target and not r.intent.group_tables and not r.intent.columns and not r.intent.group_columns:
        return False
    if _value_next(r, r.peek()):
        del r.p[r.at + 2]
        r.focus = name
    else:
        r.at += step
    if r.pending and r.pending[-1] == ["count"]:
        raise CannotAnswer("Count what, with that many?")
    r.intent.having.append(Having(Measure("count", name, None, distinct), operator, value))
    r.mentions.append((name, False))
    r.having = False
    return True


def _value_next(r: Reader, following: Piece | None) -> bool:
    """ "At least 2 failed payments": a state stands between the number and its table."""
    if following is None or following.sort is not Sort.NOUN or not following.entry or r.c.is_table(following.entry):
        return False
    after = r.peek(2)
    named = bool(after and after.sort is Sort.NOUN and after.entry and r.c.is_table(after.entry))
    return named and bool(following.entry.values) and not following.entry.columns


def _before(r: Reader, bound: Bound) -> bool:
    """The column, or the aggregate after "with", right before the bound."""
    last = r.last
    if isinstance(last, Measure) and last in r.intent.measures and r.intent.measures[-1] == last:
        grouped = bool(r.intent.target not in (None, last.table) or r.intent.group_columns or r.intent.group_tables)
        grouped = grouped or (r.intent.target == last.table and bool(r.intent.columns))
        if not grouped:
            return False
        r.intent.measures.pop()
        value = bound.of(last.column) if last.column else bound.value
        r.intent.having.append(Having(last, bound.operator, value))
        if r.intent.columns and not r.intent.target:
            r.intent.group_columns += r.intent.columns
            r.intent.columns = []
        return True
    if r.pending and r.pending[-1][-1] != "count" and len(r.pending) == 1:
        return False
    if isinstance(last, Ref) and r.c.about(last).kind is Kind.NUMBER:
        r.condition(last, bound.operator, bound.of(last.column))
        r.intent.columns = [c for c in r.intent.columns if c != last or len(r.intent.columns) > 1]
        return True
    return False


def _column_next(r: Reader, bound: Bound) -> bool:
    """ "More than 10 units in stock"; a verb ("over 800 paid in cash") is no number."""
    following = r.peek()
    if not following or following.sort is not Sort.NOUN or not following.entry or following.verb:
        return False
    focus = r.focus or r.intent.target
    ref = r.c.column(following.entry, following.words, focus=focus, fits=lambda c: c.comparable)
    if ref is None:
        return False
    r.at += 1
    target = r.intent.target
    value = bound.of(ref.column)
    if target not in (None, ref.table) and not r.c.joins.to_one(str(target), ref.table):
        r.intent.having.append(Having(Measure("sum", ref.table, ref.column), bound.operator, value))
    else:
        r.condition(ref, bound.operator, value)
    return True


def _take_unit(r: Reader, *, columns: bool = False) -> str | None:
    """The unit right after a number, unless the word names a table or, without `columns`, a column."""
    following = r.peek()
    if following is None or following.sort not in (Sort.UNKNOWN, Sort.NOUN):
        return None
    unit = said_unit(following.words)
    entry = following.entry
    if unit is None or (entry is not None and (r.c.is_table(entry) or (entry.columns and not columns))):
        return None
    r.at += 1
    return unit


def or_more(r: Reader, piece: Piece) -> None:
    raise CannotAnswer(f"“{piece.words}” than what?")


def between(r: Reader, piece: Piece) -> None:
    low, high = r.peek(1), r.peek(3)
    if not (low and high and low.sort is Sort.NUM and high.sort is Sort.NUM and r.follows(2, Sort.AND)):
        raise CannotAnswer("“between” needs two numbers.")
    r.at += 3
    unit = _take_unit(r)
    ref = r.last if isinstance(r.last, Ref) else None
    if ref is None or r.c.about(ref).kind is not Kind.NUMBER:
        table = r.focus or r.intent.target
        ref = r.c.default_measure(table) if table else None
    if ref is None:
        raise CannotAnswer("I do not see which number lies between.")
    ends = (converted(n, unit, ref.column) if unit else n for n in (low.number, high.number))
    r.condition(ref, "between", *ends)


def distinct(r: Reader, piece: Piece) -> None:
    r.distinct = True


def named(r: Reader, piece: Piece) -> None:
    if not r.follows(1, Sort.TEXT, Sort.UNKNOWN, Sort.NOUN):
        raise CannotAnswer(f"“{piece.words}” what?")
