"""Whether a symptom went: the finding's own query asked again, and the same number looked at. Pure but for the call."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from bot.analysis import correlate
from bot.domain.evidence import Evidence, Finding, Hypothesis
from bot.domain.question import Analysis, CaseFile, IssueType, Question, Ranking
from bot.domain.remediation import Proposal, SymptomCheck
from connectors.model import Frozen, Series, SeriesSet, TimeWindow, ToolCall
from runbooks.model import Verification

_MOST_CHECKS = 3
_LABELS = ("caller", "callee", "pod", "node", "operation")
# The last points decide; one alone may be a fluke, and older ones still hold the trouble inside their rate window.
_LAST_POINTS = 2
_LEAST_WINDOW = timedelta(minutes=1)


class Reading(Frozen):
    """What one check saw. `gone` None: nothing that could be judged yet."""

    statement: str
    gone: bool | None
    text: str


def checks_for(
    verify: Verification, hypothesis: Hypothesis, ranking: Ranking, evidence: Sequence[Evidence]
) -> tuple[SymptomCheck, ...]:
    """The findings worth asking again: those the runbook names, strongest first, symptoms of users before others."""
    by_id = {one.id: one for one in evidence}
    supporting = {f.id for f in hypothesis.supporting}
    wanted = [f for f in ranking.findings if f.kind in verify.findings and f.evidence[0] in by_id]
    wanted.sort(key=lambda f: (not _is_measured(f), f.id not in supporting, -f.weight))
    made: dict[tuple[str, str, str], SymptomCheck] = {}
    for finding in wanted:
        check = _check(finding, by_id[finding.evidence[0]].call)
        if check.before is None and made:
            continue  # a number says more than a state
        made.setdefault((check.kind, check.service, check.metric), check)
    return tuple(made.values())[:_MOST_CHECKS]


def _is_measured(finding: Finding) -> bool:
    return _number(finding.data.get("before")) is not None and _number(finding.data.get("after")) is not None


def _check(finding: Finding, call: ToolCall) -> SymptomCheck:
    data = finding.data
    return SymptomCheck(
        kind=finding.kind.value,
        statement=finding.statement,
        call=call.model_copy(update={"window": None}),
        service=str(data.get("service") or finding.component.partition("/")[2]),
        metric=str(data.get("metric") or ""),
        labels={key: str(data[key]) for key in _LABELS if data.get(key)},
        before=_number(data.get("before")),
        after=_number(data.get("after")),
    )


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def window_since(proposal: Proposal, now: datetime) -> TimeWindow:
    """From the end of the change to now, a minute at the least."""
    since = proposal.finished_at or proposal.started_at or now
    return TimeWindow(start=min(since, now - _LEAST_WINDOW), end=now)


def judge(check: SymptomCheck, evidence: Evidence, *, since: datetime, now: datetime) -> Reading:
    """What the new answer says about the old symptom. Points from before the change count for nothing."""
    if check.before is None or check.after is None or not isinstance(evidence.payload, SeriesSet):
        return _judge_by_findings(check, evidence, now)
    values = [v for one in _series(check, evidence.payload) for v in _last(one, since)]
    if not values:
        return Reading(statement=check.statement, gone=None, text="no value since the change yet")
    level = statistics.median(values)
    gone = _is_back(level, before=check.before, after=check.after)
    caller, callee = check.labels.get("caller"), check.labels.get("callee")
    subject = f"calls from {caller} to {callee}" if caller and callee else check.service
    words = f"{check.metric.replace('_', ' ')} of {subject} is {level:.3g}"
    return Reading(
        statement=check.statement,
        gone=gone,
        text=f"{words} (was {check.after:.3g} in the incident, {check.before:.3g} before)",
    )


def _is_back(level: float, *, before: float, after: float) -> bool:
    """Nearer to how it was than to the trouble; by ratio where both are positive."""
    middle = math.sqrt(before * after) if before > 0 and after > 0 else (before + after) / 2
    return level <= middle if after > before else level >= middle


def _series(check: SymptomCheck, payload: SeriesSet) -> Iterator[Series]:
    for one in payload.series:
        same_service = not check.service or check.service in (one.service, one.labels.get("callee"))
        if one.metric == check.metric and same_service and _fits(check.labels, one.labels):
            yield one


def _fits(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _last(one: Series, since: datetime) -> list[float]:
    points = [value for at, value in one.points if at >= since and value is not None]
    return points[-_LAST_POINTS:]


def _judge_by_findings(check: SymptomCheck, evidence: Evidence, now: datetime) -> Reading:
    """For states rather than numbers: would the same finding be made of the new answer?"""
    window = evidence.source.window or TimeWindow(start=now - _LEAST_WINDOW, end=now)
    case = CaseFile(
        question=Question(text="is it gone?", asked_at=now, window=window),
        analysis=Analysis(issue_type=IssueType.UNKNOWN, window=window),
        evidence=(evidence,),
    )
    findings = correlate(case, now=now).findings
    same = [f for f in findings if f.kind.value == check.kind and check.service in (f.component.partition("/")[2], "")]
    if same:
        return Reading(statement=check.statement, gone=False, text=same[0].statement)
    return Reading(statement=check.statement, gone=True, text=f"{check.kind.replace('_', ' ')} is not seen any more")
