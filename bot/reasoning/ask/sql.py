"""An intent as SQL: an expression tree, never text; values are literals that the tree quotes for each dialect."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

from sqlglot import exp

from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer
from bot.reasoning.ask.sql_shapes import Shapes
from bot.reasoning.ask.sql_values import measure_name


class Builder(Shapes):
    """One query over one base table; tables that each base row meets at most once are joined, others are asked with IN."""

    def build(self) -> exp.Select:
        """The query, or CannotAnswer when the shape is beyond these templates."""
        self._check()
        if self.i.span is not None and self.i.span.other is not None:
            return self._two_times()
        if self.i.outer:
            return self._nested()
        if self._ranks_each():
            return self._best_of_each()
        counting = self._counts_groups()
        if counting:
            return self._outer_count(counting)
        return self._plain()

    def _ranks_each(self) -> bool:
        """Whether the best few of every group are asked for, not the best groups."""
        i = self.i
        if not (i.limit and len(i.order) == 1 and (i.group_tables or i.group_columns)) or i.measures or i.having:
            return False
        by = i.order[0][0]
        return isinstance(by, Ref) and i.target not in i.group_tables

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
        refs = any(isinstance(r, Ref) for r, _ in i.order)
        if (i.group_tables or i.group_columns or i.bucket) and refs and i.limit and not self._ranks_each():
            raise CannotAnswer("The best row of each of these groups is more than I can do.")
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
