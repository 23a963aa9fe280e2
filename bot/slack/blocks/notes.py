"""Small thread messages: what people decided, the whole question when the card cuts it, the plan of a dry run."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.investigation import Investigation, Transition
from bot.domain.states import InvestigationState
from bot.slack.blocks.elements import Message, context, header, sections
from bot.slack.blocks.limits import pages
from bot.slack.blocks.rows import Scene
from bot.slack.blocks.text import escape, escape_line
from bot.slack.blocks.words import source_name
from connectors.model import canonical_json

_S = InvestigationState
_WORDS = {_S.PAUSED: "⏸ Paused", _S.CANCELLED: "⏹ Cancelled", _S.RETRYING: "↻ Retry"}


@dataclass(frozen=True)
class Note:
    """A message with the slot it belongs to."""

    slot: str
    message: Message


def decision_notes(investigation: Investigation, scene: Scene) -> list[Note]:
    """Who paused, resumed, cancelled, retried, and what people added, each once."""
    notes = []
    for number, step in enumerate(investigation.transitions, start=1):
        said = _decision(step, scene)
        if said:
            notes.append(Note(f"note/move-{number}", Message(said, [context(said)])))
    for number, guidance in enumerate(investigation.guidance, start=1):
        said = f"🖊 Noted from {escape_line(scene.name(guidance.by), 80)}: {escape_line(guidance.text, 600)}"
        notes.append(Note(f"note/guidance-{number}", Message(said, [context(said)])))
    return notes


def _decision(step: Transition, scene: Scene) -> str:
    words = _WORDS.get(step.target)
    if step.origin is _S.PAUSED and step.target is _S.RUNNING:
        words = "▶ Resumed"
    if not words:
        return ""
    who = escape_line(scene.name(step.actor), 80)
    reason = f": {escape_line(step.reason, 300)}" if step.reason else ""
    return f"{words} by {who} at {step.at:%H:%M} UTC{reason}"


def question_messages(investigation: Investigation) -> list[Message]:
    """The question in full, for when the card shows only its beginning."""
    blocks = [header("The question in full"), *sections(escape(investigation.question.text))]
    return [Message("The question in full", page) for page in pages(blocks)]


def plan_message(investigation: Investigation) -> Message | None:
    """What is being asked, before it answers; None while there is no plan."""
    plan, analysis = investigation.plan, investigation.analysis
    if plan is None or analysis is None:
        return None
    asked: dict[str, int] = {}
    for planned in plan.calls:
        asked[planned.call.connector] = asked.get(planned.call.connector, 0) + 1
    names = [f"{escape_line(source_name(name), 60)} ({count})" for name, count in sorted(asked.items())]
    window = f"{analysis.window.start:%H:%M}–{analysis.window.end:%H:%M} UTC"
    said = f"Asking {_counted(len(plan.calls), 'question')} of {_counted(len(names), 'source')} about {window}: "
    said += ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    if not names:
        said = f"Nothing can be asked about {window}."
    lines = [said, *(escape_line(note, 300) for note in analysis.notes[:5])]
    return Message(said, [context(line) for line in lines])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def dry_run_messages(investigation: Investigation) -> list[Message]:
    """What would have been asked."""
    plan = investigation.plan
    if plan is None:
        return []
    lines = [f"{len(plan.calls)} queries are planned. This was a dry run: nothing was asked."]
    for planned in plan.calls:
        arguments = escape_line(canonical_json(planned.call.arguments), 500)
        why = f" ({escape_line(planned.why, 200)})" if planned.why else ""
        tool = escape_line(planned.call.tool, 60)
        lines.append(f"• *{escape_line(source_name(planned.call.connector), 80)}* `{tool}`{why}\n   {arguments}")
    found = pages(sections("\n".join(lines)))
    return [Message("The plan of this dry run", page) for page in found]
