"""Where behaviour changed: services whose log lines or calls changed in a way that nobody below or above explains.

New errors travel up the calls (a caller logs what its callee did), missing steps travel down them (who is not called
says nothing). What is left after both is where a program took another path than before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.analysis.graph import Graph
from bot.analysis.origin import Board
from bot.domain.evidence import Finding, FindingKind

_K = FindingKind
_PASSED_UP = 0.85


def traffic_left(board: Board, service: str) -> float:
    """Requests during the symptom as a share of those before; 1 when not known or not fallen."""
    shares = []
    for metric in ("request_rate", "call_rate"):
        signal = board.services.get(service, {}).get(metric)
        if signal and signal.shift and not signal.shift.rose and signal.shift.before > 0:
            shares.append(signal.shift.after / signal.shift.before)
    return min(shares, default=1.0)


def log_trouble(findings: Iterable[Finding], board: Board) -> dict[str, float]:
    """Service → how strongly its lines changed; silence counts only as far as requests still came."""
    doubt: dict[str, float] = {}
    for finding in findings:
        service = finding.component.partition("/")[2]
        strength = _strength(finding, board, service)
        if strength > 0:
            doubt[service] = doubt.get(service, 1.0) * (1 - strength)
    return {service: 1 - left for service, left in doubt.items()}


def _strength(finding: Finding, board: Board, service: str) -> float:
    if finding.kind in {_K.LOG_TEMPLATE_NEW, _K.LOG_TEMPLATE_ROSE}:
        return finding.weight if finding.data.get("severe") else 0.15 * finding.weight
    if finding.data.get("skips"):
        return finding.weight
    if finding.kind is _K.LOG_SILENT:
        left = traffic_left(board, service)
        return finding.weight * max(0.0, min(1.0, (left - 0.2) / 0.6))
    return 0.0


def log_origin(trouble: Mapping[str, float], graph: Graph) -> dict[str, float]:
    """What is left of each service's trouble after that of everything it calls."""
    out = {}
    for service, strength in trouble.items():
        left = strength
        for below in graph.distances([service]):
            if below != service and service not in graph.callees.get(below, ()):
                left *= 1 - _PASSED_UP * trouble.get(below, 0.0)
        out[service] = left
    return out


def lost_traffic(board: Board, graph: Graph) -> dict[str, float]:
    """Service → how much of its requests went missing while its callers kept theirs."""
    fallen = {s: 1 - left for s in board.services if (left := traffic_left(board, s)) < 0.6}
    out = {}
    for service, lost in fallen.items():
        signal = board.services[service].get("request_rate")
        if signal is None or signal.finding is None or signal.shift is None:
            continue
        above = max((fallen.get(c, 0.0) for c in graph.callers.get(service, ())), default=0.0)
        out[service] = max(0.0, lost - above) * signal.finding.weight
    return {s: v for s, v in out.items() if v > 0.1}
