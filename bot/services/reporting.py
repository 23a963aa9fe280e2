"""Assembles the report from the log and the reasoner's words, and holds each statement against its evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from bot.domain.evidence import Evidence, Finding
from bot.domain.investigation import ExecutionRecord, Investigation, elapsed_s
from bot.domain.question import Analysis
from bot.domain.report import (
    Backed,
    CitedFinding,
    Cost,
    RawResult,
    Report,
    ReportAnalysis,
    ReportHypothesis,
    ReportPlanEntry,
    ReportTimeRange,
    Synthesis,
)
from bot.domain.states import InvestigationState, Outcome
from bot.reasoning.verify import Facts, gather, is_backed

Check = Callable[[str, Sequence[str]], bool]


def assemble(
    state: Investigation,
    synthesis: Synthesis,
    *,
    evidence: Sequence[Evidence],
    findings: Sequence[Finding] = (),
    now: datetime,
    reasoner: str,
) -> Report:
    """The whole report. Findings whose statement does not stand in its evidence are left out of it and counted."""
    assert state.analysis is not None, "a report needs an analysis"
    verified, backed = _verified(synthesis, _checker(state, evidence, findings))
    by_id = {item.id: item for item in evidence}
    return Report(
        investigation_id=state.id,
        query=state.question.text,
        state=InvestigationState.COMPLETED,
        analysis=_analysis(state.analysis),
        plan=_plan(state, by_id),
        raw_results=_raw_results(state, by_id),
        synthesis=verified,
        gaps=state.gaps,
        backed=backed,
        cost=Cost(
            usd=state.spent.usd,
            tokens=state.spent.tokens,
            queries=len(state.executions),
            seconds=round(elapsed_s(state, now), 1),
        ),
        reasoner=reasoner,
    )


def _analysis(analysis: Analysis) -> ReportAnalysis:
    return ReportAnalysis(
        issue_type=analysis.issue_type.value,
        relevant_sources=analysis.relevant_sources,
        time_range=ReportTimeRange(start=analysis.window.start, end=analysis.window.end),
        services=analysis.services,
        environment=analysis.environment,
        keywords=analysis.keywords,
        notes=analysis.notes,
    )


def _plan(state: Investigation, by_id: dict[str, Evidence]) -> tuple[ReportPlanEntry, ...]:
    queries = {r.call.digest: by_id[r.evidence_id].source.query for r in state.executions if r.evidence_id in by_id}
    calls = [item.call for item in state.plan.calls] if state.plan else []
    return tuple(
        ReportPlanEntry(
            source=call.connector, tool=call.tool, query=queries.get(call.digest, ""), params=call.arguments
        )
        for call in calls
    )


def _raw_results(state: Investigation, by_id: dict[str, Evidence]) -> dict[str, tuple[RawResult, ...]]:
    results: dict[str, list[RawResult]] = {}
    for record in state.executions:
        results.setdefault(record.call.connector, []).append(_raw_result(record, by_id))
    return {source: tuple(items) for source, items in sorted(results.items())}


def _raw_result(record: ExecutionRecord, by_id: dict[str, Evidence]) -> RawResult:
    kept = by_id.get(record.evidence_id or "")
    return RawResult(
        evidence_id=record.evidence_id,
        tool=record.call.tool,
        outcome=record.outcome or Outcome.SKIPPED,
        headline=record.headline,
        source=kept.source if kept else None,
        truncated=record.truncated,
    )


def _checker(state: Investigation, evidence: Sequence[Evidence], findings: Sequence[Finding]) -> Check:
    """Says of a statement and the evidence it cites whether the one stands in the other."""
    by_id = {item.id: item for item in evidence}
    measured = {finding.statement: finding.data for finding in findings}
    names = {component.partition("/")[2] for component in (finding.component for finding in findings)}
    names |= {r.call.connector for r in state.executions}
    cache: dict[tuple[str, ...], Facts] = {}

    def check(statement: str, cited: Sequence[str]) -> bool:
        if not cited or any(evidence_id not in by_id for evidence_id in cited):
            return False
        key = tuple(sorted(set(cited)))
        if key not in cache:
            related = [f.data for f in findings if set(f.evidence) & set(key)]
            cache[key] = gather((by_id[evidence_id] for evidence_id in key), related)
        facts = cache[key]
        if statement in measured:
            facts = Facts(numbers=[*facts.numbers, *gather((), [measured[statement]]).numbers], text=facts.text)
        return is_backed(statement, facts, known_names=names)

    return check


def _verified(synthesis: Synthesis, check: Check) -> tuple[Synthesis, Backed]:
    made = backed = 0
    hypotheses: list[ReportHypothesis] = []
    for hypothesis in synthesis.hypotheses:
        supporting, s_made = _keep(hypothesis.supporting, check)
        against, a_made = _keep(hypothesis.against, check)
        made += s_made + a_made
        backed += len(supporting) + len(against)
        hypotheses.append(hypothesis.model_copy(update={"supporting": supporting, "against": against}))
    timeline = tuple(entry for entry in synthesis.timeline if check(entry.text, entry.evidence))
    made += len(synthesis.timeline)
    backed += len(timeline)
    update = {"hypotheses": tuple(hypotheses), "timeline": timeline}
    return synthesis.model_copy(update=update), Backed(statements=made, backed=backed)


def _keep(cited: Sequence[CitedFinding], check: Check) -> tuple[tuple[CitedFinding, ...], int]:
    return tuple(item for item in cited if check(item.statement, item.evidence)), len(cited)
