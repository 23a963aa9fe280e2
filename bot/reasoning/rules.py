"""The reasoner without a model: reads by grammar, plans by standing purpose, words what correlation measured."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.evidence import Finding, Hypothesis
from bot.domain.question import Analysis, CaseFile, Catalogue, Plan, Question, Ranking, Setting
from bot.domain.report import CitedFinding, RecommendedAction, ReportHypothesis, Synthesis
from bot.domain.states import Verdict
from bot.reasoning.advice import advice
from bot.reasoning.planning import make_plan
from bot.reasoning.reading import read_question
from connectors.model import ToolCall

_MOST_HYPOTHESES = 5
_MOST_FINDINGS = 8


class RulesReasoner:
    """Deterministic, free, and always there; what every other reasoner falls back to."""

    name = "rules"

    async def analyze(self, question: Question, setting: Setting) -> Analysis:
        analysis = read_question(question, setting)
        if not question.sources:
            return analysis
        return analysis.model_copy(update={"relevant_sources": chosen_sources(question.sources, setting)})

    async def plan(self, analysis: Analysis, catalogue: Catalogue) -> Plan:
        return make_plan(analysis, catalogue)

    async def follow_up(self, case: CaseFile) -> Sequence[ToolCall]:
        return ()

    async def synthesize(self, case: CaseFile, ranking: Ranking) -> Synthesis:
        return word(ranking)


def chosen_sources(wanted: Sequence[str], setting: Setting) -> tuple[str, ...]:
    """Sources by full name (`prometheus/main`) or by type (`prometheus`)."""
    return tuple(s.name for s in setting.sources if s.name in wanted or s.type in wanted)


def word(ranking: Ranking) -> Synthesis:
    """The ranking in sentences. A root cause is named only when the verdict is `supported`."""
    best = ranking.hypotheses[0] if ranking.hypotheses else None
    supported = ranking.verdict is Verdict.SUPPORTED and best is not None
    return Synthesis(
        summary=ranking.summary,
        root_cause=best.statement if supported and best else None,
        confidence=best.confidence if best else 0.0,
        verdict=ranking.verdict,
        hypotheses=tuple(_hypothesis(h) for h in ranking.hypotheses[:_MOST_HYPOTHESES]),
        timeline=ranking.timeline,
        affected_components=ranking.affected,
        recommended_actions=_actions(ranking),
    )


def _hypothesis(hypothesis: Hypothesis) -> ReportHypothesis:
    return ReportHypothesis(
        component=hypothesis.component,
        cause=hypothesis.cause,
        confidence=round(hypothesis.confidence, 2),
        statement=hypothesis.statement,
        supporting=tuple(_cited(finding) for finding in hypothesis.supporting[:_MOST_FINDINGS]),
        against=tuple(_cited(finding) for finding in hypothesis.against[:_MOST_FINDINGS]),
        would_disprove=hypothesis.would_disprove,
    )


def _cited(finding: Finding) -> CitedFinding:
    return CitedFinding(finding=finding.kind.value, statement=finding.statement, evidence=finding.evidence)


def _actions(ranking: Ranking) -> tuple[RecommendedAction, ...]:
    if ranking.verdict is Verdict.SUPPORTED:
        return (RecommendedAction(text=advice(ranking.hypotheses[0])),)
    if ranking.verdict is Verdict.INCONCLUSIVE and ranking.hypotheses:
        looks = [f"Look first at {h.component.partition('/')[2]}: {h.would_disprove}" for h in ranking.hypotheses[:2]]
        return tuple(RecommendedAction(text=text.rstrip(": ")) for text in looks)
    return ()
