"""What the terminal shows: live progress while an investigation runs, then its report in plain text."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bot.domain.investigation import ExecutionRecord, Investigation
from bot.domain.report import Report, ReportHypothesis
from bot.domain.states import Outcome, Verdict

_MARKS = {
    Outcome.SUCCEEDED: "✔",
    Outcome.EMPTY: "✔",
    Outcome.FAILED: "⚠",
    Outcome.TIMED_OUT: "⚠",
    Outcome.REFUSED: "⚠",
    Outcome.SKIPPED: "–",
    Outcome.CANCELLED: "–",
}


def plain(text: str) -> str:
    """Text from outside without control characters: a log line must not drive the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


class LiveProgress:
    """Prints one line to standard error for every call that ended since the last look."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._state = ""

    def show(self, investigation: Investigation) -> None:
        if investigation.state.value != self._state:
            self._state = investigation.state.value
            print(f"· {self._state}", file=sys.stderr, flush=True)
        for record in investigation.executions:
            if record.outcome is not None and record.id not in self._shown:
                self._shown.add(record.id)
                print(_line(record), file=sys.stderr, flush=True)


def _line(record: ExecutionRecord) -> str:
    assert record.outcome is not None, "only calls that ended are shown"
    seconds = (record.duration_ms or 0.0) / 1000
    tool = record.call.tool.replace("_", " ")
    return (
        f"  {_MARKS[record.outcome]} {record.call.connector:<34} {tool:<24} {seconds:5.2f} s  {plain(record.headline)}"
    )


def report_lines(report: Report) -> Iterator[str]:
    """The report as lines of text."""
    synthesis = report.synthesis
    yield ""
    yield plain(report.query)
    span = report.analysis.time_range
    yield f"{span.start:%Y-%m-%d %H:%M}–{span.end:%H:%M} UTC, {report.analysis.environment}"
    yield ""
    if not report.cost.queries:
        yield from _plan_lines(report)
        return
    if synthesis.summary:
        yield f"What is going on   {plain(synthesis.summary)}"
    yield f"What caused it     {_cause(report)}"
    for action in synthesis.recommended_actions:
        yield f"What to do next    {plain(action.text)}"
    if synthesis.hypotheses:
        yield ""
        yield from _hypothesis_lines(synthesis.hypotheses[0])
        others = [f"{h.component} {h.cause} ({h.confidence:.2f})" for h in synthesis.hypotheses[1:]]
        if others:
            yield f"also considered: {plain(', '.join(others))}"
    if synthesis.timeline:
        yield ""
        yield from (f"{entry.at:%H:%M:%S}  {plain(entry.text)}" for entry in synthesis.timeline)
    if report.gaps:
        yield ""
        yield from (f"Not checked: {plain(gap.source)}: {plain(gap.text)}" for gap in report.gaps)
    yield ""
    yield _footer(report)


def _plan_lines(report: Report) -> Iterator[str]:
    """What would be asked: for a dry run, and when nothing could be asked."""
    yield "Nothing was asked. This is the plan:" if report.plan else "Nothing could be asked."
    yield from (f"  {entry.source:<34} {entry.tool.replace('_', ' ')}" for entry in report.plan)
    yield from (f"Not checked: {plain(gap.source)}: {plain(gap.text)}" for gap in report.gaps)
    yield from (plain(note) for note in report.analysis.notes)


def _cause(report: Report) -> str:
    synthesis = report.synthesis
    if synthesis.verdict is Verdict.SUPPORTED and synthesis.root_cause:
        return f"{plain(synthesis.root_cause)} Confidence {synthesis.confidence:.2f}."
    if synthesis.verdict is Verdict.NO_FAULT_FOUND:
        return "No fault found: what I looked at is as it usually is."
    return "Inconclusive: nothing that I found is strong enough to blame."


def _hypothesis_lines(hypothesis: ReportHypothesis) -> Iterator[str]:
    for finding in hypothesis.supporting:
        yield f"  for      {plain(finding.statement)}  [{', '.join(finding.evidence)}]"
    for finding in hypothesis.against:
        yield f"  against  {plain(finding.statement)}  [{', '.join(finding.evidence)}]"
    if hypothesis.would_disprove:
        yield f"  would disprove it: {plain(hypothesis.would_disprove)}"


def _footer(report: Report) -> str:
    backed, cost = report.backed, report.cost
    return (
        f"{backed.backed} of {backed.statements} statements backed · {cost.queries} queries · "
        f"{cost.seconds:.1f} s · ${cost.usd:.2f} · {report.investigation_id}"
    )
