"""From series to findings: which signals left their usual level, and which were seen to be calm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bot.analysis.facts import Facts, Measured, clock, instant
from bot.analysis.metrics import SATURATED_AT, Family, Meaning, meaning, measured, shown, three_digits
from bot.analysis.shifts import MIN_POINTS, Array, Shift, find_shift, increase, longest_growth, usual_level
from bot.domain.evidence import Finding, FindingKind
from bot.domain.ids import derived_id
from connectors.model import JsonObject

_K = FindingKind
OLD_S = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Signal:
    """One series that was judged: `shift` is None when it stayed calm, `finding` says it for people."""

    measured: Measured
    meaning: Meaning
    component: str
    shift: Shift | None
    finding: Finding | None
    level: float
    """Median of the points inside the window, NaN when there are none."""
    spread: float = math.nan
    """Robust standard deviation of the usual level."""

    @property
    def metric(self) -> str:
        return self.measured.series.metric

    @property
    def family(self) -> Family:
        return self.meaning.family


def make_finding(
    kind: FindingKind,
    component: str,
    statement: str,
    evidence: Iterable[str],
    *,
    weight: float,
    onset_s: float | None = None,
    data: JsonObject | None = None,
    key: str = "",
) -> Finding:
    """A finding whose id depends only on what it says about what."""
    ids = tuple(dict.fromkeys(evidence))
    return Finding(
        id=derived_id("fnd", kind.value, component, key or statement, *ids),
        kind=kind,
        component=component,
        statement=statement,
        evidence=ids,
        onset=instant(onset_s) if onset_s is not None else None,
        weight=round(min(max(weight, 0.0), 1.0), 4),
        data=data or {},
    )


def component_of(one: Measured) -> str:
    """Which component a series speaks about; a call edge speaks about the callee as the caller sees it."""
    series, labels = one.series, one.series.labels
    if one.caller and one.callee:
        return f"app/{one.callee}"
    for label in ("datname", "database"):
        if labels.get(label) and not series.service:
            return f"database/{labels[label]}"
    if series.service:
        return f"app/{series.service}"
    if labels.get("node"):
        return f"node/{labels['node']}"
    name = next(
        (labels[k] for k in ("deployment", "app", "job", "pod", "instance", "namespace") if labels.get(k)), None
    )
    return f"app/{name}" if name else f"external/{one.connector}"


def judge_all(facts: Facts) -> list[Signal]:
    """Every series judged on its own; order follows the evidence."""
    return [signal for one in facts.series if (signal := judge(one, facts)) is not None]


def judge(one: Measured, facts: Facts) -> Signal | None:
    sense = meaning(one.series.metric)
    if sense is None:
        return None
    upto = one.times <= facts.end_s + one.series.step_s
    times, values = one.times[upto], one.values[upto]
    component = component_of(one)
    inside = values[times >= facts.start_s]
    seen = inside[np.isfinite(inside)]
    level = float(np.median(seen)) if seen.size else math.nan
    if sense.family is Family.RESTARTS:
        return Signal(one, sense, component, None, _restarts(one, component, times, values, facts), level)
    shift, spread = _shift_of(times, values, facts, sense)
    if shift is not None and not (reaches_in(shift, one, facts) and matters(shift, sense, eased=ease(one, facts))):
        shift = None
    finding = shift_finding(one, sense, component, shift) if shift else None
    if finding is None:
        finding = _full(one, sense, component, level, seen) or _missing(one, component, times, values, facts)
    return Signal(one, sense, component, shift, finding, level, spread)


def _shift_of(times: Array, values: Array, facts: Facts, sense: Meaning) -> tuple[Shift | None, float]:
    """The shift and the usual spread; what has been so for long is the usual level, and is looked at again as such."""
    keep = np.isfinite(values)
    times, values = times[keep], values[keep]
    if values.size < MIN_POINTS:
        return None, math.nan
    level = usual_level(times, values, facts.start_s, floor_abs=sense.floor_abs, floor_ratio=sense.floor_ratio)
    found = find_shift(times, values, facts.start_s, level=level)
    if found is None or found.onset_s >= facts.start_s - OLD_S:
        return found, level.spread
    newer = times > found.onset_s
    times, values = times[newer], values[newer]
    if np.count_nonzero(times < facts.start_s) < MIN_POINTS:
        return found, level.spread
    level = usual_level(times, values, facts.start_s, floor_abs=sense.floor_abs, floor_ratio=sense.floor_ratio)
    return find_shift(times, values, facts.start_s, level=level), level.spread


def reaches_in(shift: Shift, one: Measured, facts: Facts) -> bool:
    """Lasting enough, and reaching into the time asked about."""
    return shift.last_s + one.series.step_s >= facts.start_s and not (shift.returned and shift.points < 3)


def ease(one: Measured, facts: Facts) -> float:
    """Services that were asked about are looked at more closely than the rest."""
    return 0.4 if one.series.service in facts.asked else 1.0


def matters(shift: Shift, sense: Meaning, *, eased: float = 1.0) -> bool:
    """Large enough to be worth a sentence; `eased` below 1 asks for less, where somebody already complained."""
    if abs(shift.delta) < eased * sense.least_delta:
        return False
    if not shift.rose and not sense.falls_matter:
        return False
    small, large = sorted((abs(shift.before), abs(shift.after)))
    return large >= (1 + eased * (sense.least_ratio - 1)) * small if small > 0 else large > 0


def weight_of(shift: Shift) -> float:
    """How strongly a shift speaks: its accumulated deviation, less when it went away again."""
    return shift.rarity * size_of(shift)


def size_of(shift: Shift) -> float:
    """How large a shift is for how long, before asking how usual that is."""
    strength = 1 - math.exp(-shift.mass / 15)
    size = abs(math.log(max(abs(shift.after), 1e-9) / max(abs(shift.before), 1e-9)))
    return (
        strength
        * (0.6 + 0.4 * min(1.0, size / 1.5))
        * (0.45 if shift.returned and shift.points < 5 else 0.7 if shift.returned else 1.0)
    )


_KINDS = {
    Family.ERRORS: _K.ERROR_RATE_ROSE,
    Family.LATENCY: _K.LATENCY_ROSE,
    Family.GAP: _K.SPAN_GAP_GREW,
    Family.SELF_TIME: _K.SELF_TIME_GREW,
    Family.LAG: _K.REPLICATION_LAG_ROSE,
}


def _kind(sense: Meaning, shift: Shift, metric: str) -> FindingKind:
    if sense.family is Family.TRAFFIC:
        return _K.TRAFFIC_ROSE if shift.rose else _K.TRAFFIC_FELL
    if sense.family is Family.RATIO and shift.peak >= SATURATED_AT:
        return _K.CONNECTIONS_AT_LIMIT if metric in {"connections_ratio", "pool_ratio"} else _K.SATURATION_HIGH
    return _KINDS.get(sense.family, _K.METRIC_SHIFTED)


def _subject(one: Measured, component: str) -> str:
    if one.caller and one.callee:
        return f"from {one.caller} to {one.callee}"
    pod = one.series.labels.get("pod")
    name = component.partition("/")[2]
    return f"of {name} ({pod})" if pod and pod != name else f"of {name}"


def shift_finding(one: Measured, sense: Meaning, component: str, shift: Shift) -> Finding:
    unit = one.series.unit
    data: JsonObject = measured(shift.before, shift.after, unit)
    verb = "rose" if shift.rose else "fell"
    times = f" ({data['times']:g}×)" if "times" in data else ""
    text = (
        f"{sense.words} {_subject(one, component)} {verb} from {shown(shift.before, unit)} "
        f"to {shown(shift.after, unit)}{times} at {clock(shift.onset_s)}"
    )
    if shift.returned:
        text += f" and was back at {clock(shift.last_s + one.series.step_s)}"
    data |= {"metric": one.series.metric, "z": three_digits(shift.z), "service": one.series.service or ""}
    if one.caller and one.callee:
        data |= {"caller": one.caller, "callee": one.callee}
    data |= {k: v for k, v in one.series.labels.items() if k in {"pod", "node", "operation"}}
    return make_finding(
        _kind(sense, shift, one.series.metric),
        component,
        text,
        (one.evidence_id,),
        weight=weight_of(shift),
        onset_s=shift.onset_s,
        data=data,
    )


def _full(one: Measured, sense: Meaning, component: str, level: float, seen: Array) -> Finding | None:
    """A saturated resource speaks even when it was full all along."""
    if sense.family is not Family.RATIO or not seen.size or level < SATURATED_AT or one.series.metric == "memory_ratio":
        return None
    pool = one.series.metric in {"connections_ratio", "pool_ratio"}
    return make_finding(
        _K.CONNECTIONS_AT_LIMIT if pool else _K.SATURATION_HIGH,
        component,
        f"{sense.words} {_subject(one, component)} stands at {shown(level, 'ratio')} during the whole window",
        (one.evidence_id,),
        weight=0.35,
        data={"metric": one.series.metric, "after": three_digits(level), "after_percent": three_digits(100 * level)},
    )


def _missing(one: Measured, component: str, times: Array, values: Array, facts: Facts) -> Finding | None:
    """A series that was regular before and has nothing in the last half of the window."""
    known = np.isfinite(values)
    before = int(np.count_nonzero(known & (times < facts.start_s)))
    last = float(times[known][-1]) if known.any() else math.nan
    silent_s = facts.end_s - last
    if before < 10 or silent_s < max(4 * one.series.step_s, 0.5 * (facts.end_s - facts.start_s)):
        return None
    return make_finding(
        _K.SERIES_MISSING,
        component,
        f"{one.series.metric} {_subject(one, component)} has no values since {clock(last)}",
        (one.evidence_id,),
        weight=0.25,
        onset_s=last,
        data={"metric": one.series.metric, "service": one.series.service or ""},
    )


def _restarts(one: Measured, component: str, times: Array, values: Array, facts: Facts) -> Finding | None:
    recent = values[times >= facts.start_s - 15 * 60]
    grown = increase(recent)
    if grown < 1:
        return None
    jumps = np.flatnonzero(np.diff(np.nan_to_num(values)) > 0)
    onset = float(times[jumps[-1] + 1]) if jumps.size else None
    count = three_digits(grown)
    return make_finding(
        _K.RESTARTED,
        component,
        f"containers {_subject(one, component)} restarted {count:g} times"
        + (f", last at {clock(onset)}" if onset else ""),
        (one.evidence_id,),
        weight=min(0.9, 0.5 + 0.15 * grown),
        onset_s=onset,
        data={"count": count, "service": one.series.service or "", "metric": "restarts"},
    )


def memory_growth(signals: Iterable[Signal]) -> Iterator[tuple[Signal, Finding]]:
    """Memory that climbs steadily towards its limit, as a leak does."""
    for signal in signals:
        metric, one = signal.metric, signal.measured
        if metric not in {"memory_ratio", "memory_usage"}:
            continue
        found = longest_growth(one.times, one.values)
        if found is None or (metric == "memory_ratio" and found[2] < 0.8):
            continue
        start, low, high = found
        data: JsonObject = measured(low, high, one.series.unit)
        data |= {"metric": metric, "growing": True, "service": one.series.service or ""}
        limit = one.series.unit if metric == "memory_usage" else "ratio"
        text = (
            f"memory {_subject(one, signal.component)} climbed steadily from {shown(low, limit)} "
            f"to {shown(high, limit)} since {clock(start)}"
        )
        yield (
            signal,
            make_finding(
                _K.SATURATION_HIGH if metric == "memory_ratio" else _K.METRIC_SHIFTED,
                signal.component,
                text,
                (one.evidence_id,),
                weight=0.75 if metric == "memory_ratio" else 0.5,
                onset_s=start,
                data=data,
            ),
        )
