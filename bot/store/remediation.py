"""Proposals: the rows that the events of `proposal/ID` streams add up to, and questions to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select

from bot.domain.events import Event, EventKind
from bot.domain.ids import stream_subject
from bot.domain.remediation import PROPOSAL_PREFIX, Proposal, ProposalState, apply, open_from
from bot.store.rows import Row, as_text, as_text_or_none, table
from bot.store.statements import insert_new, replace_rows


def is_proposal(stream: str) -> bool:
    return stream.startswith(PROPOSAL_PREFIX)


def project(connection: Connection, workspace: str, stream: str, events: Iterable[Event]) -> None:
    """Fold new events into the proposal's row. MoveRefused for a move that the state table does not have."""
    state = _read(connection, workspace, stream_subject(stream))
    for event in events:
        state = apply(state, event) if state else open_from(event)
        if event.kind in (EventKind.PROPOSAL_APPROVED, EventKind.PROPOSAL_REJECTED):
            _keep_decision(connection, workspace, state, event)
    if state is not None:
        replace_rows(connection, "proposals", [_row(workspace, state)])


def _row(workspace: str, state: Proposal) -> Row:
    return {
        "id": state.id,
        "workspace": workspace,
        "seq": state.seq,
        "investigation_id": as_text_or_none(state.investigation_id),
        "state": state.state.value,
        "risk": state.risk.value,
        "digest": state.digest,
        "title": as_text(state.title),
        "target": as_text(state.target.name),
        "target_uid": as_text_or_none(state.target.uid),
        "target_version": as_text_or_none(state.target.version),
        "requester_id": as_text(state.requester.id),
        "squad": as_text_or_none(state.squad),
        "created_at": state.made_at,
        "updated_at": state.updated_at,
        "expires_at": state.expires_at,
        "document": as_text(state.model_dump_json()),
    }


def _keep_decision(connection: Connection, workspace: str, state: Proposal, event: Event) -> None:
    """One row a person and proposal; the log has every detail."""
    approved = event.kind is EventKind.PROPOSAL_APPROVED
    principal_id = state.approvals[-1].principal_id if approved else event.actor.partition(":")[2]
    row = {
        "id": state.approvals[-1].id if approved else f"rej_{state.id}",
        "workspace": workspace,
        "proposal_id": state.id,
        "principal_id": as_text(principal_id),
        "decision": "approved" if approved else "rejected",
        "digest": state.digest,
        "decided_at": event.at,
        "note": as_text(str(event.payload.get("reason", ""))),
    }
    connection.execute(insert_new(connection.dialect.name, "approvals"), row)


def _read(connection: Connection, workspace: str, proposal_id: str) -> Proposal | None:
    target = table("proposals")
    place = (target.c.workspace == workspace, target.c.id == as_text(proposal_id))
    found = connection.execute(select(target.c.document).where(*place)).scalar()
    return Proposal.model_validate_json(found) if found else None


def proposal(connection: Connection, workspace: str, proposal_id: str) -> Proposal | None:
    """One proposal; None when there is none."""
    return _read(connection, workspace, proposal_id)


def proposals(
    connection: Connection,
    workspace: str,
    *,
    investigation_id: str | None,
    states: Collection[ProposalState],
    limit: int,
) -> list[Proposal]:
    """The newest first, of one investigation or of all."""
    target = table("proposals")
    wanted = [target.c.workspace == workspace]
    if investigation_id is not None:
        wanted.append(target.c.investigation_id == as_text(investigation_id))
    if states:
        wanted.append(target.c.state.in_(sorted(state.value for state in states)))
    newest = (target.c.created_at.desc(), target.c.id.desc())
    query = select(target.c.document).where(*wanted).order_by(*newest).limit(limit)
    return [Proposal.model_validate_json(document) for document in connection.execute(query).scalars()]
