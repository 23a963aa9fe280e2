"""A possible cause while it is being weighed: evidence for and against, and how much of the symptom it can own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.domain.evidence import Finding


@dataclass
class Candidate:
    """`scope` is the share of the symptom this place can own, 0 to 1; `roles` are the sources that could disprove it.

    `score` is a noisy-or of what speaks for it, times what is left after what speaks against, times a scope term.
    """

    component: str
    cause: str
    statement: str
    would_disprove: str
    scope: float
    supports: list[tuple[float, Finding | None]] = field(default_factory=list)
    against: list[tuple[float, Finding | None]] = field(default_factory=list)
    roles: frozenset[str] = frozenset()
    floor: float = 0.15
    ceiling: float = 1.0
    """The most it may claim: what only repeats the symptom is no cause."""

    def support(self, strength: float, findings: Iterable[Finding] = (), *, most: int = 3) -> Candidate:
        """Add evidence: the strength counts once, scaled by the strongest of the findings (1 without any)."""
        kept = sorted(findings, key=lambda f: (-f.weight, f.id))[:most]
        if not kept:
            return self
        self.supports.append((strength * kept[0].weight, kept[0]))
        self.supports.extend((0.0, finding) for finding in kept[1:])
        return self

    def base(self, strength: float) -> Candidate:
        """Add support that rests on where the blame went rather than on one finding."""
        self.supports.append((min(max(strength, 0.0), 1.0), None))
        return self

    def oppose(self, strength: float, findings: Iterable[Finding] = ()) -> Candidate:
        kept = list(findings)[:2]
        self.against.append((strength, kept[0] if kept else None))
        self.against.extend((0.0, finding) for finding in kept[1:])
        return self

    @property
    def score(self) -> float:
        doubt = 1.0
        for strength, _ in self.supports:
            doubt *= 1 - min(strength, 0.97)
        left = 1.0
        for strength, _ in self.against:
            left *= 1 - min(strength, 1.0)
        reach = self.floor + (1 - self.floor) * min(1.0, self.scope / 0.4)
        return (1 - doubt) * left * reach

    def findings(self) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """Findings for and against, each once, in the order they were weighed."""
        pro = {f.id: f for _, f in self.supports if f is not None}
        con = {f.id: f for _, f in self.against if f is not None and f.id not in pro}
        return tuple(pro.values()), tuple(con.values())
