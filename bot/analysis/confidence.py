"""From weighed evidence to a probability: calibrated on recorded and generated incidents, capped by what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bot.analysis.candidates import Candidate
from bot.domain.evidence import Evidence, Gap, GapReason

BAR = 0.5
CEILING = 0.97
_SCALE, _LEAD, _SHIFT = 0.9, 1.6, 0.4
"""Logistic calibration over log-odds of the score and the lead over the best rival elsewhere."""

_ROLES: dict[str, frozenset[str]] = {
    "prometheus": frozenset({"metrics"}),
    "datadog": frozenset({"metrics", "logs", "traces"}),
    "newrelic": frozenset({"metrics", "logs", "traces"}),
    "elasticsearch": frozenset({"logs", "changes"}),
    "opensearch": frozenset({"logs", "changes"}),
    "loki": frozenset({"logs"}),
    "files": frozenset({"logs", "metrics"}),
    "kubernetes": frozenset({"kubernetes", "changes"}),
    "postgresql": frozenset({"database"}),
    "mysql": frozenset({"database"}),
    "mongodb": frozenset({"database"}),
    "tempo": frozenset({"traces"}),
    "jaeger": frozenset({"traces"}),
    "github": frozenset({"changes"}),
    "grafana": frozenset({"changes"}),
}
_ANY = frozenset({"metrics", "logs", "traces", "changes", "kubernetes", "database"})
_GIVEN: dict[str, frozenset[str]] = {
    "series": frozenset({"metrics"}),
    "logs": frozenset({"logs"}),
    "changes": frozenset({"changes"}),
    "traces": frozenset({"traces"}),
    "objects": frozenset({"kubernetes", "database"}),
}
PRESENT, CLEAR = 0.25, 0.4
_HARMLESS = frozenset({GapReason.EMPTY, GapReason.NOT_CONFIGURED})
_CAPS = (CEILING, 0.85, 0.7, 0.6, 0.45)


def calibrated(score: float, lead: float) -> float:
    """Probability that a candidate is right, from its score and its lead over rivals at other components."""
    held = min(max(score, 0.01), 0.99)
    odds = _SCALE * math.log(held / (1 - held)) + _LEAD * lead + _SHIFT
    return 1 / (1 + math.exp(-odds))


def present(presence: float) -> float:
    """How much of a hypothesis is left when the symptom itself is faint."""
    return min(1.0, 0.2 + 0.8 * presence / CLEAR) if presence < CLEAR else 1.0


def confidences(ranked: Sequence[Candidate]) -> list[float]:
    """Confidence per candidate, best score first; a rival at another component costs more than a second cause here."""
    out = []
    for place, made in enumerate(ranked):
        rivals = [o.score for n, o in enumerate(ranked) if n != place and o.component != made.component]
        twins = [o.score for n, o in enumerate(ranked) if n != place and o.component == made.component]
        lead = made.score - max([*rivals, *(0.6 * s for s in twins)], default=0.0)
        out.append(calibrated(made.score, lead))
    return out


def missing_roles(gaps: Iterable[Gap], evidence: Iterable[Evidence]) -> frozenset[str]:
    """What kinds of evidence a source that failed, if in one read only, would have given and nothing else gave."""
    lost: set[str] = set()
    for gap in gaps:
        if gap.reason not in _HARMLESS:
            lost |= roles_of(gap.source)
    have: set[str] = set()
    for one in evidence:
        have |= roles_of(one.call.connector) & _GIVEN.get(one.payload.kind, _ANY)
    return frozenset(lost - have)


def roles_of(source: str) -> frozenset[str]:
    """What kinds of evidence a connector instance gives."""
    return _ROLES.get(source.partition("/")[0], frozenset({"metrics"}))


def cap(made: Candidate, missing: frozenset[str]) -> float:
    """The most a hypothesis may claim while sources that could have disproved it did not answer."""
    return min(made.ceiling, _CAPS[min(len(made.roles & missing), len(_CAPS) - 1)])
