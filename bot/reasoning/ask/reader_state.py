"""What has been understood of a question so far, and how loose ends are tied up at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.reasoning.ask.choosing import Chooser
from bot.reasoning.ask.intent import Condition, Intent, Measure, Super
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer, Kind
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.spans import Span


class ReaderState:
    """The question's pieces, the intent so far, and what still waits for a noun."""

    def __init__(self, chooser: Chooser, pieces: Sequence[Piece], *, span: Span | None) -> None:
        self.c = chooser
        self.p = list(pieces)
        self.at = 0
        self.intent = Intent(span=span)
        self.pending: list[list[str]] = []
        self.super: Super | None = None
        self.latest: bool | None = None
        self.focus: str | None = None
        self.last: Ref | Measure | str | None = None
        self.mentions: list[tuple[str, bool]] = []
        self.negated = self.lacking = self.grouping = self.ordering = self.distinct = self.having = False
        self.who = self.verb_seen = self.deed = self.or_open = self.where_next = False
        self.bound: Callable[[Ref], None] | None = None
        self.early: list[Condition] = []
        self.fresh = self.versus = self.beside = False
        self.ratio_said = ""

    def peek(self, step: int = 1) -> Piece | None:
        at = self.at + step
        return self.p[at] if 0 <= at < len(self.p) else None

    def follows(self, step: int, *sorts: Sort) -> bool:
        piece = self.peek(step)
        return piece is not None and piece.sort in sorts

    def take_measure(self, measure: Measure) -> None:
        self.last = measure
        target = self.intent.target
        if self.beside and target and target != measure.table and self.c.joins.to_one(measure.table, target):
            self.intent.group_tables += [target] if target not in self.intent.group_tables else []
        self.beside = False
        if self.super is not None:
            self.intent.order.append((measure, self.super.descending))
            self.intent.limit = self.intent.limit or 1
            self.super = None
        elif self.ordering:
            self.intent.order.append((measure, False))
            self.ordering = False
        else:
            self.intent.measures.append(measure)

    def condition(self, ref: Ref, operator: str, *values: str | float) -> None:
        """Add a condition; the same column asked twice means either of the values."""
        counted = self.intent.ratio and self.verb_seen and not self.where_next
        self.where_next = False
        kept = self.intent.ratio_conditions if counted else self.intent.conditions
        joins = {"=": "in", "!=": "not_in"}
        for index, known in enumerate(kept):
            same = known.ref == ref and operator in joins and known.operator in (operator, joins[operator])
            if same and self._alternatives():
                kept[index] = Condition(ref, joins[operator], (*known.values, *values))
                self.or_open = False
                return
            if same and self.intent.ratio == 1 and self.ratio_said.startswith("ratio") and operator == "=":
                self.intent.against = Condition(ref, operator, values)
                return
            if same:
                raise CannotAnswer(f"{ref.column} cannot be two things at once.")
        if self.or_open and kept:
            raise CannotAnswer("I can only join values of one column with “or”.")
        kept.append(Condition(ref, operator, values))
        if self.intent.ratio is not None and not self.verb_seen:
            self.early.append(kept[-1])

    def _alternatives(self) -> bool:
        return any(self.follows(step, Sort.OR, Sort.AND, Sort.VERSUS) for step in (-1, -2))

    def _finish(self) -> None:
        self._leftovers()
        intent = self.intent
        if intent.target is None:
            tables = [*(m.table for m in intent.measures), *(r.table for r in intent.columns), *self._loose()]
            tables += [c.ref.table for c in (*intent.conditions, *intent.ratio_conditions)]
            if not tables:
                raise CannotAnswer("I do not see which table the question is about.")
            intent.target = tables[0]
        self._mentions()
        self._deed_done()
        self._contrasted()
        self._counted_groups()
        self._share_of()
        if intent.limit and not intent.order and intent.limit < 10_000:
            raise CannotAnswer("By what should they be ranked?", f"top {intent.limit} by number of …")

    def _contrasted(self) -> None:
        """ "Completed versus cancelled appointments" are counted side by side; "new" ones need a time."""
        intent = self.intent
        if self.fresh and not (intent.span or intent.bucket):
            raise CannotAnswer("New since when? Name a time, such as this month.")
        if not self.versus or (intent.span and intent.span.other):
            return
        pairs = [c.ref for c in intent.conditions if c.operator == "in"]
        if len(pairs) != 1 or intent.group_columns or intent.ratio:
            raise CannotAnswer("I compare two values of one column, or two times.")
        intent.group_columns.append(pairs[0])

    def _share_of(self) -> None:
        """What counts for a share: what was said after the verb, else the one state right before the rows."""
        intent = self.intent
        if intent.ratio is not None and not intent.ratio_conditions and len(self.early) == 1:
            intent.conditions = [c for c in intent.conditions if c is not self.early[0]]
            intent.ratio_conditions = list(self.early)
        if len({c.ref for c in intent.ratio_conditions}) > 1:
            raise CannotAnswer("Which of these conditions counts for the share? Ask with one.")
        if intent.ratio is not None and not intent.ratio_conditions:
            raise CannotAnswer("A share of what? Say which rows count.")
        if intent.ratio is not None and not intent.measures:
            intent.measures.append(Measure("count", str(intent.target)))

    def _counted_groups(self) -> None:
        """ "Orders per day", "open tickets by priority": groups of rows without a number are counted."""
        intent = self.intent
        grouped = intent.bucket or intent.group_columns or intent.group_tables
        best = bool(intent.limit and intent.order and not intent.bucket)
        ranked = best or any(isinstance(ref, Measure) for ref, _ in intent.order)
        if not grouped or intent.measures or intent.ratio or ranked or intent.having:
            return
        if intent.columns:
            name = intent.columns[-1].column
            raise CannotAnswer(f"Which number of {name} for each group?", f"average {name}", f"total {name}")
        intent.measures.append(Measure("count", str(intent.target)))

    def _loose(self) -> list[str]:
        found = [ref.table for ref, _ in self.intent.order if isinstance(ref, (Ref, Measure)) for _ in [0]]
        return [*found, *(r.table for r in self.intent.group_columns)]

    def _leftovers(self) -> None:
        if self.super is not None:
            self._late_super(self.super)
        if self.pending:
            self._late_aggregate()
        if self.latest is not None:
            raise CannotAnswer("The latest of what?")
        if self.or_open:
            raise CannotAnswer("I can only join values of one column with “or”.")
        if self.lacking or self.negated:
            raise CannotAnswer("I see a “not” or “without”, but not what it belongs to.")
        if self.bound is not None:
            raise CannotAnswer("I see a bound, but not which number it belongs to.")

    def _late_super(self, waiting: Super) -> None:
        """ "Which product is the most expensive", "which status is most common"."""
        intent = self.intent
        self.super = None
        if waiting.dimension == "count" and intent.columns and not intent.measures:
            ref = intent.columns.pop()
            intent.group_columns.append(ref)
            self.condition(ref, "not_null")
            intent.order.append((Measure("count", intent.target or ref.table), waiting.descending))
        elif isinstance(self.last, Measure) and self.last.function in ("count", "sum", "avg") and intent.group_tables:
            intent.order.append((self.last, waiting.descending))
        elif waiting.dimension not in ("", "count", "by") and intent.target:
            ref, turned = self.c.dimension(intent.target, waiting.dimension)
            intent.order.append((ref, waiting.descending != turned))
        elif isinstance(self.last, Ref) and self.c.about(self.last).kind is Kind.NUMBER:
            intent.columns = [ref for ref in intent.columns if ref != self.last]
            intent.order.append((self.last, waiting.descending))
        else:
            raise CannotAnswer(f"“{waiting.words}” by what? Name the number to rank by.")
        intent.limit = intent.limit or 1

    def _late_aggregate(self) -> None:
        functions = self.pending.pop()
        table = self.focus or self.intent.target
        if self.intent.group_tables and functions == ["avg"]:
            raise CannotAnswer("The average of which number? Name it, or ask for the average number of rows.")
        if self.pending or table is None or "count" in functions:
            raise CannotAnswer("I do not see what to count or add up.")
        if "sum" in functions and not any(
            p.words.lower().startswith(("sum", "total of")) for p in self.p if p.sort is Sort.AGG
        ):
            raise CannotAnswer(f"Total of what? Name the number to add up, or ask how many {table.rpartition('.')[2]}.")
        ref = self.c.default_measure(table)
        if ref is None:
            raise CannotAnswer(f"The {functions[0]} of which number of {table.rpartition('.')[2]}?")
        self.intent.measures += [Measure(f, ref.table, ref.column) for f in functions]

    def _deed_done(self) -> None:
        """Who "bought" must have bought something that the question names, or be counted in another table."""
        intent = self.intent
        tables = {str(intent.target), *intent.has, *intent.lacks, *intent.group_tables}
        tables |= {c.ref.table for c in intent.conditions} | {m.table for m in intent.measures}
        tables |= {h.measure.table for h in intent.having} | {ref.table for ref, _ in intent.order}
        if self.deed and len(tables) == 1:
            raise CannotAnswer("I do not see which table keeps that deed. Name it, such as orders.")

    def _mentions(self) -> None:
        """A table that is only mentioned after "with" is asked to have rows."""
        intent = self.intent
        used = {intent.target, *(m.table for m in intent.measures), *intent.group_tables, *intent.lacks}
        used |= {c.ref.table for c in (*intent.conditions, *intent.ratio_conditions)}
        used |= {r.table for r in (*intent.columns, *intent.group_columns)}
        used |= {r.table for r, _ in intent.order} | {h.measure.table for h in intent.having}
        for name, _ in self.mentions:
            if name not in used and name not in intent.has:
                intent.has.append(name)
