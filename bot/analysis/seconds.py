"""Where time went: extra seconds inside services and between them, as traces measure them, on one scale.

A gap that grew on most of a caller's outgoing calls is the caller's own trouble (it is slow to send and to read); one
that grew towards a single callee is the way to that callee or the callee's door.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bot.analysis.metrics import Family
from bot.analysis.signals import Signal

LEAST_S = 0.005
_MOST = 0.6
_FELT = 0.4


@dataclass
class Seconds:
    """Extra seconds per request: inside a service, and on the way to it."""

    inside: dict[str, float] = field(default_factory=dict)
    towards: dict[str, float] = field(default_factory=dict)
    usual_s: float = 0.0
    """What the slowest kind of request usually takes: extra seconds far below that are jitter to users."""

    def share_inside(self, service: str) -> float:
        return self.inside.get(service, 0.0) / self._largest

    def share_towards(self, service: str) -> float:
        return self.towards.get(service, 0.0) / self._largest

    @property
    def _largest(self) -> float:
        return max([LEAST_S, _FELT * self.usual_s, *self.inside.values(), *self.towards.values()])


def extra_seconds(signals: list[Signal]) -> Seconds:
    """Excess of own time and of gaps over what was usual, weighed by how surely each moved."""
    out = Seconds()
    gaps: dict[str, dict[str, float]] = {}
    measured: dict[str, set[str]] = {}
    for signal in signals:
        one = signal.measured
        grown = _excess(signal)
        if signal.metric == "latency_mean":
            before = signal.shift.before if signal.shift else signal.level
            out.usual_s = max(out.usual_s, 0.0 if math.isnan(before) else before)
        if signal.family is Family.SELF_TIME and one.series.service:
            name = one.series.service
            out.inside[name] = max(out.inside.get(name, 0.0), grown)
        elif signal.family is Family.GAP and one.caller and one.callee:
            measured.setdefault(one.caller, set()).add(one.callee)
            if grown > 0:
                gaps.setdefault(one.caller, {})[one.callee] = grown
    for caller, edges in gaps.items():
        if len(edges) >= 3 and len(edges) >= _MOST * len(measured[caller]):
            out.inside[caller] = out.inside.get(caller, 0.0) + sum(edges.values())
            continue
        for callee, grown in edges.items():
            out.towards[callee] = max(out.towards.get(callee, 0.0), grown)
    return out


def _excess(signal: Signal) -> float:
    shift = signal.shift
    if shift is None or not shift.rose or shift.delta < LEAST_S or signal.finding is None:
        return 0.0
    return shift.delta * min(1.0, 2 * signal.finding.weight)
