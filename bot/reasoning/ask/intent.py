"""What was understood of a question about tables, before it becomes a query."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.spans import Span

NUMERIC = frozenset({"sum", "avg", "min", "max", "median", "range"})
MOST_ROWS = 1_000


@dataclass(frozen=True)
class Measure:
    """A number over rows: count of a table, or a function of a column (NUMERIC); `distinct` counts values."""

    function: str
    table: str
    column: str | None = None
    distinct: bool = False


@dataclass(frozen=True)
class Condition:
    """`operator` is one of = != > >= < <= in not_in between contains starts ends null not_null true false.

    The last three of text also take `not_` before them; comparisons take `avg` behind them for the mean of all rows.
    """

    ref: Ref
    operator: str
    values: tuple[str | float, ...] = ()


@dataclass(frozen=True)
class Having:
    """A bound on a measure per group."""

    measure: Measure
    operator: str
    value: float


@dataclass
class Super:
    """A superlative waiting for what it ranks by."""

    descending: bool
    dimension: str
    words: str


@dataclass
class Intent:
    """`target` is what rows are listed or counted; groups are tables (one row each), columns, or a unit of time."""

    target: str | None = None
    measures: list[Measure] = field(default_factory=list)
    group_tables: list[str] = field(default_factory=list)
    group_columns: list[Ref] = field(default_factory=list)
    bucket: str | None = None
    conditions: list[Condition] = field(default_factory=list)
    having: list[Having] = field(default_factory=list)
    has: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    columns: list[Ref] = field(default_factory=list)
    distinct: bool = False
    order: list[tuple[Ref | Measure, bool]] = field(default_factory=list)
    limit: int | None = None
    ratio: float | None = None
    ratio_conditions: list[Condition] = field(default_factory=list)
    outer: str | None = None
    with_zero: bool = False
    against: Condition | None = None
    each_once: bool = False
    span: Span | None = None
    span_ref: Ref | None = None
