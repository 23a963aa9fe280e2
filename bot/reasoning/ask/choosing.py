"""Decides what a noun of the question stands for, by what else the question names; never by a coin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.reasoning.ask.joins import Joins
from bot.reasoning.ask.lexicon import Entry, Lexicon, Ref, is_secret
from bot.reasoning.ask.model import CannotAnswer, Column, Kind, Table
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.words import SYNONYMS, name_parts

_STRONG = 0.95
_TIE = 0.04
_LABELS = ("name", "title", "full_name", "label", "subject", "username", "user_name", "code", "sku", "email", "number")
_EVENT_WORDS = (
    "create", "created", "occurred", "placed", "ordered", "order", "opened", "open", "registered", "signup", "signed",
    "joined", "hired", "hire", "started", "start", "issued", "invoiced", "billed", "charged", "paid",
    "shipped", "timestamp", "date", "time", "ts", "recorded",
    "booked", "played", "scheduled", "requested", "submitted", "posted", "added", "purchased", "purchase",
)  # fmt: skip
_DIMENSIONS = {
    "price": ("price", "cost", "unit_price", "amount", "fee", "fare", "rate"),
    "duration": ("duration", "length", "runtime", "elapsed", "minute", "hour", "second", "latency", "ms"),
    "weight": ("weight", "mass"),
    "rating": ("rating", "score", "stars"),
    "salary": ("salary", "wage", "pay", "compensation"),
    "age": ("age",),
}
_BORN = frozenset({"birth", "birthday", "birthdate", "born", "dob"})
_INCOME = frozenset({"amount", "total", "fee", "revenue"})
_PROSE = frozenset("comment description text body message note content summary remark feedback detail".split())
_MONEY = ("amount", "total", "price", "revenue", "value", "cost", "salary", "sum", "fee", "budget", "balance")


class Chooser:
    """Resolves entries of the lexicon within one question."""

    def __init__(self, lexicon: Lexicon, joins: Joins, pieces: Sequence[Piece]) -> None:
        self.lexicon = lexicon
        self.joins = joins
        self.mentioned = self._mentioned(pieces)

    def _mentioned(self, pieces: Sequence[Piece]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for piece in pieces:
            if piece.sort is Sort.NOUN and piece.entry and self.is_table(piece.entry):
                weights = piece.entry.tables
                best = max(weights.values())
                names = [name for name, weight in weights.items() if weight == best]
                if len(names) == 1:
                    found.setdefault(names[0])
        return tuple(found)

    def is_table(self, entry: Entry) -> bool:
        """Whether the words name a table rather than a column or a value."""
        if not entry.tables:
            return False
        weight = max(entry.tables.values())
        if weight < _STRONG and entry.values:
            return False
        return weight >= max(entry.columns.values(), default=0.0) - (0.06 if weight >= _STRONG else 0.0)

    def table(self, entry: Entry, words: str) -> str:
        best = max(entry.tables.values())
        names = [name for name, weight in entry.tables.items() if weight >= best - 0.01]
        if len(names) > 1:
            raise CannotAnswer(f"“{words}” could mean several tables.", *(n.rpartition(".")[2] for n in names))
        return names[0]

    def column(
        self, entry: Entry, words: str, *, focus: str | None, fits: Callable[[Column], bool] | None = None
    ) -> Ref | None:
        """The column meant; None when none fits; CannotAnswer when several fit as well."""
        scored = []
        for ref, weight in entry.columns.items():
            column = self.about(ref)
            if fits is None or fits(column):
                scored.append((weight + self._nearness(ref.table, focus) - 0.1 * bool(column.references), ref))
        return self._best(scored, words)

    def value(self, entry: Entry, words: str, *, focus: str | None) -> tuple[Ref, str] | None:
        """The stored value meant and its column."""
        scored = [(w + self._nearness(ref.table, focus), (ref, value)) for (ref, value), w in entry.values.items()]
        if not scored:
            return None
        best = max(score for score, _ in scored)
        near = [found for score, found in scored if score >= best - _TIE]
        labelled = [found for found in near if self._is_label(found[0])]
        if len(near) > 1 and len({ref for ref, _ in near}) > 1:
            near = labelled if len(labelled) == 1 else near
            if len({ref for ref, _ in near}) > 1:
                raise CannotAnswer(f"“{words}” is a value of several columns.", *(said(ref) for ref, _ in near))
        return near[0]

    def _best(self, scored: list[tuple[float, Ref]], words: str) -> Ref | None:
        if not scored:
            return None
        best = max(score for score, _ in scored)
        near = list(dict.fromkeys(ref for score, ref in scored if score >= best - _TIE))
        if len(near) > 1 and len({ref.table for ref in near}) == 1:
            whole = [ref for ref in near if "total" in name_parts(ref.column)]
            near = whole if len(whole) == 1 else near
        if len(near) > 1:
            raise CannotAnswer(f"“{words}” could mean several columns.", *(said(ref) for ref in near))
        return near[0]

    def _nearness(self, table: str, focus: str | None) -> float:
        bonus = 0.0
        if focus is not None:
            bonus += 0.5 if table == focus else 0.15 if self.joins.to_one(focus, table) else 0.0
            bonus += 0.05 * max(0, 3 - self.joins.distance(focus, table))
        return bonus + (0.3 if table in self.mentioned else 0.0)

    # what a table has

    def about(self, ref: Ref) -> Column:
        column = self.lexicon.tables[ref.table].column(ref.column)
        assert column is not None, "the lexicon only knows columns of the schema"
        return column

    def label(self, table: str) -> Ref | None:
        """The column people know a row by."""
        found = self.lexicon.tables[table]
        own = "_".join(name_parts(found.bare))
        texts = {c.name.lower(): c for c in found.columns if c.kind is Kind.TEXT and not is_secret(c.name)}
        for name in (*(f"{own}_{label}" for label in _LABELS), *_LABELS):
            if name in texts:
                return Ref(table, texts[name].name)
        ending = [c for low, c in texts.items() if low.endswith(("name", "title")) and not c.references]
        ending = ending or [c for low, c in texts.items() if low.endswith(("number", "code", "plate", "key"))]
        return Ref(table, ending[0].name) if len(ending) == 1 else None

    def prose(self, table: str) -> Ref | None:
        """The one column in which people write freely."""
        texts = [c for c in self.lexicon.tables[table].columns if c.kind is Kind.TEXT and not is_secret(c.name)]
        found = [c for c in texts if set(name_parts(c.name)) & _PROSE]
        return Ref(table, found[0].name) if len(found) == 1 else None

    def person_names(self, table: str) -> tuple[Ref, ...]:
        """first_name and last_name where a row is known by both."""
        names = [c.name for c in self.lexicon.tables[table].columns]
        pair = [n for n in names if n.lower() in ("first_name", "last_name", "firstname", "lastname", "surname")]
        return tuple(Ref(table, n) for n in pair)

    def _is_label(self, ref: Ref) -> bool:
        return self.label(ref.table) == ref

    def time_column(self, table: str) -> Ref | None:
        """The column that says when a row came to be; CannotAnswer when several could."""
        times = [c for c in self.lexicon.tables[table].columns if c.kind in (Kind.TIME, Kind.DATE)]
        if len(times) <= 1:
            return Ref(table, times[0].name) if times else None
        own = name_parts(self.lexicon.tables[table].bare)
        for word in (*_EVENT_WORDS, *own):
            for column in times:
                if word in column.name.lower().split("_") and not _afterwards(column.name):
                    return Ref(table, column.name)
        raise CannotAnswer(f"{table} has several times. Say which.", *(c.name for c in times))

    def dimension(self, table: str, name: str) -> tuple[Ref, bool]:
        """The column behind an adjective such as expensive or old, and whether it runs the other way (a birth date)."""
        numbers = self.numbers(table)
        for word in _DIMENSIONS.get(name, ()):
            hits = [c for c in numbers if word in "_".join(name_parts(c.name))]
            exact = [c for c in hits if "_".join(name_parts(c.name)) == word]
            if len(exact or hits) == 1:
                return Ref(table, (exact or hits)[0].name), False
        born = self.born(table) if name == "age" else None
        if born is not None:
            return born, True
        raise CannotAnswer(f"I do not know which column of {table.rpartition('.')[2]} says its {name}.")

    def born(self, table: str) -> Ref | None:
        """The one column that says when somebody was born, as a date or a year."""
        found = [c for c in self.lexicon.tables[table].columns if set(name_parts(c.name)) & _BORN]
        return Ref(table, found[0].name) if len(found) == 1 else None

    def numbers(self, table: str) -> list[Column]:
        """Numeric columns that are no keys."""
        found = self.lexicon.tables[table]
        return [c for c in found.columns if c.kind is Kind.NUMBER and not _is_key(found, c)]

    def default_measure(self, table: str) -> Ref | None:
        """The one number of a table that can be meant when none is named: its money, or its only number."""
        numbers = self.numbers(table)
        money = [c for c in numbers if any(word in name_parts(c.name) for word in _MONEY)]
        whole = [c for c in money if {"total", "amount"} & set(name_parts(c.name))]
        whole = [c for c in whole if "total" in name_parts(c.name)] or whole
        money = whole if len(money) > 1 and len(whole) == 1 else money
        chosen = money if len(money) == 1 else numbers if len(numbers) == 1 else []
        return Ref(table, chosen[0].name) if chosen else None

    def money(self, words: str, focus: str | None) -> Ref | None:
        """The column that "revenue" or "spend" means where none is called so; None when there is none."""
        refs = []
        for table in self.lexicon.tables:
            refs += [Ref(table, c.name) for c in self.numbers(table) if _INCOME & set(name_parts(c.name))]
        if focus and any(ref.table == focus for ref in refs):
            refs = [ref for ref in refs if ref.table == focus]
        named = [ref for ref in refs if ref.table in self.mentioned]
        return self._best([(1.0, ref) for ref in named or refs], words)


def said(ref: Ref) -> str:
    """A column in words."""
    return f"{ref.column} of {ref.table.rpartition('.')[2]}"


def means(word: str, *others: str) -> bool:
    """Whether a word is one of the others or a synonym of one."""
    return word in others or any(word in SYNONYMS.get(other, ()) for other in others)


def _afterwards(name: str) -> bool:
    return any(part in name.lower().split("_") for part in ("updated", "modified", "deleted", "birth", "expires"))


def _is_key(table: Table, column: Column) -> bool:
    low = column.name.lower()
    return column.primary or bool(column.references) or column == table.key or low == "id" or low.endswith("_id")
