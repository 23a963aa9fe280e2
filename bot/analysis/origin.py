"""Where a symptom comes from: its size is handed down the calls that explain it, what nobody explains stays.

Everything is accounted in units that add up (seconds per request, failed share of requests), never in z-scores: a
caller that got 1.5 s slower because a callee got 1.4 s slower keeps a fifteenth of the blame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.analysis.graph import Graph
from bot.analysis.metrics import Family
from bot.analysis.signals import Signal, size_of, weight_of
from bot.domain.question import IssueType

_LATENCY_ORDER = ("latency_mean", "latency_p99", "latency_p95", "latency_p50")
_ERROR_ORDER = ("error_ratio", "error_rate", "log_error_rate")
_EDGE_OF = {
    "latency_mean": "call_latency_mean",
    "latency_p99": "call_latency_p99",
    "latency_p95": "call_latency_p95",
    "latency_p50": "call_latency_p50",
    "error_ratio": "call_error_ratio",
}
_ADDITIVE = frozenset({"latency_mean", "error_ratio"})
FELT = 0.15
_LEAST_MASS = 0.02
_DEEPEST = 12
_LATE_S = 150.0


@dataclass(frozen=True)
class Board:
    """Signals by service and by call edge; several series of one metric are reduced to the one that moved most."""

    services: dict[str, dict[str, Signal]]
    edges: dict[tuple[str, str], dict[str, Signal]]
    loud: tuple[Signal, ...]
    """Signals that moved."""
    rates: dict[tuple[str, str], float]
    """Request rate of a service as one piece of evidence tells it: two sources may sample differently."""
    usual: dict[str, float]
    """Latency metric → what the slowest service usually takes, in seconds."""

    def moved(self, service: str, family: Family) -> Signal | None:
        """The strongest shift of a family at a service."""
        found = [s for s in self.services.get(service, {}).values() if s.family is family and s.shift]
        return max(found, key=_moved, default=None)

    def level(self, service: str, metric: str) -> float:
        signal = self.services.get(service, {}).get(metric)
        return signal.level if signal else math.nan


@dataclass
class Blame:
    """Shares of the symptom: `own` stays at a service, `edge` is lost between two, `passed` went through."""

    own: dict[str, float] = field(default_factory=dict)
    edge: dict[tuple[str, str], float] = field(default_factory=dict)
    passed: dict[str, float] = field(default_factory=dict)

    def add(self, other: Blame, share: float) -> None:
        for mine, theirs in ((self.own, other.own), (self.passed, other.passed)):
            for name, value in theirs.items():
                mine[name] = mine.get(name, 0.0) + share * value
        for pair, value in other.edge.items():
            self.edge[pair] = self.edge.get(pair, 0.0) + share * value


def board_of(signals: Iterable[Signal]) -> Board:
    services: dict[str, dict[str, Signal]] = {}
    edges: dict[tuple[str, str], dict[str, Signal]] = {}
    rates: dict[tuple[str, str], float] = {}
    kept = list(signals)
    for signal in kept:
        one = signal.measured
        if one.caller and one.callee:
            _keep(edges.setdefault((one.caller, one.callee), {}), signal)
        elif one.series.service:
            _keep(services.setdefault(one.series.service, {}), signal)
        if signal.metric == "request_rate" and one.series.service and not math.isnan(signal.level):
            key = (one.evidence_id, one.series.service)
            rates[key] = rates.get(key, 0.0) + signal.level
    _as_callers_see(services, edges)
    usual: dict[str, float] = {}
    for signal in (s for s in kept if s.family is Family.LATENCY and s.measured.series.service):
        before = signal.shift.before if signal.shift else signal.level
        usual[signal.metric] = max(usual.get(signal.metric, 0.0), 0.0 if math.isnan(before) else before)
    return Board(services=services, edges=edges, usual=usual, loud=tuple(s for s in kept if s.shift), rates=rates)


def _as_callers_see(
    services: dict[str, dict[str, Signal]], edges: Mapping[tuple[str, str], Mapping[str, Signal]]
) -> None:
    """Where a service's own errors or latency were not read, what its callers see of it stands for them."""
    read = {(name, signal.family) for name, known in services.items() for signal in known.values()}
    for (_, callee), metrics in edges.items():
        for own, seen in _EDGE_OF.items():
            signal = metrics.get(seen)
            if signal is not None and (callee, signal.family) not in read:
                known = services.setdefault(callee, {}).get(own)
                if known is None or _moved(signal) > _moved(known):
                    services[callee][own] = signal


def shows(board: Board, service: str) -> float:
    """Like `symptom_weight`, but by size alone: what a person may have seen, however usual it is."""
    found = [s for s in board.services.get(service, {}).values() if s.family in {Family.ERRORS, Family.LATENCY}]
    return max((size_of(s.shift) for s in found if s.shift), default=0.0)


def _keep(kept: dict[str, Signal], signal: Signal) -> None:
    known = kept.get(signal.metric)
    if known is None or _moved(signal) > _moved(known):
        kept[signal.metric] = signal


def _moved(signal: Signal) -> float:
    return weight_of(signal.shift) if signal.shift else -1.0


def symptom_weight(board: Board, service: str, axes: Mapping[Family, float] | None = None) -> float:
    """How strongly a service shows what users feel, errors or latency, weighed by what was asked about."""
    found = [board.moved(service, family) for family in (Family.ERRORS, Family.LATENCY)]
    return max((_moved(s) * (axes[s.family] if axes else 1.0) for s in found if s), default=0.0)


def _felt_weight(board: Board, service: str) -> float:
    """Like `symptom_weight`, less where extra seconds are few beside what the slowest service usually takes."""
    weights = [0.0]
    for signal in board.services.get(service, {}).values():
        if signal.shift and signal.family is Family.ERRORS:
            weights.append(_moved(signal))
        elif signal.shift and signal.family is Family.LATENCY:
            scale = board.usual.get(signal.metric, 0.0)
            felt = min(1.0, abs(signal.shift.delta) / (FELT * scale)) if scale > 0 else 1.0
            weights.append(_moved(signal) * felt)
    return max(weights)


def symptomatic(board: Board, least: float = 0.4) -> list[str]:
    """Services that show errors or latency, strongest first."""
    weights = {service: _felt_weight(board, service) for service in board.services}
    return sorted((s for s, w in weights.items() if w >= least), key=lambda s: (-weights[s], s))


def axes_of(issue: IssueType) -> Mapping[Family, float]:
    """How much latency and errors count for what was asked."""
    if issue is IssueType.LATENCY:
        return {Family.LATENCY: 1.0, Family.ERRORS: 0.35}
    if issue in {IssueType.ERRORS, IssueType.AVAILABILITY}:
        return {Family.LATENCY: 0.35, Family.ERRORS: 1.0}
    return {Family.LATENCY: 1.0, Family.ERRORS: 1.0}


def blame(board: Board, graph: Graph, starts: Iterable[str], axes: Mapping[Family, float]) -> Blame:
    """Blame for the symptom at `starts`, shared evenly over them and by strength over latency and errors."""
    total = Blame()
    runs = [(service, axis, share * axes[axis]) for service in starts for axis, share in _axes(board, service)]
    whole = sum(share for _, _, share in runs)
    for service, axis, share in runs:
        total.add(_flow(board, graph, service, axis), share / whole)
    return total


def _axes(board: Board, service: str) -> Iterator[tuple[Family, float]]:
    for axis in (Family.LATENCY, Family.ERRORS):
        signal = board.moved(service, axis)
        if signal:
            yield axis, max(_moved(signal), 0.01)


def _flow(board: Board, graph: Graph, start: str, axis: Family) -> Blame:
    out = Blame()
    todo: list[tuple[str, Family, float, tuple[str, ...]]] = [(start, axis, 1.0, ())]
    while todo:
        service, on, mass, path = todo.pop()
        out.passed[service] = max(out.passed.get(service, 0.0), mass)
        shares = {} if len(path) >= _DEEPEST else _explained(board, graph, service, on, (*path, service))
        rest = mass * max(0.0, 1 - sum(share for share, _, _ in shares.values()))
        out.own[service] = out.own.get(service, 0.0) + rest
        for callee, (share, lost, next_axis) in shares.items():
            part = mass * share
            if lost > 0:
                out.edge[service, callee] = out.edge.get((service, callee), 0.0) + part * lost
            handed = part * (1 - lost)
            if handed >= _LEAST_MASS:
                todo.append((callee, next_axis, handed, (*path, service)))
            else:
                out.own[service] += handed
    return out


def _explained(
    board: Board, graph: Graph, service: str, axis: Family, path: tuple[str, ...]
) -> dict[str, tuple[float, float, Family]]:
    """Callee → (share of the caller's shift it explains, part of that lost on the way, axis to go on with)."""
    mine = _best(board, service, axis)
    if mine is None or mine.shift is None:
        return {}
    found: dict[str, tuple[float, float, Family]] = {}
    for callee in graph.callees.get(service, ()):
        if callee in path:
            continue
        share, lost, on = _share(board, service, callee, mine, axis)
        if share > 0.03:
            found[callee] = (share, lost, on)
    found = _without_views(board, graph, mine, found)
    total = sum(share for share, _, _ in found.values())
    if total > 1:
        found = {k: (share / total, lost, on) for k, (share, lost, on) in found.items()}
    return found


def _without_views(
    board: Board, graph: Graph, mine: Signal, found: dict[str, tuple[float, float, Family]]
) -> dict[str, tuple[float, float, Family]]:
    """Drop opaque callees that only mirror a sibling: an end point that calls nobody, moves as a service beside it does
    and takes no more requests than it, is the caller's own view of the calls to that service."""
    inner = [c for c in found if graph.callees.get(c)]
    views: set[str] = set()
    for leaf in (c for c in found if not graph.callees.get(c)):
        signal = board.services.get(leaf, {}).get(mine.metric)
        views.update(leaf for other in inner if signal and _mirrors(board, signal, leaf, other))
    return {k: v for k, v in found.items() if k not in views}


def _mirrors(board: Board, signal: Signal, leaf: str, other: str) -> bool:
    theirs = board.services.get(other, {}).get(signal.metric)
    if theirs is None or theirs.shift is None or signal.shift is None:
        return False
    apart = abs(theirs.shift.onset_s - signal.shift.onset_s)
    busier = board.level(leaf, "request_rate") > board.level(other, "request_rate")
    low, high = sorted((theirs.shift.delta, signal.shift.delta))
    return apart <= signal.measured.series.step_s and not busier and low > 0 and high <= 10 * low


def _best(board: Board, service: str, axis: Family) -> Signal | None:
    order = _LATENCY_ORDER if axis is Family.LATENCY else _ERROR_ORDER
    known = board.services.get(service, {})
    moved = [known[m] for m in order if m in known and known[m].shift]
    adding_up = [signal for signal in moved if signal.metric in _ADDITIVE and _moved(signal) >= 0.2]
    return max(adding_up or moved, key=_moved, default=None)


def _share(board: Board, service: str, callee: str, mine: Signal, axis: Family) -> tuple[float, float, Family]:
    assert mine.shift is not None
    per_request = _per_request(board, service, callee)
    weight = per_request if mine.metric in _ADDITIVE else 1.0
    edge = board.edges.get((service, callee), {}).get(_EDGE_OF.get(mine.metric, ""))
    theirs = board.services.get(callee, {}).get(mine.metric)
    on_edge = _rise(edge, mine)
    at_callee = _rise(theirs, mine)
    if edge is not None and edge.shift is not None:
        lost = max(0.0, 1 - at_callee / on_edge) if theirs is not None and on_edge > 0 else 0.0
        return _stretched(on_edge * weight / mine.shift.delta), lost if lost > 0.5 else 0.0, axis
    if at_callee > 0:
        return _stretched(at_callee * weight / mine.shift.delta), 0.0, axis
    return _across(board, callee, mine, axis)


def _stretched(share: float) -> float:
    """Callers retry, time out and average, so four fifths explained counts as all."""
    return min(1.0, 1.25 * share)


def _rise(signal: Signal | None, mine: Signal) -> float:
    """How much a signal rose, halved when it clearly began after what it should explain."""
    if signal is None or signal.shift is None or not signal.shift.rose or mine.shift is None:
        return 0.0
    late = signal.shift.onset_s - mine.shift.onset_s > max(_LATE_S, 3 * signal.measured.series.step_s)
    return signal.shift.delta * (0.5 if late else 1.0)


def _across(board: Board, callee: str, mine: Signal, axis: Family) -> tuple[float, float, Family]:
    """A callee that got several times slower explains failing callers; one that fails explains slow ones, less."""
    other = Family.LATENCY if axis is Family.ERRORS else Family.ERRORS
    signal = _best(board, callee, other)
    if signal is None or signal.shift is None or _rise(signal, mine) <= 0:
        return 0.0, 0.0, axis
    if other is Family.LATENCY:
        ratio = signal.shift.ratio or 10.0
        return (0.7 if ratio >= 3 else 0.3) * _moved(signal), 0.0, other
    return min(0.5, 2 * signal.shift.delta) * _moved(signal), 0.0, other


def _per_request(board: Board, service: str, callee: str) -> float:
    """Calls to the callee per request of the caller; at most all its requests; 1 when nothing is known."""
    calls = board.edges.get((service, callee), {}).get("call_rate")
    for (source, name), rate in board.rates.items():
        if name != service or rate <= 0 or (calls is not None and calls.measured.evidence_id != source):
            continue
        made = calls.level if calls is not None else board.rates.get((source, callee), math.nan)
        if not math.isnan(made):
            return min(10.0, made / rate)
    return 1.0
