"""A proposal in the thread: what would change, who may say yes, and what became of it."""

from __future__ import annotations

import json

from bot.domain.events import EventKind
from bot.domain.remediation import Proposal, ProposalState, Step
from bot.domain.states import Risk
from bot.slack.blocks.elements import (
    Message,
    actions,
    button,
    clock_time,
    confirm,
    context,
    plain,
    preformatted,
    section,
)
from bot.slack.blocks.limits import PRIVATE_METADATA, VIEW_BLOCKS, VIEW_TITLE, Block
from bot.slack.blocks.rows import Scene
from bot.slack.blocks.text import clip, escape, escape_line, one_line, visible

APPROVE, REJECT, DETAILS = "prop_approve", "prop_reject", "prop_details"
APPROVE_FORM, REJECT_FORM = "prop_approve_form", "prop_reject_form"
_S = ProposalState
_DIFF_IN_THREAD = 1_200
_THREAD_COLUMN = 46
_DIFF_PIECE, _DIFF_PIECES = 2_800, 10
_TITLES: dict[ProposalState, str] = {
    _S.PROPOSED: "⚙️ Proposal",
    _S.APPROVED: "⚙️ Approved",
    _S.REJECTED: "🚫 Rejected",
    _S.EXPIRED: "⌛ Expired",
    _S.SUPERSEDED: "♻️ Out of date",
    _S.EXECUTING: "⏳ Being carried out",
    _S.VERIFYING: "🔎 Carried out, being checked",
    _S.SUCCEEDED: "✅ Done and checked",
    _S.FAILED: "❌ Did not help",
    _S.UNKNOWN: "❔ Outcome not known yet",
    _S.ROLLED_BACK: "↩️ Undone",
}
_STEPS: dict[EventKind, str] = {
    EventKind.PROPOSAL_APPROVED: "approved by {who}",
    EventKind.PROPOSAL_REJECTED: "rejected by {who}",
    EventKind.PROPOSAL_EXPIRED: "expired",
    EventKind.PROPOSAL_SUPERSEDED: "not carried out",
    EventKind.EXECUTION_STARTED: "started",
    EventKind.EXECUTION_FINISHED: "carried out",
    EventKind.OUTCOME_UNKNOWN: "the outcome is not known",
    EventKind.TARGET_READ: "the target was read",
    EventKind.VERIFICATION_FINISHED: "checked",
    EventKind.UNDO_PROPOSED: "the way back is proposed below",
}


def asks_again(proposal: Proposal) -> bool:
    """A change of high risk is approved in a form that shows it once more."""
    return proposal.risk in (Risk.HIGH, Risk.CRITICAL)


def button_value(proposal: Proposal) -> str:
    return f"{proposal.id}.{proposal.token}"


def proposal_message(proposal: Proposal, scene: Scene) -> Message:
    """The message in the thread; edited as things happen, its buttons gone once it is decided."""
    title = escape_line(proposal.title, 300)
    head = f"*{_headline(proposal)}: {title}*"
    why = f"\n{escape(proposal.why, 600)}" if proposal.why else ""
    blocks = [
        section(head + why),
        context(*_facts(proposal, scene)),
        preformatted(folded(proposal.diff), _DIFF_IN_THREAD),
    ]
    if proposal.warnings and proposal.state is _S.PROPOSED:
        blocks.append(context("⚠️ " + " ".join(escape_line(w, 300) for w in proposal.warnings[:5])))
    told = story_lines(proposal, scene)
    if told:
        blocks.append(section("\n".join(told)))
    return Message(text=f"{_headline(proposal)}: {title}", blocks=[*blocks, *_buttons(proposal)])


def folded(diff: str) -> str:
    """The dry run with each long change on lines of its own (field, before, after): a thread is a narrow column."""
    return "\n".join(_folded_line(line) for line in diff.split("\n"))


def _folded_line(line: str) -> str:
    field, colon, values = line.partition(": ")
    before, arrow, after = values.partition(" → ")
    if len(line) <= _THREAD_COLUMN or not colon or not arrow:
        return line
    return f"{field}:\n  {before}\n  → {after}"


def _headline(proposal: Proposal) -> str:
    if proposal.state is _S.FAILED and proposal.started_at is None:
        return "❌ Failed"
    return _TITLES[proposal.state]


def _facts(proposal: Proposal, scene: Scene) -> list[str]:
    facts = [f"risk: *{proposal.risk.value}*", f"target: `{escape_line(proposal.target.name, 150)}`"]
    if proposal.state is _S.PROPOSED:
        name = proposal.requester.name or scene.name(proposal.requester.actor)
        asker = f", not {escape_line(name, 60)}" if _needs_other(proposal) else ""
        facts.append(f"may approve: {escape_line(proposal.may_approve, 150)}{asker}")
        facts.append(f"expires {clock_time(proposal.expires_at)} UTC")
    if proposal.runbook:
        facts.append(f"runbook `{escape_line(proposal.runbook.id, 80)}`")
    return [" · ".join(facts), *_checks(proposal)]


def _needs_other(proposal: Proposal) -> bool:
    return proposal.risk is not Risk.LOW


def _checks(proposal: Proposal) -> list[str]:
    """What will be looked at afterwards."""
    if not proposal.checks or proposal.state is not _S.PROPOSED:
        return []
    shown = "; ".join(escape_line(check.statement, 160) for check in proposal.checks[:2])
    return [f"checked afterwards by the same queries, for {proposal.settle_s / 60:.0f} min at the most: {shown}"]


def story_lines(proposal: Proposal, scene: Scene) -> list[str]:
    """What happened, one line each, with names and times."""
    return [_line(step, proposal, scene) for step in proposal.story if step.kind in _STEPS][-8:]


def _line(step: Step, proposal: Proposal, scene: Scene) -> str:
    words = _STEPS[step.kind].format(who=escape_line(_who(step, proposal, scene), 80))
    said = f": {escape_line(step.text, 500)}" if step.text else ""
    return f"`{step.at:%H:%M:%S}` {words}{said}"


def _who(step: Step, proposal: Proposal, scene: Scene) -> str:
    subject = step.actor.partition(":")[2]
    kept = next((a.name for a in proposal.approvals if a.principal_id in (subject, step.actor) and a.name), "")
    return kept or scene.name(step.actor)


def _buttons(proposal: Proposal) -> list[Block]:
    value = button_value(proposal)
    details = button("Show details", DETAILS, proposal.id)
    if proposal.state is not _S.PROPOSED:
        return actions(f"prop/{proposal.id}", details)
    sure = None if asks_again(proposal) else confirm("Approve it?", _plain_question(proposal), "Approve", "Back")
    dots = "…" if asks_again(proposal) else ""
    approve = button(f"Approve{dots}", APPROVE, value, style="primary", confirm=sure)
    return actions(f"prop/{proposal.id}", approve, button("Reject…", REJECT, value, style="danger"), details)


def _plain_question(proposal: Proposal) -> str:
    return clip(f"{one_line(proposal.title)}. It is carried out at once and checked afterwards.", 290)


def decision_message(proposal: Proposal, scene: Scene) -> Message | None:
    """One line of its own when it is decided, so that the thread tells it in order."""
    if proposal.rejected_by:
        reason = f": {escape_line(proposal.reason, 400)}" if proposal.reason else ""
        who = escape_line(scene.name(proposal.rejected_by), 80)
        return _note(f"🚫 {who} rejected “{escape_line(proposal.title, 200)}”{reason}")
    if proposal.approvals and proposal.state is not _S.PROPOSED:
        names = " and ".join(
            escape_line(a.name or scene.name(f"person:{a.principal_id}"), 80) for a in proposal.approvals
        )
        return _note(f"👍 {names} approved “{escape_line(proposal.title, 200)}”")
    return None


def outcome_message(proposal: Proposal, scene: Scene) -> Message | None:
    """What came of it, once that is known; this one notifies."""
    words = {
        _S.SUCCEEDED: "✅ It worked",
        _S.FAILED: "❌ It did not help" if proposal.finished_at else "❌ It failed",
        _S.ROLLED_BACK: "↩️ It was undone",
        _S.SUPERSEDED: "♻️ It was not carried out",
    }.get(proposal.state)
    if words is None or not (proposal.approvals or proposal.started_at):
        return None
    said = proposal.outcome_text or proposal.reason
    lines = [f"{words}: {escape_line(proposal.title, 200)}", escape(said, 1_500)]
    if proposal.state is _S.SUCCEEDED and proposal.recovery_s is not None and proposal.checks:
        waited = f"Approved {proposal.waited_s:.0f} s after it was proposed. " if proposal.waited_s is not None else ""
        recovered = f"Recovered {proposal.recovery_s:.0f} s after the start, checked by the queries that raised it."
        lines.append(waited + recovered)
    if proposal.undone_by and proposal.state is _S.FAILED:
        lines.append("The way back is proposed below.")
    return _note("\n".join(line for line in lines if line))


def _note(text: str) -> Message:
    return Message(text=clip(text, 2_900), blocks=[section(text)])


# -- forms -------------------------------------------------------------------------------------------------------------


def details_modal(proposal: Proposal, scene: Scene) -> Block:
    """Everything about it."""
    return _modal("Proposal", _whole(proposal, scene))


def approve_form(proposal: Proposal, scene: Scene, channel: str) -> Block:
    """The change once more, before a yes of high risk counts."""
    return _form("Approve a change", _whole(proposal, scene), (APPROVE_FORM, "Approve"), _kept(proposal, channel))


def reject_form(proposal: Proposal, channel: str) -> Block:
    """Asks why; the answer is kept and helps the next ones."""
    element: Block = {"type": "plain_text_input", "action_id": "why", "multiline": True, "max_length": 1_000}
    element["placeholder"] = plain("It would not help, it is too dangerous now, …", 150)
    field: Block = {"type": "input", "block_id": "why", "label": plain("Why not?", 100), "element": element}
    field["optional"] = True
    about = section(f"*{escape_line(proposal.title, 300)}*")
    return _form("Reject a change", [about, field], (REJECT_FORM, "Reject"), _kept(proposal, channel))


def refused_modal(said: str) -> Block:
    """In place of a form whose answer did not count."""
    return _modal("Not approved", [section(said)])


def _whole(proposal: Proposal, scene: Scene) -> list[Block]:
    blocks = [section(f"*{escape_line(proposal.title, 300)}*\n{escape(proposal.why, 1_500)}")]
    blocks.append(context(*_facts(proposal, scene)))
    diff = visible(folded(proposal.diff))
    pieces = [diff[at : at + _DIFF_PIECE] for at in range(0, max(1, len(diff)), _DIFF_PIECE)]
    blocks += [preformatted(piece) for piece in pieces[:_DIFF_PIECES]]
    if len(pieces) > _DIFF_PIECES:
        blocks.append(context("… (cut; the API has the whole dry run)"))
    blocks += [context("⚠️ " + escape_line(w, 300)) for w in proposal.warnings[:5]]
    call = json.dumps(proposal.call.arguments, ensure_ascii=False, sort_keys=True)
    name = f"{proposal.call.connector} {proposal.call.tool}"
    blocks.append(context(f"call: `{escape_line(name, 120)}`", escape_line(call, 900)))
    way_back = escape_line(proposal.undo_title, 200) or "none prepared"
    blocks.append(context(f"way back: {way_back}", f"`{proposal.id}` · digest `{proposal.digest[:16]}`"))
    told = story_lines(proposal, scene)
    return [*blocks, section("\n".join(told))] if told else blocks


def _kept(proposal: Proposal, channel: str) -> str:
    return json.dumps({"id": button_value(proposal), "channel": channel})[:PRIVATE_METADATA]


def _modal(title: str, blocks: list[Block]) -> Block:
    view: Block = {"type": "modal", "title": plain(title, VIEW_TITLE), "close": plain("Close", VIEW_TITLE)}
    return view | {"blocks": blocks[:VIEW_BLOCKS]}


def _form(title: str, blocks: list[Block], sends: tuple[str, str], kept: str) -> Block:
    """`sends`: the callback and the word on the button."""
    view = _modal(title, blocks) | {"close": plain("Back", VIEW_TITLE), "private_metadata": kept}
    return view | {"callback_id": sends[0], "submit": plain(sends[1], VIEW_TITLE)}
