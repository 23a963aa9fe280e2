"""Changes near the onset: how long before, at which service, and whether the symptom's calls lead there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.analysis.facts import Facts, clock
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind
from connectors.model import Change

LOOK_BACK_S = 2 * 3600.0
AFTER_S = 60.0
HALF_LIFE_S = 30 * 60.0


@dataclass(frozen=True, slots=True)
class NearChange:
    """A change not after the onset; `nearness` is 1 at the onset and halves every half hour before it."""

    change: Change
    finding: Finding
    nearness: float


def near_changes(facts: Facts, onset: datetime | None, distance: Mapping[str, int]) -> Iterator[NearChange]:
    """Changes from two hours before the onset up to a minute after it (clocks differ), nearest in time last."""
    if onset is None:
        return
    for change, evidence_id in facts.changes:
        ahead_s = (onset - change.at).total_seconds()
        if -AFTER_S <= ahead_s <= LOOK_BACK_S:
            nearness = math.exp2(-max(0.0, ahead_s) / HALF_LIFE_S)
            yield NearChange(change, _finding(change, evidence_id, ahead_s, distance, nearness), nearness)


def _finding(change: Change, evidence_id: str, ahead_s: float, distance: Mapping[str, int], nearness: float) -> Finding:
    steps = distance.get(change.service)
    minutes = round(abs(ahead_s) / 60, 1)
    when = f"{minutes:g} min before the onset" if ahead_s > 0 else "at the onset"
    place = {None: "which is not on the symptom's call path", 0: "the service that shows the symptom"}.get(
        steps, f"{steps} calls below the symptom" if steps != 1 else "called by the service that shows the symptom"
    )
    what = " ".join(change.what.split())[:140]
    by = f" by {change.by}" if change.by else ""
    version = f" {change.version}" if change.version and change.version not in what else ""
    return make_finding(
        FindingKind.CHANGE_BEFORE_ONSET,
        f"app/{change.service}",
        f"{change.change}{version} of {change.service}{by} at {clock(change.at)}, {when}: “{what}” ({place})",
        (evidence_id,),
        weight=nearness if steps is not None else 0.3 * nearness,
        onset_s=change.at.timestamp(),
        key=f"{change.at.isoformat()}/{change.what}",
        data={
            "service": change.service, "change": change.change, "version": change.version, "by": change.by,
            "minutes_before": minutes, "distance": steps, "what": what,
        },
    )  # fmt: skip
