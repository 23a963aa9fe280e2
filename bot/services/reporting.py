"""Assembles the report from the log and the reasoner's words, and holds each statement against its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.domain.evidence import Evidence
from bot.domain.investigation import ExecutionRecord, Investigation, elapsed_s
from bot.domain.question import Analysis, Ranking
from bot.domain.report import (
    Cost,
    RawResult,
    Report,
    ReportAnalysis,
    ReportPlanEntry,
    ReportTimeRange,
    Synthesis,
)
from bot.domain.states import InvestigationState, Outcome
from bot.reasoning.checking import verify


def assemble(
    state: Investigation,
    synthesis: Synthesis,
    *,
    evidence: Sequence[Evidence],
    ranking: Ranking | None = None,
    now: datetime,
    reasoner: str,
) -> Report:
    """The whole report, every statement held against its evidence; what fails is left out or said in code's words."""
    assert state.analysis is not None, "a report needs an analysis"
    names = [record.call.connector for record in state.executions]
    verified, backed = verify(synthesis, ranking=ranking or Ranking(), evidence=evidence, known_names=names)
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
