"""Changes near the onset: how long before, at which service, and whether the symptom's calls lead there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.analysis.facts import Facts, clock
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind
from connectors.model import Change

LOOK_BACK_S = 2 * 3600.0
_REGISTRY = re.compile(r"(?<![\w/.-])(?:[\w-]+\.)+[\w-]+(?::\d+)?/(?:[\w.-]+/)*(?=[\w.-]+[:@])")
AFTER_S = 60.0
HALF_LIFE_S = 30 * 60.0


@dataclass(frozen=True, slots=True)
class NearChange:
    """A change not after the onset; `nearness` is 1 at the onset and halves every half hour before it."""

    change: Change
    finding: Finding
    nearness: float


def short_version(version: str) -> str:
    """The tag of an image reference, or the beginning of its digest; any other version as it is."""
    if "@sha256:" in version:
        return version.rpartition("@sha256:")[2][:12]
    name = version.rpartition("/")[2]
    return name.partition(":")[2] or name if "/" in version or ":" in name else version


def short_images(text: str) -> str:
    """Image references without the registry and the folders before the name."""
    return _REGISTRY.sub("", text)


def near_changes(
    facts: Facts, onset: datetime | None, distance: Mapping[str, int], *, slack_s: float = 0.0
) -> Iterator[NearChange]:
    """Changes from two hours before the onset up to a moment after it, nearest in time last.

    Clocks differ, and an onset is known no better than the step of the series that show it (`slack_s`).
    """
    if onset is None:
        return
    for change, evidence_id in facts.changes:
        ahead_s = (onset - change.at).total_seconds()
        if -max(AFTER_S, slack_s) <= ahead_s <= LOOK_BACK_S:
            nearness = math.exp2(-max(0.0, ahead_s) / HALF_LIFE_S)
            yield NearChange(change, _finding(change, evidence_id, ahead_s, distance, nearness), nearness)


def _finding(change: Change, evidence_id: str, ahead_s: float, distance: Mapping[str, int], nearness: float) -> Finding:
    steps = distance.get(change.service)
    minutes = round(abs(ahead_s) / 60, 1)
    when = f"{minutes:g} min before the onset" if ahead_s > 0 else "at the onset"
    place = {None: "which is not on the symptom's call path", 0: "the service that shows the symptom"}.get(
        steps, f"{steps} calls below the symptom" if steps != 1 else "called by the service that shows the symptom"
    )
    what = short_images(" ".join(change.what.split()))[:140]
    by = f" by {change.by}" if change.by else ""
    version = f" {short_version(change.version)}" if change.version else ""
    told = "" if version else f": {what}"
    word = "release" if change.change == "deployment" else f"{change.change} change"
    return make_finding(
        FindingKind.CHANGE_BEFORE_ONSET,
        f"app/{change.service}",
        f"{word}{version} of {change.service}{by} at {clock(change.at)}, {when}, {place}{told}",
        (evidence_id,),
        weight=nearness if steps is not None else 0.3 * nearness,
        onset_s=change.at.timestamp(),
        key=f"{change.at.isoformat()}/{change.what}",
        data={
            "service": change.service, "change": change.change, "version": change.version, "by": change.by,
            "minutes_before": minutes, "distance": steps, "what": what,
        },
    )  # fmt: skip
