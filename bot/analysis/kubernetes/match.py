"""What a signature says when it fits: a cause at a component, how sure, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bot.analysis.kubernetes.cluster import Cluster
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind, Hypothesis
from connectors.model import JsonObject


@dataclass(frozen=True, slots=True)
class Match:
    """`confidence` is the signature's own; `statement` a sentence without its full stop; `evidence` is never empty."""

    component: str
    cause: str
    confidence: float
    kind: FindingKind
    statement: str
    would_disprove: str
    evidence: tuple[str, ...]
    data: JsonObject = field(default_factory=dict)

    def finding(self) -> Finding:
        return make_finding(
            self.kind,
            self.component,
            self.statement,
            self.evidence,
            weight=self.confidence,
            data=self.data,
            key=f"{self.cause}/{self.data.get('object', '')}",
        )

    def hypothesis(self) -> Hypothesis:
        return Hypothesis(
            component=self.component,
            cause=self.cause,
            confidence=round(self.confidence, 3),
            statement=f"{self.statement[0].upper()}{self.statement[1:]}.",
            supporting=(self.finding(),),
            would_disprove=self.would_disprove,
        )


Signature = Callable[[Cluster], Iterator[Match]]


def strongest(matches: Iterator[Match]) -> list[Match]:
    """One match per component and cause, best first; the order of equals is that of their names."""
    kept: dict[tuple[str, str], Match] = {}
    for match in matches:
        key = (match.component, match.cause)
        if key not in kept or kept[key].confidence < match.confidence:
            kept[key] = match
    return sorted(kept.values(), key=lambda m: (-m.confidence, m.component, m.cause))
