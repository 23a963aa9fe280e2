"""The most telling thing in one piece of evidence, for the line beside its source while the rest still runs."""

from __future__ import annotations

from datetime import datetime

from bot.analysis.correlate import correlate
from bot.domain.evidence import Evidence
from bot.domain.question import Analysis, CaseFile, IssueType, Question

_LEAST_WEIGHT = 0.3


def telling(evidence: Evidence, *, now: datetime) -> str | None:
    """The statement of the strongest finding in this evidence alone; None when nothing in it stands out."""
    window = evidence.call.window
    if window is None:
        return None
    case = CaseFile(
        question=Question(text="", asked_at=now),
        analysis=Analysis(issue_type=IssueType.UNKNOWN, window=window),
        evidence=(evidence,),
    )
    findings = correlate(case, now=now).findings
    return findings[0].statement if findings and findings[0].weight >= _LEAST_WEIGHT else None
