"""The joins, conditions and measures of a statement, as sqlglot trees."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from bot.reasoning.ask.choosing import Chooser
from bot.reasoning.ask.intent import Condition, Having, Intent, Measure
from bot.reasoning.ask.joins import Edge
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer
from bot.reasoning.ask.sql_values import column, from_table, literal, text_match, time_bounds

FUNCTIONS: dict[str, type[exp.Func]] = {
    "sum": exp.Sum,
    "avg": exp.Avg,
    "min": exp.Min,
    "max": exp.Max,
    "median": exp.Median,
}
_COMPARE: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    ">": exp.GT,
    ">=": exp.GTE,
    "<": exp.LT,
    "<=": exp.LTE,
}


# Parts of names of times that may lie ahead.
_AHEAD = frozenset(
    """scheduled schedule due expires expiry expiration expire start starts end ends begin departure departs arrival
    arrives deadline renewal renews planned appointment valid event date checkin checkout check target""".split()
)


class Where:
    """What a statement reads from and which rows count."""

    def __init__(self, intent: Intent, chooser: Chooser, dialect: str) -> None:
        self.i = intent
        self.c = chooser
        self.dialect = dialect
        self.base = self._base()
        self._joined: dict[str, Edge | None] = {self.base: None}
        self._inner: dict[Edge, list[Condition]] = {}

    def _counts_groups(self) -> Measure | None:
        """ "How many customers have more than 2 orders" counts the groups of another measure."""
        i = self.i
        first = i.measures[0] if len(i.measures) == 1 else None
        if first is None or first.function != "count" or first.column or not i.having:
            return None
        return first if all(h.measure.table != first.table for h in i.having) and not i.group_tables else None

    def _aggregates(self) -> list[Measure]:
        ordered = [r for r, _ in self.i.order if isinstance(r, Measure)]
        return [*self.i.measures, *ordered, *(h.measure for h in self.i.having)]

    def _base(self) -> str:
        i = self.i
        assert i.target is not None, "the reader gives a target"
        tables = [m.table for m in self._aggregates()]
        if self._counts_groups():
            tables = [h.measure.table for h in i.having]
        if not tables:
            shown = [r.table for r, _ in i.order if isinstance(r, Ref)] + [r.table for r in i.columns]
            tables = [next((t for t in shown if self.c.joins.to_one(t, i.target) and t != i.target), i.target)]
        base = tables[0]
        for other in tables[1:]:
            if not self.c.joins.to_one(base, other):
                base = other if self.c.joins.to_one(other, base) else base
        return self._bridge(base) or base

    def _bridge(self, base: str) -> str | None:
        """The table between a counted one and its groups: students per course are counted over enrolments."""
        i, to_one = self.i, self.c.joins.to_one
        counts = self._aggregates()
        if not counts or any(m.function != "count" or m.column for m in counts) or i.ratio is not None:
            return None
        counted = self._counts_groups()
        needs = {*i.group_tables, *(r.table for r in i.group_columns), *(m.table for m in counts)}
        ranked = i.having or any(isinstance(r, Measure) for r, _ in i.order)
        needs |= {counted.table} if counted else {str(i.target)} if ranked else set()
        if all(to_one(base, table) for table in needs):
            return None
        between = [t for t in self.c.lexicon.tables if all(to_one(t, table) for table in needs)]
        far = {t: sum(self.c.joins.distance(t, table) for table in needs) for t in between}
        nearest = [t for t in between if far[t] == min(far.values())]
        return nearest[0] if len(nearest) == 1 else None

    def _measure(self, measure: Measure) -> exp.Expr:
        self._reach(measure.table)
        if measure.function == "count":
            return self._count(measure)
        assert measure.column is not None, "only a count has no column"
        inner: exp.Expr = column(Ref(measure.table, measure.column))
        if measure.distinct:
            inner = exp.Distinct(expressions=[inner])
        if measure.function == "range":
            return exp.Sub(this=exp.Max(this=inner), expression=exp.Min(this=inner.copy()))
        if measure.function == "median" and self.dialect in ("sqlite", "mysql"):
            raise CannotAnswer("This database has no median.")
        return FUNCTIONS[measure.function](this=inner)

    def _count(self, measure: Measure) -> exp.Expr:
        if measure.column:
            return exp.Count(this=exp.Distinct(expressions=[column(Ref(measure.table, measure.column))]))
        if measure.table == self.base and not measure.distinct:
            return exp.Count(this=exp.Star())
        key = self.c.lexicon.tables[measure.table].key
        if key is None:
            raise CannotAnswer(f"I do not know what tells the rows of {measure.table} apart.")
        return exp.Count(this=exp.Distinct(expressions=[column(Ref(measure.table, key.name))]))

    def _reach(self, table: str) -> None:
        """Join the way to a table that each base row meets at most once."""
        if table in self._joined:
            return
        way = self.c.joins.path(self.base, table)
        if not all(edge.to_one for edge in way):
            raise CannotAnswer("Joining these tables would count rows more than once.")
        for edge in way:
            known = self._joined.get(edge.other)
            if known is not None and known != edge:
                raise CannotAnswer("The question needs one table in two roles.")
            self._joined.setdefault(edge.other, edge)

    def _from(self, select: exp.Select) -> exp.Select:
        select = select.from_(from_table(self.base), copy=False)
        for edge in self._joined.values():
            if edge is not None:
                on = exp.EQ(
                    this=column(Ref(edge.table, edge.column)), expression=column(Ref(edge.other, edge.other_column))
                )
                select = select.join(from_table(edge.other), on=on, join_type="", copy=False)
        return select

    def _conditions(self) -> list[exp.Expr]:
        i = self.i
        found: list[exp.Expr] = []
        inner: dict[Edge, list[tuple[list[Edge], Condition | None, bool]]] = {}
        span_table = self._time_ref().table if i.span else None
        for condition in i.conditions:
            if self.c.joins.to_one(self.base, condition.ref.table):
                self._reach(condition.ref.table)
                found.append(self._condition(condition))
            else:
                way = self.c.joins.path(self.base, condition.ref.table)
                inner.setdefault(way[0], []).append((way, condition, False))
        for table in i.has:
            if not self.c.joins.to_one(self.base, table):
                way = self.c.joins.path(self.base, table)
                inner.setdefault(way[0], []).append((way, None, table == span_table))
            else:
                self._reach(table)
        if i.span and span_table is not None and span_table not in i.lacks:
            found += self._span(span_table, inner)
        found += [self._inside(parts) for parts in inner.values()]
        found += [self._outside(table, timed=table == span_table) for table in i.lacks]
        return found

    def _span(self, table: str, inner: dict[Edge, list[tuple[list[Edge], Condition | None, bool]]]) -> list[exp.Expr]:
        ref = self._time_ref()
        assert self.i.span is not None
        if self.c.joins.to_one(self.base, table):
            self._reach(table)
            return time_bounds(column(ref), self.i.span, self.c.about(ref), self.dialect)
        way = self.c.joins.path(self.base, table)
        inner.setdefault(way[0], []).append((way, None, True))
        return []

    def _inside(self, parts: list[tuple[list[Edge], Condition | None, bool]]) -> exp.Expr:
        """`base.key IN (select …)`: rows that have at least one such row there."""
        first = parts[0][0][0]
        select = exp.Select().select(column(Ref(first.other, first.other_column)), copy=False)
        select = select.from_(from_table(first.other), copy=False)
        joined = {first.other}
        for way, condition, timed in parts:
            for edge in way[1:]:
                if edge.other not in joined:
                    joined.add(edge.other)
                    on = exp.EQ(
                        this=column(Ref(edge.table, edge.column)), expression=column(Ref(edge.other, edge.other_column))
                    )
                    select = select.join(from_table(edge.other), on=on, join_type="", copy=False)
            if condition is not None:
                select = select.where(self._condition(condition), copy=False)
            if timed and self.i.span:
                ref = self._time_ref()
                select = select.where(
                    *time_bounds(column(ref), self.i.span, self.c.about(ref), self.dialect), copy=False
                )
        return exp.In(this=column(Ref(first.table, first.column)), query=exp.Subquery(this=select))

    def _outside(self, table: str, *, timed: bool) -> exp.Expr:
        """Rows without any such row there; nulls there are left out, or NOT IN would be never true."""
        anchor = str(self.i.target) if not self.c.joins.linked(self.base, table) else self.base
        way = self.c.joins.path(anchor, table)
        if len(way) == 1 and way[0].to_one and anchor == self.base:
            return exp.Is(this=column(Ref(way[0].table, way[0].column)), expression=exp.Null())
        inside = self._inside([(way, None, timed)])
        select: Any = inside.args["query"].this
        edge = way[0]
        present = exp.Not(this=exp.Is(this=column(Ref(edge.other, edge.other_column)), expression=exp.Null()))
        select.where(present, copy=False)
        return exp.Not(this=inside)

    def _condition(self, condition: Condition) -> exp.Expr:
        ref, operator, values = condition.ref, condition.operator, condition.values
        here, about = column(ref), self.c.about(ref)
        if operator in _COMPARE:
            return _COMPARE[operator](this=here, expression=literal(values[0], about))
        if operator.endswith("avg"):
            mean = exp.Select().select(exp.Avg(this=here.copy()), copy=False).from_(from_table(ref.table), copy=False)
            return _COMPARE[operator.removesuffix("avg")](this=here, expression=exp.Subquery(this=mean))
        if operator in ("in", "not_in"):
            inside = exp.In(this=here, expressions=[literal(v, about) for v in values])
            return inside if operator == "in" else exp.Not(this=inside)
        if operator == "between":
            return exp.Between(this=here, low=literal(values[0], about), high=literal(values[1], about))
        if operator in ("null", "not_null"):
            missing = exp.Is(this=here, expression=exp.Null())
            return missing if operator == "null" else exp.Not(this=missing)
        if operator in ("true", "false"):
            return exp.EQ(this=here, expression=exp.Boolean(this=operator == "true"))
        return text_match(here, operator, str(values[0]))

    def _having(self, having: Having) -> exp.Expr:
        number = exp.Literal.number(
            f"{having.value:g}" if having.value != int(having.value) else str(int(having.value))
        )
        return _COMPARE[having.operator](this=self._measure(having.measure), expression=number)

    def _time_ref(self) -> Ref:
        found = self._any_time()
        parts = set(found.column.lower().split("_"))
        if self.i.span is not None and self.i.span.ahead and not parts & _AHEAD:
            raise CannotAnswer(f"“{self.i.span.words}” lies ahead; {found.column} only says what has been.")
        return found

    def _any_time(self) -> Ref:
        if self.i.span_ref is not None:
            return self.i.span_ref
        for table in (self.base, str(self.i.target), *self.i.has):
            ref = self.c.time_column(table)
            if ref is not None:
                return ref
        timed = [t for t in self.c.lexicon.tables if self.c.joins.to_one(self.base, t) and self.c.time_column(t)]
        if len(timed) != 1:
            raise CannotAnswer(f"I do not see which time of {self.base.rpartition('.')[2]} is meant.", *timed)
        found = self.c.time_column(timed[0])
        assert found is not None
        return found
