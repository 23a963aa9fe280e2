"""An intent as SQL: an expression tree, never text; values are literals that the tree quotes for each dialect."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

from sqlglot import exp

from bot.reasoning.ask.intent import Condition, Measure
from bot.reasoning.ask.lexicon import Ref, is_secret
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.sql_values import bucket_of, column, measure_name
from bot.reasoning.ask.sql_where import Where

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


class Builder(Where):
    """One query over one base table; tables that each base row meets at most once are joined, others are asked with IN."""

    def build(self) -> exp.Select:
        """The query, or CannotAnswer when the shape is beyond these templates."""
        self._check()
        if self.i.outer:
            return self._nested()
        counting = self._counts_groups()
        if counting:
            return self._outer_count(counting)
        return self._plain()

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
        alone = not found and not i.bucket and not i.measures and not i.columns
        if ranked and target not in found and not i.group_columns and (target != self.base or alone):
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
