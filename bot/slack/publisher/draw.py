"""Which messages an investigation should have in Slack right now: slots with a digest, drawn only when they differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from bot.domain.evidence import Evidence
from bot.domain.investigation import Investigation
from bot.domain.remediation import ProposalState
from bot.slack.blocks.card import card, question_was_cut
from bot.slack.blocks.elements import Message, context
from bot.slack.blocks.notes import decision_notes, dry_run_messages, plan_message, question_messages
from bot.slack.blocks.proposal import decision_message, outcome_message, proposal_message
from bot.slack.blocks.report import report_messages
from bot.slack.blocks.rows import RowState, Scene, SourceRow, onset_of, source_rows
from bot.slack.blocks.sources import source_message
from bot.slack.publisher.limiter import Priority
from connectors.model import EvidenceKind, canonical_digest

CARD = "card"
DRAFT = "draft"
SUPERSEDED = "A draft stood here while the report was being worded. What was checked is in the report and on the card."
REPLACED = "This page belonged to an earlier report; the newer one is shorter."


class LoadsEvidence(Protocol):
    """Where evidence comes from when a message is drawn."""

    async def __call__(self, ids: Sequence[str]) -> list[Evidence]: ...


@dataclass(frozen=True)
class Slot:
    """One message. `digest` tells whether what is posted still says the same; `draw` makes it."""

    name: str
    priority: Priority
    digest: str
    draw: Callable[[], Awaitable[Message]]


def slots(investigation: Investigation, scene: Scene, *, posted: Collection[str], load: LoadsEvidence) -> list[Slot]:
    """The card first, then the thread in the order it should be read."""
    found = [card_slot(investigation, scene)]
    if question_was_cut(investigation):
        found += _fixed("question", question_messages(investigation), Priority.EVIDENCE)
    if investigation.question.dry_run:
        found += _fixed("plan", dry_run_messages(investigation), Priority.REPORT)
    else:
        plan = plan_message(investigation)
        found += [_ready("plan/1", plan, Priority.REPORT)] if plan else []
    found += [_ready(n.slot, n.message, Priority.EVIDENCE) for n in decision_notes(investigation, scene)]
    found += [_source(investigation, row, scene, load) for row in source_rows(investigation) if _is_told(row)]
    report = _fixed("report", report_messages(investigation, scene), Priority.REPORT)
    names = {s.name for s in report}
    spare = [p for p in posted if p.startswith("report/") and p not in names] if report else []
    report += [_ready(name, Message(REPLACED, [context(REPLACED)]), Priority.PROGRESS) for name in sorted(spare)]
    if DRAFT in posted and is_over(investigation):
        report.append(_ready(DRAFT, Message(SUPERSEDED, [context(SUPERSEDED)]), Priority.REPORT))
    return [*found, *report, *proposal_slots(scene)]


def proposal_slots(scene: Scene) -> list[Slot]:
    """Each proposal of the investigation, then what was decided and what came of it."""
    found = []
    for proposal in scene.proposals:
        name = f"proposal/{proposal.id}"
        fresh = proposal.state is ProposalState.PROPOSED
        # A new one comes after the report; what answers a click goes before everything.
        found.append(_ready(name, proposal_message(proposal, scene), Priority.REPORT if fresh else Priority.CLICK))
        notes = (("decision", decision_message(proposal, scene)), ("outcome", outcome_message(proposal, scene)))
        found += [_ready(f"{name}/{part}", note, Priority.REPORT) for part, note in notes if note]
    return found


def card_slot(investigation: Investigation, scene: Scene) -> Slot:
    priority = Priority.REPORT if is_over(investigation) else Priority.PROGRESS
    return _ready(CARD, card(investigation, scene), priority)


def is_over(investigation: Investigation) -> bool:
    """Whether it has its report, or will not get one."""
    return investigation.state.is_settled or investigation.report is not None


def _is_told(row: SourceRow) -> bool:
    return bool(row.records) and row.state in (RowState.DONE, RowState.FAILED, RowState.SKIPPED)


def _fixed(prefix: str, messages: Sequence[Message], priority: Priority) -> list[Slot]:
    return [_ready(f"{prefix}/{number}", message, priority) for number, message in enumerate(messages, start=1)]


def _ready(name: str, message: Message, priority: Priority) -> Slot:
    async def draw() -> Message:
        return message

    return Slot(name, priority, canonical_digest(asdict(message))[:32], draw)


def _source(investigation: Investigation, row: SourceRow, scene: Scene, load: LoadsEvidence) -> Slot:
    """Its digest comes from the log alone, so that evidence is read only when the message has to be drawn."""
    ids = [r.evidence_id for r in row.records if r.evidence_id]
    charted = any(scene.briefs[i].kind is EvidenceKind.SERIES for i in ids if i in scene.briefs)
    onset = onset_of(investigation) if charted else None

    async def draw() -> Message:
        evidence = {e.id: e for e in await load(ids)}
        return source_message(investigation, row.connector, evidence=evidence, scene=scene, onset=onset)

    told = [[r.id, r.outcome, r.headline, r.error, r.evidence_id, r.truncated, r.attempts] for r in row.records]
    content = {"row": [row.connector, row.words], "told": told, "onset": onset.isoformat() if onset else None}
    return Slot(f"source/{row.connector}", Priority.EVIDENCE, canonical_digest(content)[:32], draw)
