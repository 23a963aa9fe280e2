"""The card: one root message per investigation, redrawn from its state alone."""

from __future__ import annotations

from bot.domain.access import PrincipalKind
from bot.domain.investigation import Investigation, elapsed_s
from bot.domain.states import InvestigationState, PhaseName, Verdict
from bot.slack.blocks.conclusion import conclusion, footer
from bot.slack.blocks.elements import Message, actions, button, confirm, context, elapsed, section, span
from bot.slack.blocks.limits import Block, fit
from bot.slack.blocks.plan import plan_blocks
from bot.slack.blocks.rows import RowState, Scene, source_rows
from bot.slack.blocks.text import CUT, escape, escape_line, quote, units
from bot.slack.blocks.words import state_words

QUESTION_ON_CARD = 700
_S = InvestigationState
ACTIVE = (_S.CREATED, _S.QUEUED, _S.INITIALIZING, _S.RUNNING, _S.COMPLETING, _S.RETRYING)


def card(investigation: Investigation, scene: Scene) -> Message:
    """The whole card. The same state always gives the same card; time runs to the last event, not to now."""
    top = [section(_title(investigation)), context(_who(investigation, scene)), section(_standing(investigation))]
    notices = _notices(investigation, scene)
    sources = plan_blocks(investigation, scene)
    ending = conclusion(investigation, scene)
    tail = [*footer(investigation), *buttons(investigation, scene)]
    blocks = [*top, *notices, *sources, *ending, *tail]
    return Message(text=card_text(investigation), blocks=fit(blocks, tail=len(tail)))


def card_text(investigation: Investigation) -> str:
    """The card in a sentence or three, for notifications and screen readers."""
    question = escape_line(investigation.question.text, 300)
    parts = [f"Investigation: {question}", state_words(investigation)]
    if investigation.report:
        parts.append(escape_line(headline_of(investigation), 600))
    elif rows := source_rows(investigation):
        done = sum(1 for r in rows if r.state in (RowState.DONE, RowState.FAILED, RowState.SKIPPED))
        parts.append(f"{done} of {len(rows)} sources finished")
    return " ".join(p if p.endswith((".", "?", "!", "…", ")")) else p + "." for p in parts)


def headline_of(investigation: Investigation) -> str:
    """The verdict in one sentence (foreign text, not escaped)."""
    if not investigation.report:
        return ""
    synthesis = investigation.report.synthesis
    if synthesis.verdict is Verdict.SUPPORTED:
        return f"Most likely cause: {synthesis.root_cause or synthesis.summary}"
    if synthesis.verdict is Verdict.NO_FAULT_FOUND:
        return f"No fault found. {synthesis.summary}"
    return f"The cause is not settled. {synthesis.summary}"


def question_was_cut(investigation: Investigation) -> bool:
    """Whether the card shows only the beginning of the question, so that the thread must hold all of it."""
    text = investigation.question.text.strip()
    return text.count("\n") >= 39 or units(escape(text)) > QUESTION_ON_CARD


def _title(investigation: Investigation) -> str:
    text = investigation.question.text
    return "🔎 *Investigation*\n" + quote(text, QUESTION_ON_CARD, note=CUT)


def _who(investigation: Investigation, scene: Scene) -> str:
    requester = investigation.requester
    name = scene.names.get(requester.id) or requester.name or requester.id
    if requester.kind is not PrincipalKind.PERSON:
        name = f"{requester.kind.value.replace('_', ' ')} {name}"
    environment = investigation.analysis.environment if investigation.analysis else investigation.question.environment
    parts = [f"asked by {escape_line(name, 80)}"]
    if environment:
        parts.append(escape_line(environment, 60))
    if investigation.squad:
        parts.append(f"{escape_line(investigation.squad, 60)} squad")
    if investigation.question.dry_run:
        parts.append("dry run: nothing is asked")
    return " · ".join([*parts, f"`{investigation.id}`"])


def _standing(investigation: Investigation) -> str:
    analysis = investigation.analysis
    parts = [f"*{state_words(investigation)}*", elapsed(elapsed_s(investigation, investigation.updated_at))]
    window = analysis.window if analysis else investigation.question.window
    if window:
        parts.append(f"window {span(window)}")
    services = analysis.services if analysis else investigation.question.services
    if services:
        shown = ", ".join(escape_line(s, 60) for s in services[:6])
        parts.append(shown + (f" and {len(services) - 6} more" if len(services) > 6 else ""))
    return " · ".join(parts)


def _notices(investigation: Investigation, scene: Scene) -> list[Block]:
    notes: list[str] = []
    requests = investigation.requests
    for asked, words in ((requests.pause, "Pause"), (requests.resume, "Resume"), (requests.cancel, "Cancel")):
        if asked and not investigation.state.is_settled:
            notes.append(
                f"{words} asked by {escape_line(scene.name(asked), 80)}; it takes effect at the next safe point."
            )
    if investigation.state in (_S.FAILED, _S.CANCELLED) and investigation.reason:
        notes.append(f"Reason: {escape_line(investigation.reason, 300)}")
    if investigation.state is _S.FAILED:
        notes.append("Everything gathered so far is kept. Retry goes on from there.")
    notes += [
        f"Note: {escape_line(n, 300)}" for n in (investigation.analysis.notes[:4] if investigation.analysis else ())
    ]
    return [context("\n".join(notes))] if notes else []


def buttons(investigation: Investigation, scene: Scene) -> list[Block]:
    """The buttons that fit the state, and no other."""
    key, state = investigation.id, investigation.state
    cancel = button("Cancel", "inv_cancel", key, style="danger", confirm=_sure())
    if state is _S.PAUSED:
        return actions("inv_moves", button("Resume", "inv_resume", key, style="primary"), cancel)
    if state in ACTIVE:
        pause = [button("Pause", "inv_pause", key)] if _can_pause(investigation) else []
        return actions("inv_moves", *pause, *([] if state is _S.COMPLETING else [cancel]))
    if state is _S.FAILED:
        return actions("inv_moves", button("Retry", "inv_retry", key, style="primary"), cancel)
    if state is _S.CANCELLED:
        return actions("inv_moves", button("Run again", "inv_rerun", key))
    return [*_after_report(investigation, scene), *_feedback(key, scene)]


def _can_pause(investigation: Investigation) -> bool:
    late = investigation.current_phase in (PhaseName.SYNTHESIZE, PhaseName.PROPOSE)
    return investigation.state is _S.RUNNING and not investigation.requests.pause and not late


def _sure() -> Block:
    return confirm("Cancel it?", "Running queries are stopped. What was found so far is kept.", "Cancel it")


def _after_report(investigation: Investigation, scene: Scene) -> list[Block]:
    key, report = investigation.id, investigation.report
    made: list[Block] = []
    if report and report.synthesis.verdict is Verdict.SUPPORTED:
        made += [button("Confirm cause", "inv_confirm_cause", key, style="primary")]
    if report and report.synthesis.hypotheses:
        made += [button("Wrong cause…", "inv_wrong_cause", key)]
    if scene.evals and _confirmed(investigation):
        made += [button("Save as eval", "inv_save_eval", key)]
    if scene.tickets and report:
        made += [button("Create ticket", "inv_ticket", key)]
    made += [button("Run again…", "inv_rerun", key)]
    if report:
        made += [button("Report", "inv_report", key)]
    return actions("inv_after", *made)


def _confirmed(investigation: Investigation) -> bool:
    """Whether the last word of people about the cause was yes."""
    said = [entry.get("value") for entry in investigation.feedback]
    return next((v for v in reversed(said) if v in ("confirm_cause", "wrong_cause")), None) == "confirm_cause"


def _feedback(key: str, scene: Scene) -> list[Block]:
    if "context_actions" in scene.refused:
        yes, no = button("👍 Helpful", "inv_helpful", key), button("👎 Not helpful", "inv_not_helpful", key)
        return actions("inv_feedback", yes, no)
    element = {
        "type": "feedback_buttons",
        "action_id": "inv_feedback",
        "positive_button": {"text": _words("Helpful"), "value": f"helpful:{key}"},
        "negative_button": {"text": _words("Not helpful"), "value": f"not_helpful:{key}"},
    }
    return [{"type": "context_actions", "block_id": "inv_feedback", "elements": [element]}]


def _words(text: str) -> Block:
    return {"type": "plain_text", "text": text}
