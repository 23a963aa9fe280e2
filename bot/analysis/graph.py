"""Who calls whom: from settings, call-edge series and traces; walked from the symptom towards the cause."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from bot.analysis.facts import Facts
from bot.analysis.told import told_edges


@dataclass(frozen=True)
class Graph:
    """Directed edges caller → callee. `known` is False when nothing at all was said about who calls whom."""

    callees: dict[str, tuple[str, ...]]
    callers: dict[str, tuple[str, ...]]

    @property
    def known(self) -> bool:
        return bool(self.callees)

    def distances(self, starts: Iterable[str]) -> dict[str, int]:
        """Steps along calls from the nearest start to every service that can be reached."""
        return _walk(self.callees, starts)

    def upstream(self, starts: Iterable[str]) -> dict[str, int]:
        """Steps against calls: who waits for these services."""
        return _walk(self.callers, starts)


def build(facts: Facts) -> Graph:
    """The graph that settings, series and traces tell; where they are silent, addresses and what callers log."""
    edges: set[tuple[str, str]] = set()
    for service in facts.setting.services:
        edges.update((service.name, callee) for callee in service.depends_on)
    for one in facts.series:
        if one.caller and one.callee:
            edges.add((one.caller, one.callee))
    for seen in facts.edges:
        edges.add((seen.edge.caller, seen.edge.callee))
    edges = edges or set(told_edges(facts))
    callees: dict[str, list[str]] = {}
    callers: dict[str, list[str]] = {}
    for caller, callee in sorted(edges):
        if caller != callee:
            callees.setdefault(caller, []).append(callee)
            callers.setdefault(callee, []).append(caller)
    return Graph(
        callees={k: tuple(v) for k, v in callees.items()},
        callers={k: tuple(v) for k, v in callers.items()},
    )


def _walk(edges: dict[str, tuple[str, ...]], starts: Iterable[str]) -> dict[str, int]:
    steps = dict.fromkeys(starts, 0)
    todo = deque(steps)
    while todo:
        current = todo.popleft()
        for following in edges.get(current, ()):
            if following not in steps:
                steps[following] = steps[current] + 1
                todo.append(following)
    return steps
