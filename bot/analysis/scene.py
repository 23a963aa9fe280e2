"""Everything the rules about causes look at, put together once per case."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.analysis.behaviour import log_origin, log_trouble, lost_traffic
from bot.analysis.changes import NearChange, near_changes
from bot.analysis.contrast import Span, contrast_all, lead_s
from bot.analysis.facts import Facts, instant
from bot.analysis.graph import Graph, build
from bot.analysis.metrics import Family
from bot.analysis.objects import database_names
from bot.analysis.origin import Blame, Board, axes_of, blame, board_of, shows, symptom_weight, symptomatic
from bot.analysis.seconds import Seconds, extra_seconds, out_of_line, standing_out
from bot.analysis.signals import Signal, weight_of
from bot.analysis.skips import skipped_steps
from bot.domain.evidence import Finding, FindingKind
from bot.domain.question import IssueType

_ALIKE_STEPS = 4
_LOCAL = frozenset({Family.RATIO, Family.GAP, Family.SELF_TIME})
_ASKED_LEAST = 0.05


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
    precision_s: float
    """How exactly the onset is known: two steps of the coarsest series that dated it."""
    presence: float
    """How sure it is that there is a symptom at all, 0 to 1."""
    blame: Blame
    distance: dict[str, int]
    changes: tuple[NearChange, ...]
    users: dict[str, tuple[str, ...]]
    log_origin: dict[str, float]
    """Service → how much its log lines changed beyond what the services it calls explain."""
    lost_traffic: dict[str, float]
    seconds: Seconds
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


def set_scene(facts: Facts, signals: Sequence[Signal], findings: Iterable[Finding]) -> Scene:
    """Find the symptom, its onset, and whom it is to be blamed on."""
    board, graph = board_of(signals), build(facts)
    starts, asked_seen = _starts(facts, board, graph)
    axes = axes_of(facts.issue)
    span = _span(board, starts, axes)
    if span is not None:
        signals = contrast_all(signals, span, facts)
        board = board_of(signals)
    apart = standing_out(list(signals), facts.start_s)
    told = (
        *(s.finding for s in signals if s.finding),
        *findings,
        *out_of_line(apart),
        *skipped_steps(list(signals), facts.start_s),
    )
    kept = tuple({f.id: f for f in told}.values())
    onset = instant(span.onset_s) if span else _loud_onset(kept, facts)
    distance = graph.distances(starts or facts.asked)
    by_component: dict[str, list[Finding]] = defaultdict(list)
    trouble = log_trouble(kept, board)
    slack_s = 1.5 * max(facts.resolution_s, span.step_s if span else 0.0)
    changes = tuple(near_changes(facts, onset, distance, slack_s=slack_s))
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
        precision_s=2 * max(facts.resolution_s, span.step_s if span else 0.0),
        presence=_presence(facts, board, starts, trouble),
        blame=blame(board, graph, starts, axes),
        distance=distance,
        changes=changes,
        users=_users(facts),
        log_origin=log_origin(trouble, graph),
        lost_traffic=lost_traffic(board, graph),
        seconds=extra_seconds(list(signals), apart),
        by_component=dict(by_component),
    )


def _starts(facts: Facts, board: Board, graph: Graph) -> tuple[tuple[str, ...], bool]:
    """Services whose symptom is to be explained, and whether the asked ones were seen at all.

    The asked services when they show it; else what shows it among all they call or that calls them; without a named
    service, those that show it and have no caller that does.
    """
    shown = symptomatic(board)
    asked = [s for s in facts.asked if s in board.services]
    hit = tuple(s for s in asked if shows(board, s) >= _ASKED_LEAST)
    if hit:
        return hit, True
    if facts.asked and graph.known:
        near = graph.distances(facts.asked)
        shown = [s for s in shown if s in near]
    return _topmost(shown, graph), bool(asked) or not facts.asked


def _presence(facts: Facts, board: Board, starts: tuple[str, ...], trouble: Mapping[str, float]) -> float:
    """The symptom where it was asked about, if that was measured there; else where it shows, in series or in lines."""
    asked = [s for s in facts.asked if covered(board, s, facts.issue)]
    if asked:
        return max(symptom_weight(board, s, axes_of(facts.issue)) for s in asked)
    local = [s.finding.weight for s in board.loud if s.finding and s.family in _LOCAL]
    lines = max(trouble.values(), default=0.0)
    return max([0.8 * lines, 0.8 * max(local, default=0.0), *(symptom_weight(board, s) for s in starts)])


def covered(board: Board, service: str, issue: IssueType) -> bool:
    """True when what was asked about was really measured inside the window at this service."""
    seen = {s.family for s in board.services.get(service, {}).values() if not math.isnan(s.level)}
    axes = axes_of(issue)
    wanted = {axis for axis, share in axes.items() if share == max(axes.values())}
    return wanted <= seen


def _topmost(shown: list[str], graph: Graph) -> tuple[str, ...]:
    """Those of the list that nobody else in it waits for; all of them when calls form a ring."""
    top = tuple(s for s in shown if not any(c in shown for c in graph.callers.get(s, ())))
    return (top or tuple(shown))[:_ALIKE_STEPS]


def _span(board: Board, starts: tuple[str, ...], axes: Mapping[Family, float]) -> Span | None:
    """When the symptom began and how long it lasted: by its strongest signal, and those that began just before it."""
    signals = [
        signal
        for service in starts
        for family in (Family.LATENCY, Family.ERRORS)
        if (signal := board.moved(service, family)) is not None and signal.shift is not None
    ]
    shifts = sorted(((weight_of(s.shift) * axes[s.family], s) for s in signals if s.shift), key=lambda pair: -pair[0])
    if not shifts or shifts[0][1].shift is None:
        return None
    first = shifts[0][1].shift
    lead = lead_s(shifts[0][1].measured.series.step_s)
    near = [s for w, s in shifts if s.shift and w >= 0.3 and 0 <= first.onset_s - s.shift.onset_s <= lead]
    steps = [s.measured.series.step_s for s in (shifts[0][1], *near)]
    onset_s = min([first.onset_s, *(s.shift.onset_s for s in near if s.shift)])
    return Span(onset_s=onset_s, until_s=first.last_s, step_s=max(steps))


def _loud_onset(findings: tuple[Finding, ...], facts: Facts) -> datetime | None:
    """Without a symptom in the series: the first strong finding not long before the window."""
    loud = [f.onset for f in findings if f.onset and f.weight >= 0.5]
    return min((at for at in loud if at >= facts.window.start - facts.window.duration), default=None)


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
