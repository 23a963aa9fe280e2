"""Everything the rules about causes look at, put together once per case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from bot.analysis.changes import NearChange, near_changes
from bot.analysis.facts import Facts, instant
from bot.analysis.graph import Graph, build
from bot.analysis.metrics import Family
from bot.analysis.objects import database_names
from bot.analysis.origin import Blame, Board, blame, board_of, symptomatic
from bot.analysis.signals import Signal
from bot.domain.evidence import Finding, FindingKind

_ALIKE_STEPS = 4


@dataclass(frozen=True)
class Scene:
    """`starts` are the services whose symptom is explained; `distance` counts calls from them."""

    facts: Facts
    board: Board
    graph: Graph
    findings: tuple[Finding, ...]
    starts: tuple[str, ...]
    asked_seen: bool
    onset: datetime | None
    blame: Blame
    distance: dict[str, int]
    changes: tuple[NearChange, ...]
    users: dict[str, tuple[str, ...]]
    by_component: dict[str, list[Finding]] = field(default_factory=dict)

    def of(self, component: str, *kinds: FindingKind) -> list[Finding]:
        """Findings of a component, strongest first, of these kinds (all when none is named)."""
        return [f for f in self.by_component.get(component, []) if not kinds or f.kind in kinds]

    def own(self, service: str) -> float:
        """Share of the symptom that starts at this service."""
        return self.blame.own.get(service, 0.0)

    def lost_to(self, callee: str) -> float:
        """Share of the symptom that is lost between callers and this callee."""
        return sum(v for (_, to), v in self.blame.edge.items() if to == callee)

    def lost_from(self, caller: str) -> float:
        return sum(v for (frm, _), v in self.blame.edge.items() if frm == caller)

    def on_path(self, service: str) -> bool:
        return service in self.distance or not self.graph.known


def set_scene(facts: Facts, signals: Iterable[Signal], findings: Iterable[Finding]) -> Scene:
    """Find the symptom, its onset, and whom it is to be blamed on."""
    board, graph, kept = board_of(signals), build(facts), tuple(findings)
    starts, asked_seen = _starts(facts, board, graph)
    onset = _onset(board, starts, kept, facts)
    distance = graph.distances(starts or facts.asked)
    by_component: dict[str, list[Finding]] = defaultdict(list)
    changes = tuple(near_changes(facts, onset, distance))
    for finding in sorted((*kept, *(c.finding for c in changes)), key=lambda f: (-f.weight, f.id)):
        by_component[finding.component].append(finding)
    return Scene(
        facts=facts,
        board=board,
        graph=graph,
        findings=kept,
        starts=starts,
        asked_seen=asked_seen,
        onset=onset,
        blame=blame(board, graph, starts),
        distance=distance,
        changes=changes,
        users=_users(facts),
        by_component=dict(by_component),
    )


def _starts(facts: Facts, board: Board, graph: Graph) -> tuple[tuple[str, ...], bool]:
    """Services whose symptom is to be explained, and whether the asked ones were seen at all.

    The asked services when they show it; else what shows it among all they call or that calls them; without a named
    service, those that show it and have no caller that does.
    """
    shown = symptomatic(board)
    asked = [s for s in facts.asked if s in board.services]
    hit = tuple(s for s in asked if s in shown)
    if hit:
        return hit, True
    if facts.asked and graph.known:
        near = graph.distances(facts.asked)
        shown = [s for s in shown if s in near]
    return _topmost(shown, graph), bool(asked) or not facts.asked


def _topmost(shown: list[str], graph: Graph) -> tuple[str, ...]:
    """Those of the list that nobody else in it waits for; all of them when calls form a ring."""
    top = tuple(s for s in shown if not any(c in shown for c in graph.callers.get(s, ())))
    return (top or tuple(shown))[:_ALIKE_STEPS]


def _onset(board: Board, starts: tuple[str, ...], findings: tuple[Finding, ...], facts: Facts) -> datetime | None:
    """When the symptom began: the earliest strong shift of errors or latency at the services that show it."""
    times = []
    for service in starts:
        for family in (Family.LATENCY, Family.ERRORS):
            signal = board.moved(service, family)
            if signal and signal.shift and signal.finding and signal.finding.weight >= 0.3:
                times.append(signal.shift.onset_s)
    if times:
        return instant(min(times))
    loud = [f.onset for f in findings if f.onset and f.weight >= 0.5]
    inside = [at for at in loud if at >= facts.window.start - facts.window.duration]
    return min(inside, default=None)


def _users(facts: Facts) -> dict[str, tuple[str, ...]]:
    """Database component → services known to use it: from configuration, connection names and call edges."""
    users: dict[str, set[str]] = defaultdict(set)
    names = database_names(facts)
    for source in facts.setting.sources:
        if source.name in names:
            users[f"database/{names[source.name]}"].update(source.services)
    for seen in facts.items:
        component = f"database/{names[seen.connector]}"
        counts = seen.item.fields.get("by_application")
        told = list(counts) if isinstance(counts, dict) else []
        application = seen.item.fields.get("application")
        told += [application] if isinstance(application, str) else []
        users[component].update(s for s in facts.services for t in told if t and _same_name(s, str(t)))
    return {k: tuple(sorted(v)) for k, v in users.items()}


def _same_name(service: str, application: str) -> bool:
    one, other = service.lower().replace("_", "-"), application.lower().replace("_", "-")
    return one == other or other.startswith(f"{one}-") or other.endswith(f"/{one}")
