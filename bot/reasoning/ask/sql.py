"""An intent as SQL: an expression tree, never text; values are literals that the tree quotes for each dialect."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

from typing import Any

from sqlglot import exp

from bot.reasoning.ask.choosing import Chooser
from bot.reasoning.ask.intent import Condition, Having, Intent, Measure
from bot.reasoning.ask.joins import Edge
from bot.reasoning.ask.lexicon import Ref, is_secret
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.sql_values import bucket_of, column, from_table, literal, measure_name, text_match, time_bounds

_FUNCTIONS: dict[str, type[exp.Func]] = {
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
_MOST_ROWS = 1_000
_MOST_COLUMNS = 30


class Builder:
    """One query over one base table; tables that each base row meets at most once are joined, others are asked with IN."""

    def __init__(self, intent: Intent, chooser: Chooser, dialect: str) -> None:
        self.i = intent
        self.c = chooser
        self.dialect = dialect
        self.base = self._base()
        self._joined: dict[str, Edge | None] = {self.base: None}
        self._inner: dict[Edge, list[Condition]] = {}

    def build(self) -> exp.Select:
        """The query, or CannotAnswer when the shape is beyond these templates."""
        self._check()
        if self.i.outer:
            return self._nested()
        counting = self._counts_groups()
        if counting:
            return self._outer_count(counting)
        return self._plain()

    # which table the rows come from

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
        return base

    def _aggregates(self) -> list[Measure]:
        ordered = [r for r, _ in self.i.order if isinstance(r, Measure)]
        return [*self.i.measures, *ordered, *(h.measure for h in self.i.having)]

    def _counts_groups(self) -> Measure | None:
        """ "How many customers have more than 2 orders" counts the groups of another measure."""
        i = self.i
        first = i.measures[0] if len(i.measures) == 1 else None
        if first is None or first.function != "count" or first.column or not i.having:
            return None
        return first if all(h.measure.table != first.table for h in i.having) and not i.group_tables else None

    def _check(self) -> None:
        i = self.i
        if i.having and i.outer:
            raise CannotAnswer("I cannot average groups and bound them at once.")
        if len({m.table for m in i.measures}) > 1:
            raise CannotAnswer("The question asks for numbers of several tables. Ask one by one.")
        for measure in self._aggregates():
            same = measure.table == self.base or (
                measure.function == "count" and self.c.joins.to_one(self.base, measure.table)
            )
            extreme = measure.function in ("min", "max") and self.c.joins.to_one(self.base, measure.table)
            if not same and not extreme and measure is not self._counts_groups():
                raise CannotAnswer("These numbers come from tables whose rows would be counted more than once.")
        grouped = bool(i.group_tables or i.group_columns or i.bucket)
        if grouped and any(isinstance(r, Ref) for r, _ in i.order) and i.limit:
            raise CannotAnswer("The best row of each group is more than I can do.")
        if i.ratio is not None and (i.having or i.outer):
            raise CannotAnswer("A share of bounded groups is more than I can do.")

    # shapes

    def _plain(self) -> exp.Select:
        keys, shown = self._group_keys()
        measures = self._shown_measures()
        conditions = self._conditions()
        aggregated = bool(measures or self.i.having)
        select = exp.Select()
        if aggregated:
            aliased = [exp.alias_(self._measure(m), measure_name(m)) for m in measures]
            columns = [*shown, *([self._ratio()] if self.i.ratio else aliased)]
            select = select.select(*columns, copy=False)
        else:
            select = self._listing(select)
        havings = [self._having(having) for having in self.i.having]
        select = self._from(select).where(*conditions, copy=False) if conditions else self._from(select)
        if aggregated and keys:
            select = select.group_by(*keys, copy=False)
        for bound in havings:
            select = select.having(bound, copy=False)
        return self._ordered(select, measures, shown, aggregated=aggregated)

    def _group_keys(self) -> tuple[list[exp.Expr], list[exp.Expr]]:
        """What to group by, and what to show of each group."""
        keys: list[exp.Expr] = []
        shown: list[exp.Expr] = []
        for table in self._grouped_tables():
            for ref in self._identity(table):
                keys.append(column(ref))
                shown.append(column(ref))
        for ref in self.i.group_columns:
            self._reach(ref.table)
            if self.c.about(ref).kind is Kind.TIME and not self.i.bucket:
                bucketed = bucket_of(column(ref), "day", self.c.about(ref), self.dialect)
                keys.append(bucketed)
                shown.append(exp.alias_(bucketed.copy(), "day"))
            else:
                keys.append(column(ref))
                shown.append(column(ref))
        if self.i.bucket:
            ref = self._time_ref()
            bucketed = bucket_of(column(ref), self.i.bucket, self.c.about(ref), self.dialect)
            keys.append(bucketed)
            shown.append(exp.alias_(bucketed.copy(), self.i.bucket))
        return keys, shown

    def _grouped_tables(self) -> list[str]:
        """Group tables, and the listed table itself when its rows are ranked or bounded by an aggregate."""
        i = self.i
        found = list(i.group_tables)
        ranked = i.having or any(isinstance(r, Measure) for r, _ in i.order)
        target = str(i.target)
        if ranked and target not in found and not i.group_columns:
            if target != self.base or (not found and not i.bucket and not i.measures and not i.columns):
                found.append(target)
        for ref in i.columns if self._aggregates() and not self._counts_groups() else ():
            if ref.table not in found and ref not in i.group_columns:
                i.group_columns.append(ref)
        for table in found:
            self._reach(table)
        return found

    def _identity(self, table: str) -> list[Ref]:
        """Key and label of a row."""
        key, label = self.c.lexicon.tables[table].key, self.c.label(table)
        refs = [Ref(table, key.name)] if key else []
        refs += [label] if label and label not in refs else []
        if not label:
            refs += [ref for ref in self.c.person_names(table) if ref not in refs]
        if not refs:
            raise CannotAnswer(f"I do not know what tells the rows of {table} apart.")
        return refs

    def _shown_measures(self) -> list[Measure]:
        return list(dict.fromkeys(self._aggregates()))

    def _measure(self, measure: Measure) -> exp.Expr:
        self._reach(measure.table)
        if measure.function == "count":
            return self._count(measure)
        assert measure.column is not None, "only a count has no column"
        inner: exp.Expr = column(Ref(measure.table, measure.column))
        if measure.distinct:
            inner = exp.Distinct(expressions=[inner])
        if measure.function == "median" and self.dialect in ("sqlite", "mysql"):
            raise CannotAnswer("This database has no median.")
        return _FUNCTIONS[measure.function](this=inner)

    def _count(self, measure: Measure) -> exp.Expr:
        if measure.column:
            return exp.Count(this=exp.Distinct(expressions=[column(Ref(measure.table, measure.column))]))
        if measure.table == self.base and not measure.distinct:
            return exp.Count(this=exp.Star())
        key = self.c.lexicon.tables[measure.table].key
        if key is None:
            raise CannotAnswer(f"I do not know what tells the rows of {measure.table} apart.")
        return exp.Count(this=exp.Distinct(expressions=[column(Ref(measure.table, key.name))]))

    def _ratio(self) -> exp.Expr:
        inner = exp.and_(*[self._condition(c) for c in self._reachable(self.i.ratio_conditions)], copy=False)
        case = exp.Case(ifs=[exp.If(this=inner, true=exp.Literal.number("1.0"))], default=exp.Literal.number("0.0"))
        mean: exp.Expr = exp.Avg(this=case)
        if self.i.ratio == 100:
            mean = exp.Mul(this=exp.Literal.number("100.0"), expression=mean)
        return exp.alias_(mean, "percentage" if self.i.ratio == 100 else "share")

    def _reachable(self, conditions: list[Condition]) -> list[Condition]:
        for condition in conditions:
            if not self.c.joins.to_one(self.base, condition.ref.table):
                raise CannotAnswer("That share would count rows more than once.")
            self._reach(condition.ref.table)
        return conditions

    def _listing(self, select: exp.Select) -> exp.Select:
        refs: list[Ref] = []
        target = str(self.i.target)
        if self.i.columns:
            shown = list(dict.fromkeys(self.i.columns))
            lone = self._values_only(shown)
            refs = shown if lone else [*self._label_of(target, shown), *shown]
            if self.i.distinct or lone:
                select = select.distinct(copy=False)
        else:
            refs = (
                self._all_of(self.base) if self.base == target else [*self._identity(target), *self._all_of(self.base)]
            )
        refs += [r for r, _ in self.i.order if isinstance(r, Ref) and r not in refs and not select.args.get("distinct")]
        for ref in refs:
            self._reach(ref.table)
        names: dict[str, int] = {}
        for ref in refs:
            names[ref.column] = names.get(ref.column, 0) + 1
        parts = [
            exp.alias_(column(r), f"{r.table.rpartition('.')[2]}_{r.column}") if names[r.column] > 1 else column(r)
            for r in dict.fromkeys(refs)
        ]
        return select.select(*parts, copy=False)

    def _values_only(self, shown: list[Ref]) -> bool:
        """ "Which countries are there": few values, so each once."""
        few = all(self.c.about(ref).values and self.c.label(ref.table) != ref for ref in shown)
        own = self.i.target in [r.table for r in shown] and self.i.target not in self.c.mentioned
        return self.i.distinct or (few and own)

    def _label_of(self, target: str, shown: list[Ref]) -> list[Ref]:
        label = self.c.label(target)
        if label is None or self.i.distinct or label in shown or not self.c.joins.to_one(self.base, target):
            return []
        return [label]

    def _all_of(self, table: str) -> list[Ref]:
        names = [c.name for c in self.c.lexicon.tables[table].columns if not is_secret(c.name)]
        return [Ref(table, name) for name in names[:_MOST_COLUMNS]]

    def _ordered(
        self, select: exp.Select, measures: list[Measure], shown: list[exp.Expr], *, aggregated: bool
    ) -> exp.Select:
        for ref, descending in self.i.order:
            by = exp.column(measure_name(ref)) if isinstance(ref, Measure) else column(ref)
            select = select.order_by(exp.Ordered(this=by, desc=descending, nulls_first=False), copy=False)
        if self.i.bucket and not self.i.order:
            select = select.order_by(exp.column(self.i.bucket), copy=False)
        scalar = aggregated and not shown
        limit = self.i.limit or (None if scalar else _MOST_ROWS)
        return select.limit(limit, copy=False) if limit else select

    # joins and conditions

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

    # two levels

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
        outer = _FUNCTIONS[str(self.i.outer)](this=exp.column("n"))
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
