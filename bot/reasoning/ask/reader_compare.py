"""Comparisons in a question: more than, at least, between, before, and what they are about."""

from __future__ import annotations

from bot.reasoning.ask.intent import Having, Measure
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.reader import Reader

_MOST_ROWS = 1_000
_FLIPPED = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "=": "!=", "!=": "="}
_UNIT_WORDS = frozenset(
    """dollar dollars euro euros usd eur gbp pounds cents kg kilos kilograms grams g km kilometers kilometres miles m
    minutes minute hours hour days day seconds second units percent stars points years year ms""".split()
)
_MONEY = frozenset({"revenue", "revenues", "sales", "turnover", "spend", "spending", "spent"})


def compare(r: Reader, piece: Piece) -> None:
    operator, _, dimension = piece.value.partition(":")
    following = r.peek()
    if following is None or following.sort is not Sort.NUM:
        if following is not None and following.sort in (Sort.TEXT, Sort.UNKNOWN) and operator in ("=", "!="):
            r.negated = r.negated or operator == "!="
            return
        if (
            following is not None
            and following.sort is Sort.NOUN
            and operator in ("=", "!=")
            and isinstance(r.last, Ref)
        ):
            r.negated = r.negated or operator == "!="
            return
        raise CannotAnswer(f"“{piece.words}” needs a number after it.")
    r.at += 1
    operator = _FLIPPED[operator] if r.negated else operator
    r.negated = False
    _bound(r, operator, following.number, dimension=dimension, said=following.words)


def _bound(r: Reader, operator: str, value: float, *, dimension: str, said: str) -> None:
    """Which number a bound belongs to: what follows ("more than 5 orders"), else what stands before."""
    if dimension:
        table = r.intent.target or r.focus
        if table is None:
            raise CannotAnswer("I do not see what is compared.")
        r.condition(r.c.dimension(table, dimension), operator, value)
        _skip_unit(r)
    elif _counted_next(r, operator, value) or _before(r, operator, value) or _column_next(r, operator, value):
        return
    else:
        table = r.focus or r.intent.target
        ref = r.c.default_measure(table) if table else None
        if ref is None or (_unit_follows(r) and not _money_follows(r)):
            raise CannotAnswer(f"I do not see which number is compared with {said}.")
        r.condition(ref, operator, value)
        _skip_unit(r)


def _counted_next(r: Reader, operator: str, value: float) -> bool:
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


def _before(r: Reader, operator: str, value: float) -> bool:
    """The column, or the aggregate after "with", right before the bound."""
    last = r.last
    if isinstance(last, Measure) and last in r.intent.measures and r.intent.measures[-1] == last:
        grouped = bool(r.intent.target not in (None, last.table) or r.intent.group_columns or r.intent.group_tables)
        grouped = grouped or (r.intent.target == last.table and bool(r.intent.columns))
        if not grouped:
            return False
        r.intent.measures.pop()
        r.intent.having.append(Having(last, operator, value))
        if r.intent.columns and not r.intent.target:
            r.intent.group_columns += r.intent.columns
            r.intent.columns = []
        _skip_unit(r)
        return True
    if r.pending and r.pending[-1][-1] != "count" and len(r.pending) == 1:
        return False
    if isinstance(last, Ref) and r.c.about(last).kind is Kind.NUMBER:
        r.condition(last, operator, value)
        _skip_unit(r)
        return True
    return False


def _column_next(r: Reader, operator: str, value: float) -> bool:
    """ "More than 10 units in stock"."""
    following = r.peek()
    if not following or following.sort is not Sort.NOUN or not following.entry:
        return False
    focus = r.focus or r.intent.target
    ref = r.c.column(
        following.entry, following.words, focus=focus, fits=lambda c: c.kind is Kind.NUMBER and not c.references
    )
    if ref is None:
        return False
    r.at += 1
    target = r.intent.target
    if target not in (None, ref.table) and not r.c.joins.to_one(str(target), ref.table):
        r.intent.having.append(Having(Measure("sum", ref.table, ref.column), operator, value))
    else:
        r.condition(ref, operator, value)
    return True


def _unit_follows(r: Reader) -> bool:
    following = r.peek()
    return bool(following and following.words.lower() in _UNIT_WORDS)


def _money_follows(r: Reader) -> bool:
    following = r.peek()
    return bool(
        following and following.words.lower() in ("dollar", "dollars", "euro", "euros", "usd", "eur", "gbp", "pounds")
    )


def _skip_unit(r: Reader) -> None:
    following = r.peek()
    if following is None or following.sort not in (Sort.UNKNOWN, Sort.NOUN):
        return
    words = following.words.lower()
    if words not in _UNIT_WORDS:
        return
    last = r.intent.conditions[-1].ref.column.lower() if r.intent.conditions else ""
    units = {"second": ("_ms", "_min", "_hour", "_day"), "minute": ("_ms", "_s", "_sec", "_hour", "_day"),
             "hour": ("_ms", "_s", "_sec", "_min", "_day"), "day": ("_ms", "_min", "_hour"),
             "dollar": ("cents",), "euro": ("cents",), "usd": ("cents",), "eur": ("cents",)}  # fmt: skip
    wrong = units.get(words.rstrip("s"), ())
    if any(last.endswith(ending) or f"{ending}_" in last or f"{ending}s" in last for ending in wrong):
        raise CannotAnswer(f"{last} is kept in another unit than {words}. Ask in its own unit.")
    r.at += 1


def or_more(r: Reader, piece: Piece) -> None:
    raise CannotAnswer(f"“{piece.words}” than what?")


def between(r: Reader, piece: Piece) -> None:
    low, high = r.peek(1), r.peek(3)
    if not (low and high and low.sort is Sort.NUM and high.sort is Sort.NUM and r.follows(2, Sort.AND)):
        raise CannotAnswer("“between” needs two numbers.")
    r.at += 3
    ref = r.last if isinstance(r.last, Ref) else None
    if ref is None or r.c.about(ref).kind is not Kind.NUMBER:
        table = r.focus or r.intent.target
        ref = r.c.default_measure(table) if table else None
    if ref is None:
        raise CannotAnswer("I do not see which number lies between.")
    r.condition(ref, "between", low.number, high.number)
    _skip_unit(r)


def distinct(r: Reader, piece: Piece) -> None:
    r.distinct = True


def named(r: Reader, piece: Piece) -> None:
    if not r.follows(1, Sort.TEXT, Sort.UNKNOWN, Sort.NOUN):
        raise CannotAnswer(f"“{piece.words}” what?")
