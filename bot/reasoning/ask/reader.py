"""Reads the pieces of a question about tables from left to right into an intent; every word must find its use."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.reasoning.ask.choosing import Chooser
from bot.reasoning.ask.intent import NUMERIC, Intent, Measure
from bot.reasoning.ask.lexicon import Entry, Ref
from bot.reasoning.ask.model import TIMES, CannotAnswer, Column, Kind
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.reader_tables import TableReader
from bot.reasoning.ask.spans import Span
from bot.reasoning.ask.units import said_unit
from bot.reasoning.ask.words import lemma, name_parts

_STATES = (*TIMES, Kind.BOOL)
_COUNTS = frozenset({"count", "quantity", "qty", "num", "number"})
_ENDINGS = frozenset("closed resolved ended finished completed closing end settled".split())
Handler = Callable[["Reader", Piece], None]


class Reader(TableReader):
    """One question. `read` gives the intent or raises CannotAnswer."""

    def __init__(
        self, chooser: Chooser, pieces: Sequence[Piece], *, span: Span | None, handlers: Mapping[Sort, Handler]
    ) -> None:
        super().__init__(chooser, pieces, span=span)
        self._handlers = handlers

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

    def cannot_place(self, piece: Piece) -> str:
        near = self.c.lexicon.near(piece.words)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"I find nothing here that “{piece.words}” could mean.{hint}"

    def noun(self, piece: Piece) -> None:
        entry = piece.entry
        assert entry is not None, "a noun has an entry"
        if piece.words.lower().startswith("total ") and self._total(entry, piece):
            return
        if self._turn_of_phrase(entry, piece):
            return
        if self.pending and self.pending[-1][-1] in NUMERIC and self._number(entry, piece):
            return
        if self.c.is_table(entry):
            # a verb: "who ordered" asks for rows of orders
            self.having = self.having or (piece.verb and max(entry.tables.values()) <= 0.6)
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

    def _turn_of_phrase(self, entry: Entry, piece: Piece) -> bool:
        """Words whose neighbours decide: "open" cases, the "most played" tracks, who never "opened" a case."""
        following = self.peek()
        table_next = bool(following and following.sort is Sort.NOUN and following.entry)
        table_next = table_next and self.c.is_table(following.entry)  # type: ignore[union-attr, arg-type]
        if piece.words.lower() == "open" and not entry.values:
            self._still_open()
            return True
        if self.super and self.super.dimension == "count" and piece.verb and entry.tables and table_next:
            self.take_measure(Measure("count", self.c.table(entry, piece.words)))
            return True
        return self.lacking and piece.verb and table_next and self.intent.target is not None

    def _still_open(self) -> None:
        """What has no end yet, by the one column that says when it ended."""
        table = self._value_focus() or self.intent.target
        columns = self.c.lexicon.tables[table].columns if table else ()
        ends = [c for c in columns if c.kind in TIMES and set(c.name.lower().split("_")) & _ENDINGS]
        if len(ends) != 1 or table is None:
            raise CannotAnswer("I do not see what tells which of them are open.")
        self.condition(Ref(table, ends[0].name), "not_null" if self.negated else "null")
        self.negated = False

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
        timed = any(self.c.about(ref).kind in TIMES for ref in entry.columns)
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
        if piece.verb and any(self.c.about(ref).kind in _STATES for ref in entry.columns):
            return False
        function = self.pending[-1][-1]
        kinds = (Kind.NUMBER, *(TIMES if function in ("min", "max") else ()))
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

    def _column_noun(self, entry: Entry, piece: Piece) -> None:
        focus = self._value_focus() if self.intent.target is None else self.focus or self.intent.target
        fits: Callable[[Column], bool] | None = None
        if self.follows(1, Sort.SPAN) or (self.follows(1, Sort.BUCKET) and self._has_time(entry)):
            fits = (lambda c: c.kind in TIMES) if self._has_time(entry) else None
        elif piece.verb and any(self.c.about(ref).kind in _STATES for ref in entry.columns):
            fits = lambda c: c.kind in _STATES  # noqa: E731
        elif self._compares(1):
            fits = (lambda c: c.comparable) if any(self.c.about(r).comparable for r in entry.columns) else None
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
        return any(self.c.about(ref).kind in TIMES for ref in entry.columns)

    def _compares(self, step: int) -> bool:
        return self.follows(step, Sort.CMP, Sort.BETWEEN, Sort.NUM)

    def _column(self, ref: Ref, piece: Piece) -> None:
        column = self.c.about(ref)
        if self.c.lexicon.secret(ref):
            raise CannotAnswer(f"{ref.column} is kept secret; I do not read it.")
        self.focus = self.focus or ref.table
        if column.references and self._key(ref, column, piece):
            return
        if ref == self.last and self.follows(-1, Sort.NOUN) and any(c.ref == ref for c in self.intent.conditions):
            return  # "in the finance industry", once finance is known to be one
        if self.bound is not None:
            self.bound(ref)
            return
        if column.kind is Kind.BOOL:
            self._flag(ref)
        elif column.kind in TIMES:
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
            several = self.p[self.at].words.lower().endswith("s") and not self.intent.columns
            self.intent.each_once = several and self.intent.target is None and self.peek(-1) is None
            self._shown(ref)
            self.intent.distinct = self.intent.distinct or self.distinct
            self.distinct = False
        self.having = False

    def _shown(self, ref: Ref) -> None:
        """A column to show; after a count it can only be one that must be set ("orders with a coupon")."""
        if not self.intent.measures:
            self.intent.columns.append(ref)
        elif said_unit(self.p[self.at].words) and any(m.column == ref.column for m in self.intent.measures):
            return  # "average duration in minutes"
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
        numeric = column.comparable and not column.primary
        if numeric and self.pending and self.pending[-1][-1] in NUMERIC:
            self.take_number(ref)  # "average number of seats", where seats is a number
            return
        if self.pending:
            raise CannotAnswer("I cannot nest these aggregates.")
        if numeric and not self.distinct and set(name_parts(ref.column)[-1:]) & _COUNTS:
            self.take_measure(Measure("sum", ref.table, ref.column))
            return
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
        self.grouping = self.follows(1, Sort.AND) and self.follows(2, Sort.NOUN)

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
            if self.super is not None and self.super.dimension == "age":
                descending = not descending
            self.super = self.latest = None
            ranks = piece.verb and self.follows(1, Sort.NOUN)
            if self.intent.target is None and not self.who and not ranks:
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
