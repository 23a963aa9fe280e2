"""What each operator of a question does to the reader: one small function a sort of piece."""

from __future__ import annotations

from dataclasses import replace

from bot.reasoning.ask.intent import Measure, Super
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.reader import Handler, Reader
from bot.reasoning.ask.reader_compare import between, compare, distinct, named, or_more
from bot.reasoning.ask.reader_numbers import limit_of, number
from bot.reasoning.ask.units import MONEY, said_unit, unit_of
from bot.reasoning.ask.words import name_parts

_ROOT = 5
_LINKS = frozenset(
    """made produced manufactured built published authored written composed painted recorded owned operated managed led
    run taught hosted organised organized sponsored employed stationed headquartered based registered listed released
    starring featuring performed sung sold supplied provided delivered flown driven shot directed designed""".split()
)


def _as_column(r: Reader, piece: Piece) -> bool:
    """A word such as "total" that is also a column is one after an aggregate or a table, or before a bound."""
    if piece.entry is None or not piece.entry.columns:
        return False
    if r.follows(-1, Sort.AGG, Sort.SUPER, Sort.ORDER, Sort.CMP) or (r.grouping and r.follows(-1, Sort.GROUP)):
        return True
    following = r.peek()
    return following is None or following.sort in (Sort.CMP, Sort.BETWEEN, Sort.NULL, Sort.SPAN, Sort.DIRECTION)


def count(r: Reader, piece: Piece) -> None:
    if _as_column(r, piece):
        r.noun(piece)
        return
    _beside(r)
    r.pending.append(["count"])


def _beside(r: Reader) -> None:
    """ "Companies and their number of projects": the number belongs to each of the rows named before."""
    r.beside = r.follows(-1, Sort.AND, Sort.HAVE) and bool(r.intent.target) and not r.intent.measures


def aggregate(r: Reader, piece: Piece) -> None:
    if _as_column(r, piece):
        r.noun(piece)
        return
    if piece.value == "sum" and (r.follows(1, Sort.COUNT) or (r.peek() is None and isinstance(r.last, Measure))):
        return  # "total number of", "… are there in total"
    if piece.value in ("max", "min") and r.follows(1, Sort.COUNT) and r.intent.target:
        r.super = Super(piece.value == "max", "", piece.words)
    elif r.pending and r.follows(-1, Sort.AND):
        r.pending[-1].append(piece.value)
    else:
        _beside(r)
        r.pending.append([piece.value])


def superlative(r: Reader, piece: Piece) -> None:
    direction, _, dimension = piece.value.partition(":")
    if r.super is not None and r.super.dimension == "top":
        r.super = None
    if r.super is not None:
        raise CannotAnswer("The question ranks by two things. Ask for one.")
    r.super = Super(direction == "desc", dimension, piece.words)


def latest(r: Reader, piece: Piece) -> None:
    if r.super is not None and r.super.dimension == "by":
        r.super = None
    r.latest = piece.value == "desc"


def top(r: Reader, piece: Piece) -> None:
    """ "Top 5 customers by …"; "last 5 orders"."""
    following = r.peek()
    if following and following.sort is Sort.NUM:
        r.intent.limit = limit_of(following)
        r.at += 1
    elif piece.value in ("desc", "asc"):
        r.intent.limit = 1
        noun = r.peek()
        if noun is None or noun.words.lower().endswith("s"):
            raise CannotAnswer("How many at the top? Say a number, such as top 5.")
    if piece.value in ("last", "first"):
        r.latest = piece.value == "last"
        return
    if not r.follows(1, Sort.SUPER, Sort.LATEST):
        r.super = Super(piece.value == "desc", "by", piece.words)


def group(r: Reader, piece: Piece) -> None:
    following = r.peek()
    if following is None:
        raise CannotAnswer(f"“{piece.words}” what?")
    ranked = r.super is not None and bool(r.intent.target or r.intent.group_columns or r.intent.columns)
    if r.super is not None and ranked and r.super.dimension in ("by", "") and piece.value == "by":
        r.super = replace(r.super, dimension="by")
        return
    if ranked and piece.value == "by" and _numeric(r, following):
        assert r.super is not None, "a ranking waits"
        r.super = replace(r.super, dimension="")
        return
    if following.sort is Sort.NOUN and following.entry and not following.entry.tables and not following.entry.columns:
        r.where_next = True
        return  # "by card" filters
    if following.sort in (Sort.COUNT, Sort.AGG):
        r.ordering = True
        return
    if following.sort not in (Sort.NOUN, Sort.AGG, Sort.DISTINCT, Sort.TOP, Sort.COUNT, Sort.HAVE):
        raise CannotAnswer(f"I find nothing here that “{piece.words} {following.words}” could mean.")
    r.grouping = True


def _numeric(r: Reader, piece: Piece) -> bool:
    """Whether the words name a number: "longest calls by seconds" ranks, "longest calls by service" groups."""
    if piece.entry is None or piece.entry.tables:
        return False
    columns = [r.c.about(ref) for ref, weight in piece.entry.columns.items() if weight >= 0.9]
    return bool(columns) and all(c.kind is Kind.NUMBER and not c.references for c in columns)


def match(r: Reader, piece: Piece) -> None:
    following = r.peek()
    if following is None or following.sort not in (Sort.TEXT, Sort.UNKNOWN, Sort.NOUN, Sort.NUM):
        raise CannotAnswer(f"“{piece.words}” what? Put the text in quotes.")
    if following.sort is Sort.NOUN and piece.words.lower() in ("contain", "containing", "like"):
        is_table = bool(following.entry and r.c.is_table(following.entry))
        if is_table and not isinstance(r.last, Ref):
            r.having = True
            return
    r.at += 1
    ref = r.last if isinstance(r.last, Ref) and r.c.about(r.last).kind is Kind.TEXT else None
    table = r.focus or r.intent.target
    ref = ref or ((r.c.label(table) or r.c.prose(table)) if table else None)
    if ref is None:
        raise CannotAnswer("I do not see in which column to look for that text.")
    r.intent.columns = [c for c in r.intent.columns if c != ref or len(r.intent.columns) > 1]
    r.condition(ref, f"not_{piece.value}" if r.negated else piece.value, following.value or following.words)
    r.negated = False


def negate(r: Reader, piece: Piece) -> None:
    r.negated = not r.negated


def lack(r: Reader, piece: Piece) -> None:
    if r.follows(1, Sort.CMP):
        r.negated = True
        return
    r.lacking = True


def null(r: Reader, piece: Piece) -> None:
    ref = r.last if isinstance(r.last, Ref) else None
    following = r.peek()
    if ref is None and following and following.sort is Sort.NOUN and following.entry and following.entry.columns:
        ref = r.c.column(following.entry, following.words, focus=r.focus or r.intent.target)
        r.at += 1
    if ref is None:
        raise CannotAnswer(f"I do not see which column is {piece.words}.")
    r.condition(ref, "not_null" if r.negated or r.lacking else "null")
    r.intent.columns = [c for c in r.intent.columns if c != ref]
    r.negated = r.lacking = False


def have(r: Reader, piece: Piece) -> None:
    r.having = True
    r.verb_seen = r.verb_seen or bool(r.intent.ratio and r.focus)


def percentage(r: Reader, piece: Piece) -> None:
    if _as_column(r, piece) and (r.pending or r.super or r.follows(1, Sort.CMP)):
        r.noun(piece)
        return
    if r.intent.ratio is not None:
        raise CannotAnswer("A share of a share is more than I can do.")
    r.intent.ratio, r.ratio_said = float(piece.value), piece.words.lower()
    if piece.words.lower() == "rate":
        if not r.intent.conditions or not r.follows(-1, Sort.NOUN):
            raise CannotAnswer("A rate of what?")
        r.intent.ratio_conditions.append(r.intent.conditions.pop())
    else:
        r.pending.append(["count"])


def order(r: Reader, piece: Piece) -> None:
    r.ordering = True


def direction(r: Reader, piece: Piece) -> None:
    descending = piece.value == "desc"
    if r.intent.order:
        r.intent.order[-1] = (r.intent.order[-1][0], descending)
    elif r.intent.measures:
        r.intent.order.append((r.intent.measures[-1], descending))


def bucket(r: Reader, piece: Piece) -> None:
    if r.intent.bucket is not None:
        raise CannotAnswer("The question groups by two units of time.")
    r.intent.bucket = piece.value


def deed(r: Reader, piece: Piece) -> None:
    r.deed = True


def zero(r: Reader, piece: Piece) -> None:
    r.intent.with_zero = True


def who(r: Reader, piece: Piece) -> None:
    r.who = True


def span(r: Reader, piece: Piece) -> None:
    if r.intent.span_ref is None and r.mentions and r.mentions[-1][1] is True:
        name = r.mentions[-1][0]
        if name != r.intent.target:
            r.intent.span_ref = r.c.time_column(name)
    if r.intent.span_ref is None and r.intent.lacks:
        r.intent.span_ref = r.c.time_column(r.intent.lacks[-1])


def text(r: Reader, piece: Piece) -> None:
    """Words in quotes, or a name after its table or column."""
    said = piece.value
    following = r.peek()
    while piece.sort is Sort.UNKNOWN and following and following.sort is Sort.UNKNOWN and following.capital:
        said, r.at = f"{said} {following.value}", r.at + 1
        following = r.peek()
    ref = r.last if isinstance(r.last, Ref) and r.c.about(r.last).kind is Kind.TEXT else None
    if ref is None and isinstance(r.last, str):
        ref = r.c.label(r.last)
    elif ref is None and r.focus:
        ref = r.c.label(r.focus)
    if ref is None or r.c.lexicon.secret(ref):
        raise CannotAnswer(f"I do not see which column “{said}” belongs to.")
    r.intent.columns = [c for c in r.intent.columns if c != ref]
    r.condition(ref, "!=" if r.negated or r.lacking else "=", said)
    r.negated = r.lacking = False


def unknown(r: Reader, piece: Piece) -> None:
    """An unknown word is only taken for a value where a name is expected."""
    if piece.words.lower() in _MONEY:
        money(r, piece)
        return
    before = r.peek(-1)
    named_before = bool(before and before.sort is Sort.NAMED)
    compared = bool(before and before.sort is Sort.CMP and isinstance(r.last, Ref))
    after_noun = bool(before and before.sort is Sort.NOUN and piece.capital and not isinstance(r.last, Measure))
    after_column = after_noun and isinstance(r.last, Ref) and not r.c.about(r.last).values
    after_table = after_noun and isinstance(r.last, str) and not (r.c.label(r.last) and _known(r, r.last))
    if named_before or compared or after_column or after_table:
        text(r, piece)
        return
    if _links(r, piece) or _spoken_unit(r, piece):
        return
    raise CannotAnswer(r.cannot_place(piece))


def _links(r: Reader, piece: Piece) -> bool:
    """A verb between a row and a value says nothing new: "insured by Sanitas", "made by Novara", "written by Eco"."""
    following = r.peek(2) if r.follows(1, Sort.GROUP) else r.peek()
    if following is None or following.sort is not Sort.NOUN or following.entry is None or not r.mentions:
        return False
    named = {ref for ref, _ in following.entry.values}
    if not named or following.entry.tables or piece.capital or r.negated or r.lacking:
        return False
    word = piece.words.lower()
    parts = [part for ref in named for part in (*name_parts(ref.column), *name_parts(ref.table))]
    return word in _LINKS or any(word[:_ROOT] == part[:_ROOT] and len(word) > _ROOT for part in parts)


def _spoken_unit(r: Reader, piece: Piece) -> bool:
    """ "… in minutes" after a number that is kept in minutes."""
    unit = said_unit(piece.words)
    column = r.last.column if isinstance(r.last, (Measure, Ref)) else None
    return bool(unit and column and (unit_of(column) == unit or (unit in MONEY and unit_of(column) is None)))


def _known(r: Reader, table: str) -> bool:
    """Whether all names of a table are known, so that a new one cannot be one."""
    label = r.c.label(table)
    return bool(label and r.c.about(label).values)


def refuse(r: Reader, piece: Piece) -> None:
    if piece.entry is not None:
        r.noun(piece)
        return
    if piece.value == "change":
        raise CannotAnswer(f"I only read; “{piece.words}” would change something.")
    raise CannotAnswer(f"“{piece.words}” asks for more than a query over these tables can say.")


def joiner(r: Reader, piece: Piece) -> None:
    if piece.sort is Sort.OR:
        r.or_open = True
        r.negated = r.negated or piece.value == "nor"


def out_of(r: Reader, piece: Piece) -> None:
    """ "Out of stock" is a stock of zero."""
    following = r.peek()
    ref = None
    if following and following.entry:
        ref = r.c.column(
            following.entry, following.words, focus=r.focus, fits=lambda c: c.kind is Kind.NUMBER and not c.references
        )
    if ref is None:
        raise CannotAnswer("Out of what?")
    r.at += 1
    r.condition(ref, ">" if r.negated else "=", 0.0)
    r.negated = False
    r.last = ref


def fresh(r: Reader, piece: Piece) -> None:
    """ "New" is a state where one is stored, else it is about when rows came to be."""
    if piece.entry is not None and piece.entry.values:
        r.noun(piece)
    else:
        r.fresh = True


def versus(r: Reader, piece: Piece) -> None:
    r.versus = True


def money(r: Reader, piece: Piece) -> None:
    """ "Revenue" and "sales" mean the one amount of the table in question."""
    ref = r.c.money(piece.words, r.focus or r.intent.target)
    if ref is None:
        raise CannotAnswer(r.cannot_place(piece))
    if r.pending and r.pending[-1][-1] != "count":
        r.take_number(ref)
    else:
        r.take_measure(Measure("sum", ref.table, ref.column))


_MONEY = frozenset({"revenue", "revenues", "sales", "turnover", "spend", "spending", "spent"})


HANDLERS: dict[Sort, Handler] = {
    Sort.NOUN: Reader.noun,
    Sort.COUNT: count, Sort.AGG: aggregate, Sort.SUPER: superlative, Sort.LATEST: latest, Sort.TOP: top,
    Sort.GROUP: group, Sort.CMP: compare, Sort.ORMORE: or_more, Sort.BETWEEN: between, Sort.MATCH: match,
    Sort.NOT: negate, Sort.LACK: lack, Sort.NULL: null, Sort.HAVE: have, Sort.PCT: percentage, Sort.ORDER: order,
    Sort.DIRECTION: direction, Sort.AND: joiner, Sort.OR: joiner, Sort.DISTINCT: distinct, Sort.BUCKET: bucket,
    Sort.NAMED: named, Sort.ZERO: zero, Sort.WHO: who, Sort.SPAN: span, Sort.NUM: number, Sort.TEXT: text,
    Sort.OUT: out_of,
    Sort.DEED: deed,
    Sort.NEW: fresh, Sort.VERSUS: versus, Sort.UNKNOWN: unknown, Sort.REFUSE: refuse,
}  # fmt: skip
