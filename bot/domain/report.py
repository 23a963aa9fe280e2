"""The report: the one answer, whatever face shows it. Its JSON is the shape of `--json`, of the API and of replay."""

from __future__ import annotations

from pydantic import AwareDatetime, ConfigDict, Field

from bot.domain.evidence import Gap
from bot.domain.question import TimelineEntry
from bot.domain.states import InvestigationState, Outcome, Verdict
from connectors.model import Frozen, JsonObject, SourceRef


class ReportTimeRange(Frozen):
    start: AwareDatetime
    end: AwareDatetime


class ReportAnalysis(Frozen):
    issue_type: str
    relevant_sources: tuple[str, ...] = ()
    time_range: ReportTimeRange
    services: tuple[str, ...] = ()
    environment: str = "production"
    keywords: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ReportPlanEntry(Frozen):
    source: str
    tool: str
    query: str = ""
    params: JsonObject = Field(default_factory=dict)


class RawResult(Frozen):
    """One answer of a source, as the report cites it."""

    evidence_id: str | None = None
    tool: str
    outcome: Outcome
    headline: str = ""
    source: SourceRef | None = None
    truncated: str | None = None


class CitedFinding(Frozen):
    finding: str
    statement: str
    evidence: tuple[str, ...]


class ReportHypothesis(Frozen):
    """One possible cause as the report tells it; `supporting` is spelled `for` in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    component: str
    cause: str
    confidence: float
    statement: str
    supporting: tuple[CitedFinding, ...] = Field(default=(), alias="for")
    against: tuple[CitedFinding, ...] = ()
    would_disprove: str = ""


class RecommendedAction(Frozen):
    text: str
    proposal_id: str | None = None
    runbook: str | None = None


class RelatedIssue(Frozen):
    investigation_id: str
    text: str


class Synthesis(Frozen):
    """`summary` says what is going on; `root_cause` is None unless the verdict is `supported`."""

    summary: str = ""
    root_cause: str | None = None
    confidence: float = 0.0
    verdict: Verdict = Verdict.INCONCLUSIVE
    hypotheses: tuple[ReportHypothesis, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    affected_components: tuple[str, ...] = ()
    recommended_actions: tuple[RecommendedAction, ...] = ()
    related_issues: tuple[RelatedIssue, ...] = ()


class Backed(Frozen):
    """How many statements were made, and how many of them stand in the cited evidence."""

    statements: int = 0
    backed: int = 0


class Cost(Frozen):
    usd: float = 0.0
    tokens: int = 0
    queries: int = 0
    seconds: float = 0.0


class Report(Frozen):
    investigation_id: str
    query: str
    state: InvestigationState
    analysis: ReportAnalysis
    plan: tuple[ReportPlanEntry, ...] = ()
    raw_results: dict[str, tuple[RawResult, ...]] = Field(default_factory=dict)
    synthesis: Synthesis
    gaps: tuple[Gap, ...] = ()
    backed: Backed = Backed()
    cost: Cost = Cost()
    reasoner: str = "rules"

    def to_json(self) -> JsonObject:
        """The JSON object of the contract, with `for` spelled as there."""
        return self.model_dump(mode="json", by_alias=True)
