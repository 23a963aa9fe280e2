"""Nouns that mean a table or a value in one."""

from __future__ import annotations

from bot.reasoning.ask.intent import NUMERIC, Measure, Super
from bot.reasoning.ask.lexicon import Ref
from bot.reasoning.ask.model import CannotAnswer
from bot.reasoning.ask.pieces import Piece, Sort
from bot.reasoning.ask.reader_state import ReaderState
from bot.reasoning.ask.words import name_parts


class TableReader(ReaderState):
    """What a table's name does to the intent."""

    def _table(self, name: str, piece: Piece) -> None:
        if self.lacking or (self.negated and self.intent.target not in (None, name)):
            self._lack_table(name)
        elif self.pending and self.pending[-1] == ["count"]:
            self._count_table(name)
        elif self.grouping:
            self._group_table(name)
        elif self.pending and self.pending[-1][-1] in NUMERIC:
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
        self.grouping = self.follows(1, Sort.AND) and self.follows(2, Sort.NOUN)

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
            self._rank(name, waiting, piece)

    def _rank(self, name: str, waiting: Super, piece: Piece) -> None:
        """ "Cheapest product", "largest order": order rows of the table by its own number."""
        if self.intent.target is None:
            self.intent.target = name
        self.mentions.append((name, False))
        following = self.peek()
        if following and following.sort is Sort.GROUP and following.value == "by" and not waiting.dimension:
            return
        if waiting.dimension == "age" and not self._aged(name):
            self.latest, self.super = not waiting.descending, None
            self._latest_table(name, piece)
            return
        turned = False
        if waiting.dimension:
            ref, turned = self._dimension(name, waiting.dimension)
        else:
            ref = self.c.default_measure(name)
        if self.intent.limit is None and piece.words.lower().endswith("s"):
            raise CannotAnswer(f"How many of the {waiting.words} {piece.words}? Say a number, such as 5.")
        if ref is None or waiting.dimension == "count":
            raise CannotAnswer(f"“{waiting.words}” by what? Name the number to rank by.")
        self.intent.order.append((ref, waiting.descending != turned))
        self.intent.limit = self.intent.limit or 1
        self.super = None

    def _dimension(self, name: str, dimension: str) -> tuple[Ref | None, bool]:
        return (None, False) if dimension in ("count", "by") else self.c.dimension(name, dimension)

    def _aged(self, name: str) -> bool:
        """Whether the rows of a table have an age; else the oldest is the first that came to be."""
        return self.c.born(name) is not None or any("age" in name_parts(c.name) for c in self.c.numbers(name))

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
        self.lacking = self.negated = False
        self.intent.lacks.append(name)

    def _value(self, found: tuple[Ref, str]) -> None:
        ref, value = found
        self.condition(ref, "!=" if self.negated or self.lacking else "=", value)
        self.negated = self.lacking = self.having = self.grouping = False
        self.last = ref
