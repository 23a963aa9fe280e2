"""What statements are put together from: keys of groups, identities of rows, shares, lists, orders."""

from __future__ import annotations

from sqlglot import exp

from bot.reasoning.ask.intent import MOST_ROWS, Condition, Measure
from bot.reasoning.ask.lexicon import Ref, is_secret
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.sql_values import bucket_of, column, measure_name
from bot.reasoning.ask.sql_where import Where

_MOST_COLUMNS = 30


class Parts(Where):
    """The parts of one statement."""

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
        if self.i.against is not None:
            return self._pair(inner, self._condition(self._reachable([self.i.against])[0]))
        case = exp.Case(ifs=[exp.If(this=inner, true=exp.Literal.number("1.0"))], default=exp.Literal.number("0.0"))
        mean: exp.Expr = exp.Avg(this=case)
        if self.i.ratio == 100:
            mean = exp.Mul(this=exp.Literal.number("100.0"), expression=mean)
        return exp.alias_(mean, "percentage" if self.i.ratio == 100 else "share")

    def _pair(self, one: exp.Expr, other: exp.Expr) -> exp.Expr:
        """The rows of one kind over those of another."""
        sums = []
        for inside, yes in ((one, "1.0"), (other, "1")):
            case = exp.Case(
                ifs=[exp.If(this=inside, true=exp.Literal.number(yes))],
                default=exp.Literal.number(yes.replace("1", "0")),
            )
            sums.append(exp.Sum(this=case))
        under = exp.Nullif(this=sums[1], expression=exp.Literal.number("0"))
        return exp.alias_(exp.Div(this=sums[0], expression=under), "ratio")

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
        own = own or (self.i.each_once and len(shown) == 1 and not self.i.order)
        return self.i.distinct or (few and own)

    def _label_of(self, target: str, shown: list[Ref]) -> list[Ref]:
        label, key = self.c.label(target), self.c.lexicon.tables[target].key
        if self.i.distinct or not self.c.joins.to_one(self.base, target):
            return []
        known = [Ref(target, key.name)] if key else []
        return [ref for ref in (*known, *([label] if label else [])) if ref not in shown]

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
        limit = self.i.limit or (None if scalar else MOST_ROWS)
        return select.limit(limit, copy=False) if limit else select
