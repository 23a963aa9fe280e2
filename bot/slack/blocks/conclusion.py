"""The end of the card: what is going on, what caused it, what to do next, what was not checked."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.evidence import Gap, GapReason
from bot.domain.investigation import Investigation
from bot.domain.report import CitedFinding, Report, ReportHypothesis
from bot.domain.states import Verdict
from bot.slack.blocks.elements import context, divider, link, section
from bot.slack.blocks.limits import Block
from bot.slack.blocks.rows import Scene, evidence_labels
from bot.slack.blocks.text import CUT, clip, escape, escape_line
from bot.slack.blocks.words import GAPS, percent, source_name

SUMMARY = 900
STATEMENT = 500
FINDINGS = 4


class References:
    """Turns evidence ids into `[e3]`, live where the source has a page of its own for it."""

    def __init__(self, investigation: Investigation, scene: Scene) -> None:
        self._labels = evidence_labels(investigation)
        self._scene = scene

    def cite(self, ids: Sequence[str], *, most: int = 4) -> str:
        shown = [link(self._short(i), self._labels[i]) for i in ids if i in self._labels][:most]
        return f" [{', '.join(shown)}]" if shown else ""

    def _short(self, evidence_id: str) -> str | None:
        url = self._scene.url(evidence_id)
        return url if url and len(url) <= 400 else None


def conclusion(investigation: Investigation, scene: Scene) -> list[Block]:
    """Empty until there is a report."""
    report = investigation.report
    if report is None:
        return []
    cite = References(investigation, scene)
    blocks = [divider(), section(_going_on(report)), section(_caused(report, cite))]
    doing = _next(report)
    if doing:
        blocks.append(section(doing))
    unchecked = _not_checked(report)
    return [*blocks, section(unchecked)] if unchecked else blocks


def footer(investigation: Investigation) -> list[Block]:
    """How much of it is backed, and what it cost."""
    report = investigation.report
    if report is None:
        return []
    return [context(footer_text(report))]


def footer_text(report: Report) -> str:
    backed, cost = report.backed, report.cost
    parts = [f"{backed.backed} of {backed.statements} statements backed"] if backed.statements else []
    queries = f"{cost.queries} quer{'y' if cost.queries == 1 else 'ies'}"
    tokens = [f"{cost.tokens} tokens"] if cost.tokens else []
    parts += [queries, *tokens, f"{cost.seconds:.1f} s", f"${cost.usd:.2f}", f"by {escape_line(report.reasoner, 40)}"]
    return " · ".join(parts)


def _going_on(report: Report) -> str:
    return f"*What is going on*\n{escape(report.synthesis.summary.strip(), SUMMARY, note=CUT) or 'Nothing stands out.'}"


def _caused(report: Report, cite: References) -> str:
    synthesis = report.synthesis
    if synthesis.verdict is Verdict.NO_FAULT_FOUND:
        return "*What caused it*\n" + _no_fault(report)
    if not synthesis.hypotheses:
        return "*What caused it*\nThe cause is not settled: nothing that was checked points to one."
    leading = synthesis.hypotheses[0]
    lines = [_verdict_line(report, leading), *for_and_against(leading, cite)]
    others = synthesis.hypotheses[1:4]
    if others:
        words = [f"{escape_line(h.statement or h.component, 140)} ({percent(h.confidence)})" for h in others]
        lines.append("_also considered:_ " + " · ".join(words))
    return clip("\n".join(lines), 2_900, note=CUT)


def _verdict_line(report: Report, leading: ReportHypothesis) -> str:
    synthesis = report.synthesis
    if synthesis.verdict is Verdict.SUPPORTED:
        said = escape(synthesis.root_cause or leading.statement, STATEMENT, note=CUT)
        return f"*What caused it* · confidence {percent(synthesis.confidence)}\n{said}"
    said = escape(leading.statement, STATEMENT, note=CUT)
    return f"*What caused it*\nThe cause is not settled. The strongest lead ({percent(leading.confidence)}): {said}"


def _no_fault(report: Report) -> str:
    checked = [s for s, results in report.raw_results.items() if results]
    if not checked:
        return "No fault found, but no source answered either: this says nothing about the system."
    count = f"the {len(checked)} sources that answered" if len(checked) > 1 else "the one source that answered"
    return f"No fault found: nothing unusual in this window in {count}."


def for_and_against(hypothesis: ReportHypothesis, cite: References, *, most: int = FINDINGS) -> list[str]:
    """A line a finding; "none" is said, not left out."""
    lines = []
    for word, findings in (("for", hypothesis.supporting), ("against", hypothesis.against)):
        more = f" (and {len(findings) - most} more in the thread)" if len(findings) > most else ""
        lines.append(f"_{word}:_{more}" if findings else f"_{word}:_ none")
        lines += [f"• {_finding(f, cite)}" for f in findings[:most]]
    return lines


def _finding(finding: CitedFinding, cite: References) -> str:
    statement = escape_line(finding.statement, 200)
    return statement[:1].upper() + statement[1:] + cite.cite(finding.evidence, most=2)


def _next(report: Report) -> str:
    actions = report.synthesis.recommended_actions
    if not actions:
        return ""
    lines = [f"• {escape_line(a.text, 240, note=CUT)}" for a in actions[:4]]
    more = [f"… and {len(actions) - 4} more in the thread"] if len(actions) > 4 else []
    return "\n".join(["*What to do next*", *lines, *more])


def _not_checked(report: Report) -> str:
    if not report.gaps:
        return ""
    shown = [f"• {line}" for line in _by_source(report.gaps)]
    more = [f"… and {len(shown) - 6} more in the thread"] if len(shown) > 6 else []
    return "\n".join(["*Not checked*", *shown[:6], *more])


def _by_source(gaps: Sequence[Gap]) -> list[str]:
    """One line for each source and reason: three calls that timed out are one trouble."""
    together: dict[tuple[str, GapReason], list[Gap]] = {}
    for gap in gaps:
        together.setdefault((gap.source, gap.reason), []).append(gap)
    lines = []
    for (source, reason), same in together.items():
        others = f" (and {len(same) - 1} more like it)" if len(same) > 1 else ""
        lines.append(
            f"{escape_line(source_name(source), 60)}, {GAPS[reason]}: {escape_line(same[0].text, 160)}{others}"
        )
    return lines
