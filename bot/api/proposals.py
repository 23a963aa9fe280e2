"""Proposals over HTTP: the same decisions, by the same rules, as with the buttons."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from bot.api.auth import Authenticate
from bot.domain.access import Principal
from bot.domain.remediation import Proposal, ProposalState
from bot.errors import InvalidRequest
from bot.services.approvals import Decisions, button_value
from bot.store import Store
from connectors.model import JsonObject


class DecisionBody(BaseModel):
    """A yes or no to exactly this digest, so that nobody approves what they have not seen."""

    model_config = ConfigDict(extra="forbid")

    digest: str = Field(min_length=64, max_length=64)
    reason: str = Field(default="", max_length=1_000)


def make_proposals_router(store: Store, decisions: Decisions, authenticate: Authenticate) -> APIRouter:
    """`/api/v1/proposals`."""
    router = APIRouter(prefix="/api/v1/proposals")
    who = Depends(authenticate)

    @router.get("")
    async def list_proposals(
        _: Principal = who, investigation: str | None = None, state: ProposalState | None = None
    ) -> JsonObject:
        """The newest first."""
        states = [state] if state else []
        found = await store.proposals(investigation_id=investigation, states=states, limit=200)
        return {"proposals": [shown(proposal) for proposal in found]}

    @router.get("/{proposal_id}")
    async def one(proposal_id: str, _: Principal = who) -> JsonObject:
        """One proposal with its dry run."""
        return shown(await store.proposal(proposal_id))

    @router.post("/{proposal_id}/approve")
    async def approve(proposal_id: str, body: DecisionBody, by: Principal = who) -> JsonObject:
        """Count this principal's yes."""
        proposal = await _of_digest(store, proposal_id, body.digest)
        said = await decisions.approve(button_value(proposal), by=by)
        return {"text": said, "proposal": shown(await store.proposal(proposal_id))}

    @router.post("/{proposal_id}/reject")
    async def reject(proposal_id: str, body: DecisionBody, by: Principal = who) -> JsonObject:
        """Close it for good."""
        proposal = await _of_digest(store, proposal_id, body.digest)
        said = await decisions.reject(button_value(proposal), by=by, reason=body.reason)
        return {"text": said, "proposal": shown(await store.proposal(proposal_id))}

    return router


def shown(proposal: Proposal) -> JsonObject:
    """The proposal without the token of its buttons."""
    return proposal.model_dump(mode="json", exclude={"token"})


async def _of_digest(store: Store, proposal_id: str, digest: str) -> Proposal:
    proposal = await store.proposal(proposal_id)
    if proposal.digest != digest:
        raise InvalidRequest("The digest is not that of this proposal. Read it again.")
    return proposal
