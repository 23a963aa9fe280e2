"""The nodes of one parsed statement, gathered in one walk and asked for by class."""

from __future__ import annotations

from typing import TypeVar, cast

from sqlglot import exp

NodeT = TypeVar("NodeT", bound=exp.Expr)


class Census:
    """`nodes` by class; the tree must not change between the walk and the last question."""

    def __init__(self, tree: exp.Expr) -> None:
        self.tree = tree
        self._by_type: dict[type[exp.Expr], list[exp.Expr]] = {}
        by_type = self._by_type
        for node in tree.walk():
            kind = type(node)
            if kind in by_type:
                by_type[kind].append(node)
            else:
                by_type[kind] = [node]

    @property
    def types(self) -> frozenset[type[exp.Expr]]:
        """Every class that occurs."""
        return frozenset(self._by_type)

    def of(self, kind: type[NodeT]) -> list[NodeT]:
        """All nodes of a class and of its subclasses."""
        found: list[exp.Expr] = []
        for each, nodes in self._by_type.items():
            if issubclass(each, kind):
                found += nodes
        return cast("list[NodeT]", found)

    def take_apart(self) -> None:
        """Cut every link from a node to its parent: the tree then goes away at once, and leaves nothing to collect."""
        for nodes in self._by_type.values():
            for node in nodes:
                node.parent = None
