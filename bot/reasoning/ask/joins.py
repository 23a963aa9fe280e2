"""Ways between tables along foreign keys, declared or by custom (`customer_id` → customers.id), up to three hops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from bot.reasoning.ask.model import CannotAnswer, Column, Table
from bot.reasoning.ask.words import name_parts

_MOST_HOPS = 3


@dataclass(frozen=True)
class Edge:
    """One step; `to_one` when each row here meets at most one row there."""

    table: str
    column: str
    other: str
    other_column: str
    to_one: bool


class Joins:
    """The graph of foreign keys. `hints` are columns the question names: they decide between parallel ways."""

    def __init__(self, tables: Collection[Table]) -> None:
        self._edges: defaultdict[str, list[Edge]] = defaultdict(list)
        self.hints: set[tuple[str, str]] = set()
        named = {table.name: table for table in tables}
        for table in tables:
            for column in table.columns:
                there = _target(table, column, named)
                if there is not None:
                    self._edges[table.name].append(Edge(table.name, column.name, *there, to_one=True))
                    self._edges[there[0]].append(Edge(there[0], there[1], table.name, column.name, to_one=False))

    def path(self, start: str, end: str) -> list[Edge]:
        """The shortest way; CannotAnswer when there is none, or several and nothing decides."""
        found = self._shortest(start, end)
        if not found:
            raise CannotAnswer(f"I see no link between {_bare(start)} and {_bare(end)}.")
        best = [way for way in found if all(edge.to_one for edge in way)] or found
        hinted = [way for way in best if any(self._hinted(edge) for edge in way)]
        best = hinted or best
        if len(best) > 1:
            names = tuple(dict.fromkeys(f"{_bare(_owner(e)[0])}.{_owner(e)[1]}" for way in best for e in way))
            raise CannotAnswer(f"{_bare(start)} and {_bare(end)} are linked in several ways. Say which.", *names)
        return best[0]

    def to_one(self, start: str, end: str) -> bool:
        """Whether each row of `start` meets at most one row of `end`."""
        return any(all(edge.to_one for edge in way) for way in self._shortest(start, end)) or start == end

    def linked(self, start: str, end: str) -> bool:
        return start == end or bool(self._shortest(start, end))

    def distance(self, start: str, end: str) -> int:
        """Hops; 9 when there is no way."""
        found = self._shortest(start, end)
        return len(found[0]) if found else 0 if start == end else 9

    def _hinted(self, edge: Edge) -> bool:
        return _owner(edge) in self.hints

    def _shortest(self, start: str, end: str) -> list[list[Edge]]:
        ways: list[list[Edge]] = [[]]
        for _ in range(_MOST_HOPS):
            longer = []
            for way in ways:
                here = way[-1].other if way else start
                seen = {start, *(edge.other for edge in way)}
                longer += [[*way, edge] for edge in self._edges[here] if edge.other not in seen]
            arrived = [way for way in longer if way[-1].other == end]
            if arrived:
                return arrived
            ways = longer
        return []


def _owner(edge: Edge) -> tuple[str, str]:
    """The foreign key behind an edge."""
    return (edge.table, edge.column) if edge.to_one else (edge.other, edge.other_column)


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def _target(table: Table, column: Column, named: dict[str, Table]) -> tuple[str, str] | None:
    if column.references:
        other = named.get(column.references[0]) or next(
            (t for t in named.values() if t.bare == column.references[0].rpartition(".")[2]), None
        )
        key = column.references[1] or (other.key.name if other and other.key else "")
        return (other.name, key) if other and key else None
    if column.primary or not column.name.lower().endswith("_id"):
        return None
    wanted = name_parts(column.name)[:-1]
    for other in named.values():
        key_column = other.key
        if other.name != table.name and key_column and name_parts(other.bare) == wanted:
            return other.name, key_column.name
    return None
