"""Statements of more than one step: averages of groups, counts of groups, the best rows of each group, two times."""

from __future__ import annotations

from sqlglot import exp

from bot.reasoning.ask.intent import MOST_ROWS, Measure
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer
from bot.reasoning.ask.spans import Span
from bot.reasoning.ask.sql_parts import Parts
from bot.reasoning.ask.sql_values import column, measure_name, time_bounds
from bot.reasoning.ask.sql_where import FUNCTIONS


class Shapes(Parts):
    """Each makes one whole statement out of the parts."""

    def _nested(self) -> exp.Select:
        """The average (or largest …) of a count per group."""
        keys, shown = self._group_keys()
        if not keys or len(self.i.measures) != 1:
            raise CannotAnswer("The average number per what?")
        conditions = self._conditions()
        inner = exp.Select().select(*shown, exp.alias_(self._measure(self.i.measures[0]), "n"), copy=False)
        inner = self._from(inner).group_by(*keys, copy=False)
        if conditions:
            inner = inner.where(*conditions, copy=False)
        outer = FUNCTIONS[str(self.i.outer)](this=exp.column("n"))
        name = f"{self.i.outer}_{measure_name(self.i.measures[0])}"
        return exp.Select().select(exp.alias_(outer, name), copy=False).from_(inner.subquery("grouped"), copy=False)

    def _outer_count(self, counted: Measure) -> exp.Select:
        """How many groups satisfy a bound."""
        self._reach(counted.table)
        key = self.c.lexicon.tables[counted.table].key
        if key is None:
            raise CannotAnswer(f"I do not know what tells the rows of {counted.table} apart.")
        conditions = self._conditions()
        havings = [self._having(having) for having in self.i.having]
        here = column(Ref(counted.table, key.name))
        inner = self._from(exp.Select().select(here, copy=False)).group_by(here.copy(), copy=False)
        if conditions:
            inner = inner.where(*conditions, copy=False)
        for bound in havings:
            inner = inner.having(bound, copy=False)
        count = exp.alias_(exp.Count(this=exp.Star()), measure_name(counted))
        return exp.Select().select(count, copy=False).from_(inner.subquery("grouped"), copy=False)

    def _best_of_each(self) -> exp.Select:
        """The first rows of each group, by a number of the rows or of what belongs to them; ties give all."""
        by, descending = self.i.order[0]
        target = str(self.i.target)
        keys, shown = self._group_keys()
        measured = isinstance(by, Measure)
        identity = self._identity(target) if target not in self.i.group_tables else []
        for table in (target, by.table):
            self._reach(table)
        ranked = self._measure(by) if isinstance(by, Measure) else column(by)
        plain = [column(ref) for ref in identity if not any(ref.column == s.alias_or_name for s in shown)]
        conditions = self._conditions()
        inner = exp.Select().select(*shown, *plain, exp.alias_(ranked, "ranked"), copy=False)
        inner = self._from(inner)
        if conditions:
            inner = inner.where(*conditions, copy=False)
        if measured:
            inner = inner.group_by(*keys, *(p.copy() for p in plain), copy=False)
        else:
            inner = inner.where(exp.Not(this=exp.Is(this=ranked.copy(), expression=exp.Null())), copy=False)
        names = [s.alias_or_name for s in shown]
        place = exp.Window(
            this=exp.Anonymous(this="RANK"),
            partition_by=[exp.column(exp.to_identifier(name)) for name in names],
            order=exp.Order(expressions=[exp.Ordered(this=exp.column("ranked"), desc=descending, nulls_first=False)]),
        )
        middle = exp.Select().select(exp.Star(), exp.alias_(place, "place"), copy=False)
        middle = middle.from_(inner.subquery("grouped"), copy=False)
        outer = exp.Select().select(exp.Star(), copy=False).from_(middle.subquery("placed"), copy=False)
        first = exp.LTE(this=exp.column("place"), expression=exp.Literal.number(str(self.i.limit or 1)))
        return outer.where(first, copy=False).limit(MOST_ROWS, copy=False)

    def _two_times(self) -> exp.Select:
        """One number over two times, side by side; for each group where one is named."""
        span, (measure, *more) = self.i.span, self.i.measures or [Measure("count", self.base)]
        if span is None or span.other is None or more or self.i.bucket or self.i.order or measure.function == "median":
            raise CannotAnswer("I compare one number over two times. Ask for one.")
        if measure.function == "count" and (measure.column or measure.table != self.base):
            raise CannotAnswer("I cannot compare that number over two times.")
        self.i.span = None
        keys, shown = self._group_keys()
        conditions = self._conditions()
        columns = [self._within(measure, one, f"time_{n}") for n, one in enumerate((span, span.other), 1)]
        select = self._from(exp.Select().select(*shown, *columns, copy=False))
        select = select.where(*conditions, copy=False) if conditions else select
        self.i.span = span
        return select.group_by(*keys, copy=False).limit(MOST_ROWS, copy=False) if keys else select

    def _within(self, measure: Measure, span: Span, name: str) -> exp.Expr:
        ref = self._time_ref()
        self._reach(ref.table)
        inside = exp.and_(*time_bounds(column(ref), span, self.c.about(ref), self.dialect), copy=False)
        one: exp.Expr = exp.Literal.number("1")
        if measure.function != "count":
            self._reach(measure.table)
            one = column(Ref(measure.table, str(measure.column)))
        zero = exp.Literal.number("0") if measure.function in ("count", "sum") else None
        case = exp.Case(ifs=[exp.If(this=inside, true=one)], default=zero)
        function = exp.Sum if measure.function == "count" else FUNCTIONS[measure.function]
        return exp.alias_(function(this=case), name)
