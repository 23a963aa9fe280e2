"""Reads the pieces of a question about tables from left to right into an intent; every word must find its use."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.reasoning.ask.choosing import Chooser
from bot.reasoning.ask.intent import Condition, Intent, Measure, Super
from bot.reasoning.ask.lexicon import Entry, Ref
from bot.reasoning.ask.model import CannotAnswer, Column, Kind
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.spans import Span
from bot.reasoning.ask.words import lemma

_TIMES = (Kind.TIME, Kind.DATE)
_NUMERIC = frozenset({"sum", "avg", "min", "max", "median"})


Handler = Callable[["Reader", Piece], None]


class Reader:
    """One question. `read` gives the intent or raises CannotAnswer."""

    def __init__(
        self, chooser: Chooser, pieces: Sequence[Piece], *, span: Span | None, handlers: Mapping[Sort, Handler]
    ) -> None:
        self._handlers = handlers
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

    def read(self) -> Intent:
        while self.at < len(self.p):
            piece = self.p[self.at]
            handler = self._handlers.get(piece.sort)
            if handler is None:
                raise CannotAnswer(self.cannot_place(piece))
            handler(self, piece)
            self.at += 1
        self._finish()
        return self.intent

    # looking around

    def peek(self, step: int = 1) -> Piece | None:
        at = self.at + step
        return self.p[at] if 0 <= at < len(self.p) else None

    def follows(self, step: int, *sorts: Sort) -> bool:
        piece = self.peek(step)
        return piece is not None and piece.sort in sorts

    def cannot_place(self, piece: Piece) -> str:
        near = self.c.lexicon.near(piece.words)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"I find nothing here that “{piece.words}” could mean.{hint}"

    # nouns

    def noun(self, piece: Piece) -> None:
        entry = piece.entry
        assert entry is not None, "a noun has an entry"
        if piece.words.lower().startswith("total ") and self._total(entry, piece):
            return
        if self.pending and self.pending[-1][-1] in _NUMERIC and self._number(entry, piece):
            return
        if self.c.is_table(entry):
            # a verb: "who ordered" asks for rows of orders
            self.having = self.having or (piece.words.lower().endswith("ed") and max(entry.tables.values()) <= 0.6)
            self._table(self.c.table(entry, piece.words), piece)
            return
        best = max(entry.columns.values(), default=0.0)
        value = None
        if entry.values and self._means_value(entry, best):
            value = self.c.value(entry, piece.words, focus=self._value_focus())
        if value is not None:
            self._value(value)
            return
        self._column_noun(entry, piece)

    def _total(self, entry: Entry, piece: Piece) -> bool:
        """ "Total amount" is also a sum, of the column of that name or of the amount of the table in question."""
        if self.pending or self.super or self.ordering or self.grouping or self._compares(1):
            return False
        rest = self.c.lexicon.look_up(tuple(lemma(word) for word in piece.words.split()[1:]))
        own = {ref.table for ref in entry.columns} & set(self.c.mentioned)
        chosen = entry if own or not rest else rest
        self.pending.append(["sum"])
        self.noun(replace(piece, words=piece.words.split(maxsplit=1)[1], entry=chosen))
        return True

    def _means_value(self, entry: Entry, best: float) -> bool:
        """A verb that is a state and a time: "resolved" is the state, "resolved yesterday" and "not resolved" the time."""
        timed = any(self.c.about(ref).kind in _TIMES for ref in entry.columns)
        before = self.peek(-1)
        if before is not None and before.words.lower() in ("neither", "nor"):
            return True
        if timed and (self.follows(1, Sort.SPAN, Sort.BUCKET) or self.negated or self.lacking):
            return False
        return timed or best <= 0.85

    def _value_focus(self) -> str | None:
        """A word before its table belongs to that table: "failed payments"."""
        step = 1
        while self.follows(step, Sort.NOUN, Sort.OR, Sort.AND):
            piece = self.peek(step)
            assert piece is not None
            if piece.entry and self.c.is_table(piece.entry):
                return self.c.table(piece.entry, piece.words)
            step += 1
        return self.focus

    def _number(self, entry: Entry, piece: Piece) -> bool:
        """An aggregate waits: take a numeric column when the words have one."""
        if self.c.is_table(entry) and not any(w > 0.85 for w in entry.columns.values()):
            return False
        function = self.pending[-1][-1]
        kinds = (Kind.NUMBER, *(_TIMES if function in ("min", "max") else ()))
        focus = self._value_focus()
        ref = self.c.column(entry, piece.words, focus=focus, fits=lambda c: c.kind in kinds and not c.references)
        if ref is None:
            return False
        self.take_number(ref)
        return True

    def take_number(self, ref: Ref) -> None:
        made = [Measure(f, ref.table, ref.column, self.distinct) for f in self.pending.pop()]
        if self.pending:
            raise CannotAnswer("I cannot nest these aggregates.")
        self.distinct = False
        self.focus = self.focus or ref.table
        for measure in made:
            self.take_measure(measure)

    def take_measure(self, measure: Measure) -> None:
        self.last = measure
        if self.super is not None:
            self.intent.order.append((measure, self.super.descending))
            self.intent.limit = self.intent.limit or 1
            self.super = None
        elif self.ordering:
            self.intent.order.append((measure, False))
            self.ordering = False
        else:
            self.intent.measures.append(measure)

    def _table(self, name: str, piece: Piece) -> None:
        if self.lacking:
            self._lack_table(name)
        elif self.pending and self.pending[-1] == ["count"]:
            self._count_table(name)
        elif self.grouping:
            self._group_table(name)
        elif self.pending and self.pending[-1][-1] in _NUMERIC:
            self._mention(name)
        elif self.super is not None:
            self._super_table(name, piece)
        elif self.latest is not None and self.intent.target is None:
            self._latest_table(name, piece)
        else:
            self._mention(name)
        self.focus, self.last = name, self.last if isinstance(self.last, Measure) and self.last.table == name else name
        self.having = False

    def _mention(self, name: str) -> None:
        after_count = (
            self.follows(-1, Sort.AND) and bool(self.intent.measures) and self.intent.target not in (None, name)
        )
        listed = self.follows(-1, Sort.AND) and self.intent.target not in (None, name)
        if (after_count or listed) and not self.having:
            raise CannotAnswer("The question asks for two things at once. Ask them one by one.")
        self.mentions.append((name, self.having))
        if self.intent.target is None and not self.intent.measures:
            self.intent.target = name

    def _count_table(self, name: str) -> None:
        self.pending.pop()
        self.verb_seen = self.intent.ratio is not None
        measure = Measure("count", name)
        if self.pending:
            outer = self.pending.pop()
            if len(outer) > 1 or self.pending:
                raise CannotAnswer("I cannot nest these aggregates.")
            self.intent.outer = outer[0]
        if not self.intent.target and self.super is None and not self.ordering:
            self.intent.target = name
        self.mentions.append((name, False))
        self.take_measure(measure)

    def _group_table(self, name: str) -> None:
        if self._names_one(name):
            self.mentions.append((name, False))
        elif self._own_column_next(name):
            self.mentions.append((name, False))
            return
        else:
            self.intent.group_tables.append(name)
        self.grouping = self.follows(1, Sort.AND)

    def _own_column_next(self, name: str) -> bool:
        """ "By warehouse city" groups by the city, not by the warehouse."""
        piece = self.peek()
        found = piece.entry if piece is not None and piece.sort is Sort.NOUN else None
        return bool(found and any(ref.table == name and weight > 0.85 for ref, weight in found.columns.items()))

    def _names_one(self, name: str) -> bool:
        """Whether what follows picks single rows of the table: "by customer Alice"."""
        piece = self.peek()
        if piece is None:
            return False
        if piece.sort in (Sort.TEXT, Sort.NUM) or (piece.sort is Sort.UNKNOWN and piece.capital):
            return True
        return bool(piece.sort is Sort.NOUN and piece.entry and any(r.table == name for r, _ in piece.entry.values))

    def _super_table(self, name: str, piece: Piece) -> None:
        waiting = self.super
        assert waiting is not None
        if waiting.dimension == "count" and (self.intent.target or self.intent.group_columns or self.intent.columns):
            if self.intent.target == name:
                raise CannotAnswer(f"“{waiting.words}” of what? Name what to count.")
            self.take_measure(Measure("count", name))
        elif waiting.dimension == "by":
            self.intent.target, self.super = name, waiting
            self.mentions.append((name, False))
        else:
            self._rank(name, waiting)

    def _rank(self, name: str, waiting: Super) -> None:
        """ "Cheapest product", "largest order": order rows of the table by its own number."""
        if self.intent.target is None:
            self.intent.target = name
        self.mentions.append((name, False))
        following = self.peek()
        if following and following.sort is Sort.GROUP and following.value == "by" and not waiting.dimension:
            return
        ref = self.c.dimension(name, waiting.dimension) if waiting.dimension else self.c.default_measure(name)
        if ref is None or waiting.dimension == "count":
            raise CannotAnswer(f"“{waiting.words}” by what? Name the number to rank by.")
        self.intent.order.append((ref, waiting.descending))
        self.intent.limit = self.intent.limit or 1
        self.super = None

    def _latest_table(self, name: str, piece: Piece) -> None:
        self.intent.target = name
        self.mentions.append((name, False))
        ref = self.c.time_column(name)
        if ref is None:
            raise CannotAnswer(f"{name} has no time to order by.")
        self.intent.order.append((ref, bool(self.latest)))
        self.intent.limit = self.intent.limit or (10 if piece.words.lower().endswith("s") else 1)
        self.latest = None

    def _lack_table(self, name: str) -> None:
        self.lacking = False
        self.intent.lacks.append(name)

    # columns and values

    def _value(self, found: tuple[Ref, str]) -> None:
        ref, value = found
        self.condition(ref, "!=" if self.negated or self.lacking else "=", value)
        self.negated = self.lacking = self.having = self.grouping = False
        self.last = ref

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
            if same:
                raise CannotAnswer(f"{ref.column} cannot be two things at once.")
        if self.or_open and kept:
            raise CannotAnswer("I can only join values of one column with “or”.")
        kept.append(Condition(ref, operator, values))

    def _alternatives(self) -> bool:
        return any(self.follows(step, Sort.OR, Sort.AND) for step in (-1, -2))

    def _column_noun(self, entry: Entry, piece: Piece) -> None:
        focus = self._value_focus() if self.intent.target is None else self.focus or self.intent.target
        fits: Callable[[Column], bool] | None = None
        if self.follows(1, Sort.SPAN) or (self.follows(1, Sort.BUCKET) and self._has_time(entry)):
            fits = (lambda c: c.kind in _TIMES) if self._has_time(entry) else None
        elif self._compares(1):
            fits = _comparable if any(_comparable(self.c.about(r)) for r in entry.columns) else None
        ref = self.c.column(entry, piece.words, focus=focus, fits=fits)
        if ref is None:
            if entry.tables:
                self._table(self.c.table(entry, piece.words), piece)
                return
            value = self.c.value(entry, piece.words, focus=focus)
            if value is None:
                raise CannotAnswer(self.cannot_place(piece))
            self._value(value)
            return
        self._column(ref, piece)

    def _has_time(self, entry: Entry) -> bool:
        return any(self.c.about(ref).kind in _TIMES for ref in entry.columns)

    def _compares(self, step: int) -> bool:
        return self.follows(step, Sort.CMP, Sort.BETWEEN, Sort.NUM)

    def _column(self, ref: Ref, piece: Piece) -> None:
        column = self.c.about(ref)
        if self.c.lexicon.secret(ref):
            raise CannotAnswer(f"{ref.column} is kept secret; I do not read it.")
        self.focus = self.focus or ref.table
        if column.references and self._key(ref, column, piece):
            return
        if self.bound is not None:
            self.bound(ref)
            return
        if column.kind is Kind.BOOL:
            self._flag(ref)
        elif column.kind in _TIMES:
            self._time(ref, piece)
        elif self.lacking:
            self.condition(ref, "null")
            self.lacking = False
        elif self.pending and self.pending[-1] == ["count"]:
            self._count_column(ref, column)
        else:
            self._plain(ref, column)
        self.last = ref if not isinstance(self.last, Measure) or self.last.column != ref.column else self.last

    def _key(self, ref: Ref, column: Column, piece: Piece) -> bool:
        """A foreign key said by its role means the row it points to; False when its own value is meant."""
        assert column.references is not None
        self.c.joins.hints.add((ref.table, ref.column))
        other = next(
            (t for t in self.c.lexicon.tables if t.rpartition(".")[2] == column.references[0].rpartition(".")[2]), ""
        )
        if self.lacking or "id" in piece.words.lower().split() or self.follows(1, Sort.NULL):
            return False
        if not other or other == ref.table:
            raise CannotAnswer(f"{ref.column} would need {ref.table.rpartition('.')[2]} in two roles.")
        self._table(other, piece)
        return True

    def _plain(self, ref: Ref, column: Column) -> None:
        if self.grouping:
            self._group_column(ref)
        elif self.super is not None:
            self._super_column(ref, column)
        elif self.ordering:
            self.intent.order.append((ref, False))
            self.ordering = False
        elif self._filters_next(column):
            pass
        else:
            self._shown(ref)
            self.intent.distinct = self.intent.distinct or self.distinct
            self.distinct = False
        self.having = False

    def _shown(self, ref: Ref) -> None:
        """A column to show; after a count it can only be one that must be set ("orders with a coupon")."""
        if not self.intent.measures:
            self.intent.columns.append(ref)
        elif self.having:
            self.condition(ref, "not_null")
        else:
            raise CannotAnswer(f"I do not see what {ref.column} has to do with that number.", f"… by {ref.column}")

    def _filters_next(self, column: Column) -> bool:
        """Whether a bound or a value of this column follows, so that it is not something to show."""
        if self._compares(1) or self.follows(1, Sort.MATCH, Sort.NULL, Sort.TEXT, Sort.NAMED):
            return True
        if self.follows(1, Sort.NOT) and self.follows(
            2, Sort.NULL, Sort.NOUN, Sort.UNKNOWN, Sort.TEXT, Sort.CMP, Sort.BETWEEN
        ):
            return True
        following = self.peek()
        if following is None:
            return False
        if following.sort is Sort.UNKNOWN and column.kind is Kind.TEXT:
            return True
        if following.sort is Sort.NOUN and following.entry and following.entry.values:
            return any(self.c.about(r).name == column.name for r, _ in following.entry.values)
        return bool(column.references and following.sort is Sort.NOUN and not self.pending)

    def _count_column(self, ref: Ref, column: Column) -> None:
        self.pending.pop()
        if self.pending:
            raise CannotAnswer("I cannot nest these aggregates.")
        numeric = column.kind is Kind.NUMBER and not column.references and not column.primary
        if numeric and not self.distinct:
            raise CannotAnswer(f"Do you want the sum of {ref.column}, or how many rows?", f"total {ref.column}")
        self.distinct = False
        self.take_measure(Measure("count", ref.table, ref.column, distinct=True))

    def _group_column(self, ref: Ref) -> None:
        following = self.peek()
        if following and (following.sort in (Sort.TEXT, Sort.NUM) or (following.sort is Sort.UNKNOWN)):
            self.grouping = False
            return
        self.intent.group_columns.append(ref)
        self.grouping = self.follows(1, Sort.AND)

    def _super_column(self, ref: Ref, column: Column) -> None:
        waiting, target = self.super, self.intent.target
        assert waiting is not None
        self.super = None
        if column.kind is not Kind.NUMBER or column.references:
            if waiting.dimension == "by":
                self.intent.group_columns.append(ref)
                self.super = waiting
                return
            if waiting.dimension == "count":
                self.condition(ref, "not_null")
                self.intent.group_columns.append(ref)
                self.intent.order.append((Measure("count", ref.table), waiting.descending))
                self.intent.limit = self.intent.limit or 1
                return
            raise CannotAnswer(f"{ref.column} has no {waiting.words}.")
        group = target is not None and target != ref.table
        if (
            group
            and self.c.joins.to_one(ref.table, str(target))
            and (waiting.dimension in ("count", "by") or (self.intent.limit or 1) > 1)
        ) or (self.intent.group_columns and target is None and self.intent.columns == []):
            self.intent.order.append((Measure("sum", ref.table, ref.column), waiting.descending))
        elif target is None and not self.who and self.intent.limit is None and not self.intent.columns:
            self.intent.measures.append(Measure("max" if waiting.descending else "min", ref.table, ref.column))
            self.last = self.intent.measures[-1]
            return
        else:
            self.intent.order.append((ref, waiting.descending))
        self.intent.limit = self.intent.limit or 1

    def _flag(self, ref: Ref) -> None:
        if self.pending and self.pending[-1] == ["count"] and self.follows(1, Sort.NOUN) is False and not self.focus:
            raise CannotAnswer(f"Count what, where {ref.column}?")
        if self.grouping:
            self._group_column(ref)
            return
        self.condition(ref, "false" if self.negated or self.lacking else "true")
        self.negated = self.lacking = self.having = False

    def _time(self, ref: Ref, piece: Piece) -> None:
        near_span = self.follows(1, Sort.SPAN) or (self.follows(-1, Sort.SPAN) and not self.super)
        if self.lacking or (self.negated and not near_span):
            self.condition(ref, "null")
            self.lacking = self.negated = False
        elif self.grouping:
            self._group_column(ref)
        elif self.super is not None or self.latest is not None:
            descending = self.super.descending if self.super else bool(self.latest)
            self.super = self.latest = None
            if self.intent.target is None and not self.who:
                self.intent.measures.append(Measure("max" if descending else "min", ref.table, ref.column))
            else:
                self.intent.order.append((ref, descending))
                self.intent.limit = self.intent.limit or 1
        elif self.ordering:
            self.intent.order.append((ref, False))
            self.ordering = False
        elif near_span or self.intent.span or self.intent.bucket or self.follows(1, Sort.BUCKET):
            self.intent.span_ref = self.intent.span_ref or ref
        elif self.follows(1, Sort.NULL) or (self.follows(1, Sort.NOT) and self.follows(2, Sort.NULL)):
            return
        else:
            self._time_shown(ref, piece)

    def _time_shown(self, ref: Ref, piece: Piece) -> None:
        """ "The created date of …" shows it; "delivered orders" and "have been delivered" mean that it is set."""
        verb = piece.words.lower().endswith(("ed", "en", "id", "nt")) and " " not in piece.words
        counted = bool(self.pending and self.pending[-1] == ["count"]) or bool(self.intent.measures)
        if verb and (counted or self.intent.target or self.follows(1, Sort.NOUN)):
            self.condition(ref, "not_null")
        else:
            self.intent.columns.append(ref)

    # the end

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
        self._counted_groups()
        if len({c.ref for c in intent.ratio_conditions}) > 1:
            raise CannotAnswer("Which of these conditions counts for the share? Ask with one.")
        if intent.ratio is not None and not intent.ratio_conditions:
            raise CannotAnswer("A share of what? Say which rows count.")
        if intent.ratio is not None and not intent.measures:
            intent.measures.append(Measure("count", intent.target))
        if intent.limit and not intent.order and intent.limit < 10_000:
            raise CannotAnswer("By what should they be ranked?", f"top {intent.limit} by number of …")

    def _counted_groups(self) -> None:
        """ "Orders per day", "open tickets by priority": groups of rows without a number are counted."""
        intent = self.intent
        grouped = intent.bucket or intent.group_columns or intent.group_tables
        ranked = any(isinstance(ref, Measure) for ref, _ in intent.order)
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
            intent.order.append((self.c.dimension(intent.target, waiting.dimension), waiting.descending))
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
        if "sum" in functions and not any(p.words.lower().startswith("sum") for p in self.p if p.sort is Sort.AGG):
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


def _comparable(column: Column) -> bool:
    return column.kind is Kind.NUMBER and not column.references
