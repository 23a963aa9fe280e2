"""What the API takes and gives. Field names are interfaces; they are added to, never renamed."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bot.domain.investigation import ExecutionRecord, Investigation, elapsed_s
from bot.domain.states import PhaseState
from connectors.model import JsonObject


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TimeRange(_Strict):
    start: AwareDatetime
    end: AwareDatetime


class Context(_Strict):
    environment: str | None = None
    time_range: TimeRange | None = None
    services: list[str] = Field(default_factory=list, max_length=100)


class InvestigateBody(_Strict):
    """`POST /api/v1/investigate`."""

    query: str = Field(max_length=50_000)
    context: Context = Context()
    sources: list[str] = Field(default_factory=list, max_length=100)
    dry_run: bool = False


class Opened(BaseModel):
    investigation_id: str
    state: str
    progress_url: str
    stream_url: str


class ToolProgress(BaseModel):
    execution_id: str
    source: str
    tool: str
    phase: str | None
    status: str
    headline: str
    error: str | None
    evidence_id: str | None
    started_at: datetime
    completed_at: datetime | None
    duration_ms: float | None
    api_calls: int
    rows: int
    cost_usd: float


class PhaseView(BaseModel):
    name: str
    status: str
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: float | None


class Progress(BaseModel):
    """`GET …/progress`. `progress_percentage` is 0 to 100."""

    investigation_id: str
    query: str
    state: str
    progress_percentage: float
    current_phase: str | None
    elapsed_s: float
    phases: list[PhaseView]
    tools_total: int
    tools_finished: int
    tools: list[ToolProgress] | None = None
    events: list[JsonObject] | None = None
    transitions: list[JsonObject]
    gaps: list[JsonObject]
    estimated_completion: datetime | None = None
    cost_usd: float
    tokens: int


def tool_progress(record: ExecutionRecord) -> ToolProgress:
    return ToolProgress(
        execution_id=record.id,
        source=record.call.connector,
        tool=record.call.tool,
        phase=record.phase,
        status=record.outcome.value if record.outcome else "running",
        headline=record.headline,
        error=record.error,
        evidence_id=record.evidence_id,
        started_at=record.started_at,
        completed_at=record.finished_at,
        duration_ms=record.duration_ms,
        api_calls=record.stats.api_calls,
        rows=record.stats.rows,
        cost_usd=record.stats.cost_usd,
    )


def progress(investigation: Investigation, *, now: datetime, with_tools: bool = False) -> Progress:
    """Where an investigation stands."""
    executions = investigation.executions
    current = investigation.current_phase if not investigation.state.is_settled else None
    return Progress(
        investigation_id=investigation.id,
        query=investigation.question.text,
        state=investigation.state.value,
        progress_percentage=round(100 * investigation.progress_ratio, 1),
        current_phase=current.value if current else None,
        elapsed_s=round(elapsed_s(investigation, now), 3),
        phases=[
            PhaseView(
                name=phase.name.value,
                status=phase.state.value,
                started_at=phase.started_at,
                completed_at=phase.finished_at if phase.state is not PhaseState.RUNNING else None,
                duration_ms=phase.duration_ms,
            )
            for phase in investigation.phases
        ],
        tools_total=len(executions),
        tools_finished=sum(1 for e in executions if e.outcome),
        tools=[tool_progress(e) for e in executions] if with_tools else None,
        transitions=[t.model_dump(mode="json") for t in investigation.transitions],
        gaps=[g.model_dump(mode="json") for g in investigation.gaps],
        cost_usd=investigation.spent.usd,
        tokens=investigation.spent.tokens,
    )
