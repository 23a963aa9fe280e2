"""The leaves of a query: columns, literals, times and text matches, as nodes of the tree."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlglot import exp

from bot.reasoning.ask.intent import Measure
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import Column, Kind
from bot.reasoning.ask.spans import Span

_RESERVED = frozenset(
    """all and as asc between by case check column create current date default desc distinct end from group having in
    index interval is join key left like limit not null offset on or order outer primary range rank references right
    row rows select session_user set table then time timestamp to union unique user using value values when where
    window with year month day hour transaction system status percent""".split()
)
_FORMATS = {"hour": "%Y-%m-%d %H:00:00", "day": "%Y-%m-%d", "month": "%Y-%m-01", "year": "%Y-01-01"}


def identifier(name: str) -> exp.Identifier:
    """A name, quoted when a dialect might read it otherwise."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) is not None and name not in _RESERVED
    return exp.to_identifier(name, quoted=not plain)


def column(ref: Ref) -> exp.Column:
    """A column with its table's own name before it."""
    return exp.Column(this=identifier(ref.column), table=identifier(ref.table.rpartition(".")[2]))


def from_table(name: str) -> exp.Table:
    """A table, with its schema when it has one."""
    schema, _, bare = name.rpartition(".")
    return exp.Table(this=identifier(bare), db=identifier(schema.rpartition(".")[2]) if schema else None)


def measure_name(measure: Measure) -> str:
    """What the column of a measure is called: orders, avg_amount."""
    bare = measure.table.rpartition(".")[2]
    if measure.function == "count":
        return f"{'distinct_' if measure.column else ''}{measure.column or bare}_count"
    return f"{measure.function}_{measure.column}"


def literal(value: str | float, about: Column) -> exp.Expr:
    """A value of the question as a literal of the column's kind."""
    if isinstance(value, str):
        return exp.Literal.string(value)
    number = str(int(value)) if value == int(value) else repr(value)
    if about.kind is Kind.TEXT:
        return exp.Literal.string(number)
    if value < 0:
        return exp.Neg(this=exp.Literal.number(number.lstrip("-")))
    return exp.Literal.number(number)


def text_match(here: exp.Column, operator: str, value: str) -> exp.Expr:
    """LIKE without regard to case; wildcards in the value stand for themselves."""
    escaped = value.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    kind = operator.removeprefix("not_")
    pattern = {"contains": f"%{escaped}%", "starts": f"{escaped}%", "ends": f"%{escaped}"}[kind]
    found: exp.Expr = exp.Like(this=exp.Lower(this=here), expression=exp.Literal.string(pattern))
    if escaped != value.lower():
        found = exp.Escape(this=found, expression=exp.Literal.string("!"))
    return exp.Not(this=found) if operator.startswith("not_") else found


def time_bounds(here: exp.Column, span: Span, about: Column, dialect: str) -> list[exp.Expr]:
    """`>= start` and `< end`, either left out when open."""
    found: list[exp.Expr] = []
    if span.start is not None:
        found.append(exp.GTE(this=here.copy(), expression=_moment(span.start, about, dialect)))
    if span.end is not None:
        within = exp.LTE if about.kind is Kind.DATE and _mid_day(span.end) else exp.LT
        found.append(within(this=here.copy(), expression=_moment(span.end, about, dialect)))
    return found


def _mid_day(at: datetime) -> bool:
    return (at.hour, at.minute, at.second) != (0, 0, 0)


def _moment(at: datetime, about: Column, dialect: str) -> exp.Expr:
    plain = at.astimezone(UTC)
    if about.kind is Kind.DATE:
        text = exp.Literal.string(plain.strftime("%Y-%m-%d"))
        return text if dialect == "sqlite" else exp.cast(text, "DATE")
    if dialect == "sqlite":
        return exp.Literal.string(plain.strftime("%Y-%m-%d %H:%M:%S" if _mid_day(plain) else "%Y-%m-%d"))
    zoned = "tz" in about.type.lower() or "with time zone" in about.type.lower()
    text = exp.Literal.string(plain.strftime("%Y-%m-%d %H:%M:%S") + ("+00:00" if zoned else ""))
    return exp.cast(text, "TIMESTAMPTZ" if zoned else "TIMESTAMP")


def bucket_of(here: exp.Column, unit: str, about: Column, dialect: str) -> exp.Expr:
    """The start of the unit of time a column's value falls in."""
    if dialect in ("sqlite", "mysql"):
        if unit not in _FORMATS:
            from bot.reasoning.ask.model import CannotAnswer

            raise CannotAnswer(f"I cannot group by {unit} in this database.")
        return exp.TimeToStr(this=here, format=exp.Literal.string(_FORMATS[unit]))
    return exp.TimestampTrunc(this=here, unit=exp.var(unit.upper()))
