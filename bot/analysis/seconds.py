"""Where time went: extra seconds inside services and between them, as traces measure them, on one scale.

A gap that grew on most of a caller's outgoing calls is the caller's own trouble (it is slow to send and to read); one
that grew towards a single callee is the way to that callee or the callee's door.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bot.analysis.metrics import Family, three_digits
from bot.analysis.signals import Signal, make_finding
from bot.domain.evidence import Finding, FindingKind

LEAST_S = 0.005
_MOST = 0.6
_FELT = 0.4
_PEERS, _FAR, _LITTLE, _AGO_S = 5, 10.0, 16, 1800.0


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


def extra_seconds(signals: list[Signal], apart: list[tuple[Signal, float]]) -> Seconds:
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
    for signal, excess in apart:
        if signal.measured.caller and signal.measured.callee:
            gaps.setdefault(signal.measured.caller, {}).setdefault(signal.measured.callee, 0.8 * excess)
    for caller, edges in gaps.items():
        if len(edges) >= 3 and len(edges) >= _MOST * len(measured[caller]):
            out.inside[caller] = out.inside.get(caller, 0.0) + sum(edges.values())
            continue
        for callee, grown in edges.items():
            out.towards[callee] = max(out.towards.get(callee, 0.0), grown)
    return out


def standing_out(signals: list[Signal], start_s: float) -> list[tuple[Signal, float]]:
    """Gaps far beyond those of all other calls, with their excess in seconds, unless they were always so.

    Needed where a fault is older than the recording of the calls: then there is no "before" to compare with.
    """
    seen = [s for s in signals if s.family is Family.GAP and not math.isnan(s.level)]
    if len(seen) < _PEERS:
        return []
    middle = statistics.median(s.level for s in seen)
    least = max(_FAR * middle, 10 * LEAST_S)
    return [(s, s.level - middle) for s in seen if s.level > least and not _always(s, start_s)]


def _always(signal: Signal, start_s: float) -> bool:
    times, values = signal.measured.times, signal.measured.values
    old = values[(times < start_s - _AGO_S) & np.isfinite(values)]
    known = int(np.count_nonzero(np.isfinite(values)))
    if old.size >= 3:
        return float(np.median(old)) > 0.5 * signal.level
    return known >= _LITTLE


def out_of_line(found: list[tuple[Signal, float]]) -> Iterator[Finding]:
    """A finding for each gap that stands out."""
    for signal, excess in found:
        one = signal.measured
        level, others = three_digits(signal.level), three_digits(signal.level - excess)
        yield make_finding(
            FindingKind.SPAN_GAP_GREW,
            signal.component,
            f"time between {one.caller} and {one.callee} is {level:g} s; between other services it is {others:g} s",
            (one.evidence_id,),
            weight=0.75,
            key=f"{one.caller}>{one.callee}/apart",
            data={"caller": one.caller, "callee": one.callee, "after": level, "others": others, "unit": "s"},
        )


def _excess(signal: Signal) -> float:
    shift = signal.shift
    if shift is None or not shift.rose or shift.delta < LEAST_S or signal.finding is None:
        return 0.0
    return shift.delta * min(1.0, 2 * signal.finding.weight)
