"""A question and everything a reasoner may know while it answers it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from bot.domain.access import Squad
from bot.domain.evidence import Evidence, Finding, Gap, Hypothesis
from bot.domain.states import Verdict
from connectors.model import Change, Frozen, JsonObject, TimeWindow, Tool, ToolCall

_MOST_KEPT = 2_000
"""Services named in the log of one investigation."""


class IssueType(StrEnum):
    """What kind of trouble the question is about."""

    LATENCY = "latency"
    ERRORS = "errors"
    AVAILABILITY = "availability"
    SATURATION = "saturation"
    TRAFFIC = "traffic"
    DATABASE = "database"
    DEPLOYMENT = "deployment"
    DATA = "data"
    UNKNOWN = "unknown"


class Question(Frozen):
    """What a person (or alert) asked, as they asked it, with what they narrowed down explicitly."""

    text: str
    asked_at: AwareDatetime
    time_zone: str = "UTC"
    window: TimeWindow | None = None
    services: tuple[str, ...] = ()
    environment: str | None = None
    sources: tuple[str, ...] = ()
    dry_run: bool = False
    channel: str | None = None


class Service(Frozen):
    """A service known from discovery or configuration. `depends_on` are names of services it calls."""

    name: str
    aliases: tuple[str, ...] = ()
    squad: str | None = None
    depends_on: tuple[str, ...] = ()


class Source(Frozen):
    """One configured connector instance, as a reasoner sees it."""

    name: str
    type: str
    environment: str
    squad: str | None = None
    services: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    healthy: bool = True


class Setting(Frozen):
    """What surrounds a question: who owns what, and what is known to exist."""

    services: tuple[Service, ...] = ()
    squads: tuple[Squad, ...] = ()
    sources: tuple[Source, ...] = ()
    environments: tuple[str, ...] = ("production",)
    default_window_minutes: int = 30

    def kept(self) -> JsonObject:
        """What the log keeps of it, for a replay: no tools, and of very many services the first."""
        few = self.model_copy(update={"services": self.services[:_MOST_KEPT]})
        told: JsonObject = few.model_dump(
            mode="json", exclude={"sources": {"__all__": {"tools"}}}, exclude_defaults=True
        )
        return told


class Analysis(Frozen):
    """The question understood. `notes` are sentences for the asker, such as "did you mean …"."""

    issue_type: IssueType
    window: TimeWindow
    services: tuple[str, ...] = ()
    environment: str = "production"
    keywords: tuple[str, ...] = ()
    relevant_sources: tuple[str, ...] = ()
    squad: str | None = None
    notes: tuple[str, ...] = ()


class Catalogue(Frozen):
    """What can be asked: sources with their tools."""

    sources: tuple[Source, ...]

    def source(self, name: str) -> Source | None:
        return next((s for s in self.sources if s.name == name), None)


class PlannedCall(Frozen):
    """A call and the reason it was chosen, in a few words."""

    call: ToolCall
    why: str = ""


class Plan(Frozen):
    calls: tuple[PlannedCall, ...]
    gaps: tuple[Gap, ...] = ()


class Guidance(Frozen):
    """What a person added while it ran: a hint, a pinned cause, one ruled out."""

    text: str
    by: str
    at: AwareDatetime


class CaseFile(Frozen):
    """Everything known so far. The one input of correlation, follow-up and synthesis."""

    question: Question
    analysis: Analysis
    setting: Setting = Setting()
    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    guidance: tuple[Guidance, ...] = ()
    pinned: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()


class TimelineEntry(Frozen):
    at: AwareDatetime
    text: str
    evidence: tuple[str, ...] = ()


class Ranking(Frozen):
    """What correlation concludes: findings, hypotheses best first, a verdict, and the timeline they stand on.

    `bar` is the confidence a hypothesis must reach for the verdict `supported`.
    """

    findings: tuple[Finding, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    verdict: Verdict = Verdict.INCONCLUSIVE
    bar: float = 0.5
    onset: AwareDatetime | None = None
    timeline: tuple[TimelineEntry, ...] = ()
    changes: tuple[Change, ...] = ()
    affected: tuple[str, ...] = Field(default=())
    summary: str = ""
