"""The whole report for the thread, in as many pages as it needs; nothing is cut."""

from __future__ import annotations

from bot.domain.access import PrincipalKind
from bot.domain.investigation import Investigation
from bot.domain.report import Report, ReportHypothesis
from bot.domain.states import Verdict
from bot.slack.blocks.card import headline_of
from bot.slack.blocks.conclusion import References, footer_text
from bot.slack.blocks.elements import Message, context, header, sections, span
from bot.slack.blocks.limits import Block, pages
from bot.slack.blocks.rows import Scene, evidence_labels
from bot.slack.blocks.text import escape, escape_line
from bot.slack.blocks.words import GAPS, OUTCOMES, percent, source_name
from connectors.model import TimeWindow

MANY = 1_000


def report_messages(investigation: Investigation, scene: Scene) -> list[Message]:
    """Page after page; the first one speaks to the requester, once, and no other text holds a mention."""
    report = investigation.report
    if report is None:
        return []
    found = pages(report_blocks(investigation, scene))
    said = escape_line(headline_of(investigation), 1_500)
    made = []
    for number, blocks in enumerate(found, start=1):
        page = f" (page {number} of {len(found)})" if len(found) > 1 else ""
        first = number == 1
        opening = sections(_opening(investigation, said)) if first else [context(f"Report{page}")]
        end = [context(f"Goes on below{page}")] if number < len(found) else []
        made.append(Message(text=f"Report{page}: {said}", blocks=[*opening, *blocks, *end]))
    return made


def _opening(investigation: Investigation, said: str) -> str:
    requester = investigation.requester
    on_slack = requester.kind is PrincipalKind.PERSON and investigation.origin.get("face") == "slack"
    known = requester.id.isalnum() and requester.id[:1] in "UW"
    return f"<@{requester.id}> {said}" if on_slack and known else said


def report_blocks(investigation: Investigation, scene: Scene) -> list[Block]:
    report = investigation.report
    if report is None:
        return []
    cite = References(investigation, scene)
    parts = [
        ("What is going on", escape(report.synthesis.summary)),
        ("What caused it", _causes(report, cite)),
        ("What to do next", _actions(report)),
        ("Timeline", _timeline(report, cite)),
        ("Affected", ", ".join(f"`{escape_line(c, 100)}`" for c in report.synthesis.affected_components)),
        ("Related", _related(report)),
        ("Not checked", _gaps(report)),
        ("Every query", _queries(investigation, report)),
    ]
    blocks: list[Block] = []
    for title, text in parts:
        if text.strip():
            blocks += [header(title), *sections(text)]
    return [*blocks, context(_window(report), footer_text(report))]


def _window(report: Report) -> str:
    span_of = report.analysis.time_range
    window = TimeWindow(start=span_of.start, end=span_of.end) if span_of.end > span_of.start else None
    return f"window {span(window)} · {escape_line(report.analysis.environment, 60)} · `{report.investigation_id}`"


def _causes(report: Report, cite: References) -> str:
    verdicts = {
        Verdict.SUPPORTED: f"Supported, confidence {percent(report.synthesis.confidence)}.",
        Verdict.INCONCLUSIVE: "Not settled: no cause clears the bar.",
        Verdict.NO_FAULT_FOUND: "No fault found: what was checked looks normal in this window.",
    }
    lines = [verdicts[report.synthesis.verdict]]
    for number, hypothesis in enumerate(report.synthesis.hypotheses, start=1):
        lines += _hypothesis(number, hypothesis, cite)
    return "\n".join(lines)


def _hypothesis(number: int, hypothesis: ReportHypothesis, cite: References) -> list[str]:
    component = escape_line(hypothesis.component, 120)
    lines = [f"*{number}. {escape(hypothesis.statement)}* ({percent(hypothesis.confidence)})"]
    lines.append(f"`{component}` · {escape_line(hypothesis.cause, 80).replace('_', ' ')}")
    for word, findings in (("for", hypothesis.supporting), ("against", hypothesis.against)):
        lines.append(f"_{word}:_" + ("" if findings else " none"))
        lines += [f"• {escape(f.statement)}{cite.cite(f.evidence, most=8)}" for f in findings]
    if hypothesis.would_disprove:
        lines.append(f"_would disprove it:_ {escape(hypothesis.would_disprove)}")
    return lines


def _actions(report: Report) -> str:
    lines = []
    for action in report.synthesis.recommended_actions:
        book = f" (runbook `{escape_line(action.runbook, 80)}`)" if action.runbook else ""
        lines.append(f"• {escape(action.text)}{book}")
    return "\n".join(lines)


def _timeline(report: Report, cite: References) -> str:
    return "\n".join(
        f"`{e.at:%H:%M:%S}` {escape(e.text)}{cite.cite(e.evidence)}" for e in report.synthesis.timeline[:MANY]
    )


def _related(report: Report) -> str:
    return "\n".join(
        f"• `{escape_line(r.investigation_id, 60)}` {escape(r.text)}" for r in report.synthesis.related_issues
    )


def _gaps(report: Report) -> str:
    return "\n".join(
        f"• {escape_line(source_name(g.source), 80)}: {GAPS[g.reason]}. {escape(g.text)}" for g in report.gaps
    )


def _queries(investigation: Investigation, report: Report) -> str:
    labels = evidence_labels(investigation)
    lines = []
    for source, results in report.raw_results.items():
        for result in results:
            label = f"[{labels[result.evidence_id]}] " if result.evidence_id in labels else ""
            said = escape_line(result.headline or OUTCOMES[result.outcome], 400)
            lines.append(f"• {label}{escape_line(source_name(source), 80)} `{escape_line(result.tool, 60)}`: {said}")
    return "\n".join(lines)
