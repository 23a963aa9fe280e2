"""One row per source: what was planned there, how far it is, what it said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import ValidationError

from bot.domain.evidence import Evidence, Hypothesis
from bot.domain.investigation import ExecutionRecord, Investigation
from bot.domain.remediation import Proposal
from bot.domain.report import ReportHypothesis
from bot.domain.states import Outcome, PhaseName, PhaseState
from bot.slack.blocks.elements import live_url
from bot.slack.blocks.words import GAPS, OUTCOMES
from connectors.model import EvidenceKind

GOOD = (Outcome.SUCCEEDED, Outcome.EMPTY)


@dataclass(frozen=True)
class EvidenceBrief:
    """The little of a piece of evidence that a card needs: its shape and where a person can open it."""

    id: str
    kind: EvidenceKind
    url: str | None = None


@dataclass(frozen=True)
class Scene:
    """What drawing needs besides the investigation: names of people, links, what this workspace refuses to show.

    `refused` holds block types the workspace answered with `invalid_blocks`; `hosts` None lets every evidence link
    live (connectors make them from their own configuration).
    """

    names: Mapping[str, str] = field(default_factory=dict)
    briefs: Mapping[str, EvidenceBrief] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    hosts: frozenset[str] | None = None
    tickets: bool = False
    evals: bool = False
    proposals: tuple[Proposal, ...] = ()

    def name(self, actor: str) -> str:
        """`person:U1` → the person's name, never a mention."""
        kind, _, subject = actor.partition(":")
        if kind == "system":
            return "Inquest"
        return self.names.get(subject) or (subject if kind == "person" else f"{kind.replace('_', ' ')} {subject}")

    def url(self, evidence_id: str | None) -> str | None:
        brief = self.briefs.get(evidence_id or "")
        return live_url(brief.url, self.hosts) if brief else None


class RowState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class SourceRow:
    connector: str
    state: RowState
    words: str
    headline: str = ""
    duration_ms: float | None = None
    records: tuple[ExecutionRecord, ...] = ()
    evidence_id: str | None = None


def brief_of(evidence: Evidence) -> EvidenceBrief:
    return EvidenceBrief(id=evidence.id, kind=EvidenceKind(evidence.payload.kind), url=evidence.source.url)


def evidence_labels(investigation: Investigation) -> dict[str, str]:
    """Evidence ids in the order the answers came, as `e1`, `e2` …; later answers change no earlier label."""
    told = [e for e in investigation.executions if e.evidence_id and e.finished_at]
    ids = [e.evidence_id for e in sorted(told, key=lambda e: (e.finished_at or e.started_at, e.id)) if e.evidence_id]
    return {evidence_id: f"e{number}" for number, evidence_id in enumerate(dict.fromkeys(ids), start=1)}


def source_rows(investigation: Investigation) -> list[SourceRow]:
    """Every source that was planned, asked, or is a gap, in that order."""
    planned = [p.call.connector for p in investigation.plan.calls] if investigation.plan else []
    asked = [e.call.connector for e in investigation.executions]
    gaps = [g.source for g in _all_gaps(investigation)]
    return [_row(investigation, name) for name in dict.fromkeys([*planned, *asked, *gaps])]


def row_of(investigation: Investigation, connector: str) -> SourceRow:
    return _row(investigation, connector)


def _all_gaps(investigation: Investigation) -> list[GapLike]:
    planned = investigation.plan.gaps if investigation.plan else ()
    return [GapLike(g.source, GAPS[g.reason], g.text) for g in (*planned, *investigation.gaps)]


@dataclass(frozen=True)
class GapLike:
    source: str
    words: str
    text: str


def _row(investigation: Investigation, connector: str) -> SourceRow:
    records = tuple(e for e in investigation.executions if e.call.connector == connector)
    gap = next((g for g in _all_gaps(investigation) if g.source == connector), None)
    if not records:
        return _unasked(investigation, connector, gap)
    if any(e.outcome is None for e in records) or _more_to_come(investigation, connector, records):
        done = sum(1 for e in records if e.outcome)
        state, words = RowState.RUNNING, f"running, {done} of {_expected(investigation, connector, records)} done"
        if investigation.state.is_settled:
            state, words = RowState.FAILED, "stopped before it finished"
    else:
        state, words = _finished(records)
    best = _best(investigation, records)
    headline = best.headline if best else next((e.error for e in records if e.error), None) or (gap.text if gap else "")
    more = sum(1 for e in records if e.headline) - 1
    if best and more > 0:
        headline += f" (+{more} more in the thread)"
    return SourceRow(connector, state, words, headline, _took_ms(records), records, best.evidence_id if best else None)


def _unasked(investigation: Investigation, connector: str, gap: GapLike | None) -> SourceRow:
    if gap:
        return SourceRow(connector, RowState.SKIPPED, f"not asked: {gap.words}", gap.text)
    if investigation.state.is_settled:
        dry = "planned only (dry run)" if investigation.question.dry_run else "not asked"
        return SourceRow(connector, RowState.SKIPPED, dry)
    return SourceRow(connector, RowState.WAITING, "waiting")


def _expected(investigation: Investigation, connector: str, records: tuple[ExecutionRecord, ...]) -> int:
    planned = investigation.plan.calls if investigation.plan else ()
    own = {p.call.digest for p in planned if p.call.connector == connector}
    return len(own | {e.call.digest for e in records})


def _more_to_come(investigation: Investigation, connector: str, records: tuple[ExecutionRecord, ...]) -> bool:
    collect = investigation.phase(PhaseName.COLLECT).state
    if collect in (PhaseState.COMPLETED, PhaseState.FAILED, PhaseState.SKIPPED) or not investigation.plan:
        return False
    started = {e.call.digest for e in records}
    return any(p.call.connector == connector and p.call.digest not in started for p in investigation.plan.calls)


def _finished(records: tuple[ExecutionRecord, ...]) -> tuple[RowState, str]:
    good = [e for e in records if e.outcome in GOOD]
    if not good:
        worst = records[-1].outcome or Outcome.FAILED
        state = RowState.SKIPPED if worst in (Outcome.REFUSED, Outcome.SKIPPED) else RowState.FAILED
        return state, OUTCOMES[worst]
    if len(good) < len(records):
        return RowState.DONE, f"done, {len(records) - len(good)} of {len(records)} queries failed"
    if all(e.outcome is Outcome.EMPTY for e in records):
        return RowState.DONE, "done, nothing there"
    return RowState.DONE, "done"


def _best(investigation: Investigation, records: tuple[ExecutionRecord, ...]) -> ExecutionRecord | None:
    """The record whose headline says most: one the leading cause rests on, else the first that found something."""
    told = [e for e in records if e.headline and e.outcome in GOOD]
    cited = cited_evidence(investigation)
    ranked = sorted(
        told, key=lambda e: (e.evidence_id not in cited, is_quiet(e.headline), e.outcome is not Outcome.SUCCEEDED)
    )
    return ranked[0] if ranked else None


def is_quiet(headline: str) -> bool:
    """Whether a headline says that there is nothing to see; only the order and size of what is shown rest on it."""
    words = headline.lower()
    return "nothing stands out" in words or words.startswith(("nothing found", "no matching", "no changes"))


def cited_evidence(investigation: Investigation) -> set[str]:
    """Evidence the leading hypothesis rests on."""
    report = investigation.report
    leading: ReportHypothesis | None = (
        report.synthesis.hypotheses[0] if report and report.synthesis.hypotheses else None
    )
    return {e for f in leading.supporting for e in f.evidence} if leading else set()


def _took_ms(records: tuple[ExecutionRecord, ...]) -> float | None:
    ends = [e.finished_at for e in records if e.finished_at]
    if not ends:
        return None
    return (max(ends) - min(e.started_at for e in records)).total_seconds() * 1000


def onset_of(investigation: Investigation) -> datetime | None:
    """When the trouble began, from the findings of the leading hypothesis; None while nobody knows."""
    if not investigation.hypotheses:
        return None
    try:
        leading = Hypothesis.model_validate(investigation.hypotheses[0])
    except ValidationError:
        return None
    return min((f.onset for f in leading.supporting if f.onset), default=None)
