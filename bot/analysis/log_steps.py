"""Lines that a program no longer comes to: it returned early or threw, and wrote nothing about it.

Two signs, neither of which is an error: a line lags behind the one it always went with, and a line stops while its
service goes on. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from bot.analysis.facts import Facts, clock
from bot.analysis.logs import surprise
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind
from connectors.model import JsonObject, LogGroup

_LEAST = 15
"""Fewer lines than this, before or now, do not tell a pair from a coincidence."""
_EQUAL, _RARE = 0.05, 2.0
"""Counts that differ by no more than the first are one path; two that differ by so many deviations now are not."""
_LEAST_EXPECTED = 5.0
"""A gap in which so many lines were due leaves less than one per cent to chance."""
_LEAST_DUE = 3.0
_ALIVE = 1 / 3
_WEIGHT = 0.55
Told = tuple[LogGroup, str]


def step_findings(facts: Facts) -> Iterator[Finding]:
    """At most one finding of each sign per service, the strongest."""
    by_service: dict[str, list[Told]] = defaultdict(list)
    for group, evidence in facts.logs:
        if group.service and group.count:
            by_service[group.service].append((group, evidence))
    for service, told in sorted(by_service.items()):
        for sign in (_lagging(service, told), _stopped(service, told, facts)):
            strongest = max(sign, key=lambda f: f.weight, default=None)
            if strongest is not None:
                yield strongest


def _lagging(service: str, told: Sequence[Told]) -> Iterator[Finding]:
    """A line that was as frequent as another, and now comes far less often than that one."""
    for group, evidence in told:
        usual = group.baseline_count or 0
        pair = max((g for g, _ in told if _companions(group, g)), key=lambda g: g.count, default=None)
        if usual < _LEAST or pair is None or pair.count < _LEAST or surprise(pair.count, group.count) < _RARE:
            continue
        yield make_finding(
            FindingKind.LOG_SILENT,
            f"app/{service}",
            f"a step of {service} is often left out: “{_cut(group)}” came {group.count} times and "
            f"“{_cut(pair)}” {pair.count} times, which were {usual} and {pair.baseline_count} before",
            (evidence,),
            weight=_WEIGHT * (1 - math.exp(-(pair.count - group.count) / 12)),
            key=f"lags/{group.template}",
            data=_data(service, group) | {"companion": _cut(pair), "companion_count": pair.count},
        )


def _companions(one: LogGroup, other: LogGroup) -> bool:
    usual, theirs = one.baseline_count or 0, other.baseline_count or 0
    return one is not other and abs(usual - theirs) <= max(1.0, _EQUAL * max(usual, theirs))


def _stopped(service: str, told: Sequence[Told], facts: Facts) -> Iterator[Finding]:
    """A line that came often until a moment of the window and then no more, while others of the service went on."""
    ends = [g.last.timestamp() for g, _ in told if g.last]
    span = facts.end_s - facts.start_s
    for group, evidence in told:
        if group.first is None or group.last is None or not group.baseline_count or span <= 0:
            continue
        last = group.last.timestamp()
        gap, ran = facts.end_s - last, last - max(group.first.timestamp(), facts.start_s)
        if ran <= 0 or facts.end_s - max(ends) > _ALIVE * gap:
            continue
        due = gap * min(group.count / ran, group.baseline_count / span)
        sure = _still_called(service, last, facts)
        if due >= _LEAST_EXPECTED and sure:
            yield make_finding(
                FindingKind.LOG_SILENT,
                f"app/{service}",
                f"lines in {service} stopped at {clock(last)} while others went on: “{_cut(group)}”, "
                f"{group.count} times until then",
                (evidence,),
                weight=sure * _WEIGHT * (1 - math.exp(-due / 12)),
                onset_s=last,
                key=f"stops/{group.template}",
                data=_data(service, group),
            )


def _still_called(service: str, last_s: float, facts: Facts) -> float:
    """1 when every operation of the service went on after that moment, 0 when one stopped as well: nobody asked for it.

    A half when operations were not measured.
    """
    known = [m for m in facts.series if m.series.service == service and m.series.metric == "operation_rate"]
    for one in known:
        later = one.times > last_s
        before = (one.times >= facts.start_s) & ~later
        earlier, after = np.nansum(one.values[before]), np.nansum(one.values[later])
        due = np.nanmean(one.values[before]) * np.count_nonzero(later) * one.series.step_s if earlier > 0 else 0.0
        if due >= _LEAST_DUE and after == 0:
            return 0.0
    return 1.0 if known else 0.5


def _data(service: str, group: LogGroup) -> JsonObject:
    return {
        "service": service,
        "template": _cut(group),
        "count": group.count,
        "baseline_count": group.baseline_count,
    }


def _cut(group: LogGroup) -> str:
    template = " ".join(group.template.split())
    return template if len(template) <= 100 else template[:99] + "…"
