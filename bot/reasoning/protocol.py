"""What every reasoner can do. `services.investigate` owns the loop, the budgets and the fall-back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.domain.question import Analysis, CaseFile, Catalogue, Plan, Question, Ranking, Setting
from bot.domain.report import Synthesis
from connectors.model import ToolCall


class Reasoner(Protocol):
    """A way to read a question, choose reads, and word a report.

    A reasoner that cannot go on raises ReasonerFailed; rules take over from that very step.
    """

    name: str

    async def analyze(self, question: Question, setting: Setting) -> Analysis:
        """The question understood. InvalidRequest when it cannot be investigated as asked."""
        ...

    async def plan(self, analysis: Analysis, catalogue: Catalogue) -> Plan:
        """The reads to make, and what cannot be read."""
        ...

    async def follow_up(self, case: CaseFile) -> Sequence[ToolCall]:
        """Further reads that would settle it; empty when there is enough."""
        ...

    async def synthesize(self, case: CaseFile, ranking: Ranking) -> Synthesis:
        """The report's conclusion in words. Every statement cites evidence."""
        ...
