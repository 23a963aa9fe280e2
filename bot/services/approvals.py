"""Decisions of people on proposals, and the gate's question whether a write is covered by them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from bot.domain import deciding
from bot.domain.access import Principal, PrincipalKind
from bot.domain.deciding import Click, ClickRule, Surroundings
from bot.domain.events import EventKind, NewEvent
from bot.domain.ids import ApprovalId, investigation_stream, make_id
from bot.domain.remediation import MOST_REFUSALS, Approval, Proposal, ProposalState, proposal_stream
from bot.errors import InvalidRequest, NotAllowed, SequenceConflict, UnknownId
from bot.services.policy import Roles
from bot.store import DuplicateDelivery, Store
from connectors.model import Clock, JsonObject, ToolCall
from connectors.redaction import redact_text

_ATTEMPTS = 50
_MOST_AWAITING = 200
_LONGEST_REASON = 1_000
_ACTOR = "system:inquest"


def button_value(proposal: Proposal) -> str:
    """What a button carries: an id to find the record by, and the 128 random bits that belong to it."""
    return f"{proposal.id}.{proposal.token}"


def from_button(value: str) -> tuple[str, str]:
    """Proposal id and token of a button's value; InvalidRequest for anything else."""
    proposal_id, dot, token = value.partition(".")
    if not dot or not proposal_id or not token:
        raise InvalidRequest("That button does not belong to a proposal of ours.")
    return proposal_id, token


class Decisions:
    """Approve, reject, withdraw. Every answer is a sentence; every refusal is recorded."""

    def __init__(self, *, store: Store, roles: Roles, clock: Clock, decided: Callable[[], None] | None = None) -> None:
        self._store = store
        self._roles = roles
        self._clock = clock
        self._decided = decided or (lambda: None)

    async def get(self, proposal_id: str) -> Proposal:
        """One proposal; UnknownId when there is none."""
        return await self._store.proposal(proposal_id)

    async def of(self, investigation_id: str) -> list[Proposal]:
        """The proposals of an investigation, oldest first."""
        return list(reversed(await self._store.proposals(investigation_id=investigation_id)))

    async def awaiting(self, by: Principal) -> list[Proposal]:
        """The open proposals that this person's yes would count for now, the one that expires first in front."""
        around, now = await self._roles.surroundings(), self._clock.now()
        found = await self._store.proposals(states=(ProposalState.PROPOSED,), limit=_MOST_AWAITING)
        mine = [p for p in found if not deciding.click_refusal(p, Click(by=by, token=p.token, at=now), around)]
        return sorted(mine, key=lambda p: p.expires_at)

    async def checked(self, value: str, *, by: Principal, place: str | None = None) -> Proposal:
        """The proposal behind a button, when this person might approve it: for showing the form that asks again."""
        proposal_id, token = from_button(value)
        proposal = await self._store.proposal(proposal_id)
        click = await self._click(proposal, token, by, place)
        said = deciding.click_refusal(proposal, click, await self._roles.surroundings())
        if said:
            await self._refuse(proposal, by, "approve", said)
            raise NotAllowed(said)
        return proposal

    async def approve(
        self, value: str, *, by: Principal, place: str | None = None, delivery_id: str | None = None
    ) -> str:
        """Count this person's yes. NotAllowed with the reason when it does not count."""

        def decide(proposal: Proposal, click: Click, around: Surroundings) -> tuple[NewEvent, str]:
            standing = by.kind is PrincipalKind.POLICY
            role = "a policy" if standing else around.authority_of(by.id).words(proposal.squad)
            approval = Approval(
                id=make_id("apr", secrets.token_bytes(10)),
                principal_id=by.approver, name=by.name, digest=proposal.digest, at=click.at, role=role,
            )  # fmt: skip
            after = proposal.model_copy(update={"approvals": (*proposal.approvals, approval)})
            complete = deciding.is_complete(after, around)
            payload: JsonObject = {"approval": approval.model_dump(mode="json"), "complete": complete}
            said = "Approved. It is carried out now." if complete else "Approved. It still needs somebody else."
            return self._event(EventKind.PROPOSAL_APPROVED, by, payload, at=click.at), said

        return await self._decide(
            value, decide, by=by, place=place, delivery_id=delivery_id, what="approve", rules=deciding.APPROVE_RULES
        )

    async def approve_by_policy(self, proposal: Proposal) -> bool:
        """Let the policy that covers this change, if one does, say its yes; whether one did."""
        name = self._roles.policy.preapproval(proposal.subject)
        if name is None or proposal.state is not ProposalState.PROPOSED:
            return False
        bare = name.partition(":")[2]
        by = Principal(kind=PrincipalKind.POLICY, id=bare, name=f"policy {bare}")
        await self.approve(button_value(proposal), by=by)
        return True

    async def reject(
        self, value: str, *, by: Principal, reason: str = "", place: str | None = None, delivery_id: str | None = None
    ) -> str:
        """Close the proposal for good."""
        words = redact_text(" ".join(reason.split())[:_LONGEST_REASON])  # it stays in the log for good

        def decide(_: Proposal, click: Click, __: Surroundings) -> tuple[NewEvent, str]:
            return self._event(EventKind.PROPOSAL_REJECTED, by, {"reason": words}, at=click.at), "Rejected. Thank you."

        return await self._decide(
            value, decide, by=by, place=place, delivery_id=delivery_id, what="reject", rules=deciding.REJECT_RULES
        )

    async def _decide(
        self,
        value: str,
        decide: Callable[[Proposal, Click, Surroundings], tuple[NewEvent, str]],
        *,
        by: Principal,
        place: str | None,
        delivery_id: str | None,
        what: str,
        rules: Mapping[str, ClickRule],
    ) -> str:
        """Decide on the current row and append; when somebody else wrote first, decide again."""
        proposal_id, token = from_button(value)
        for _ in range(_ATTEMPTS):
            if delivery_id and await self._store.delivery_seen(delivery_id):
                return "That was done already."
            proposal = await self._store.proposal(proposal_id)
            around, click = await self._roles.surroundings(), await self._click(proposal, token, by, place)
            said = deciding.click_refusal(proposal, click, around, rules)
            if said:
                await self._refuse(proposal, by, what, said)
                raise NotAllowed(said)
            event, sentence = decide(proposal, click, around)
            try:
                await self._store.append(
                    proposal_stream(proposal_id), expected_seq=proposal.seq, events=[event], delivery_id=delivery_id
                )
            except SequenceConflict:
                continue
            except DuplicateDelivery:
                return "That was done already."
            self._decided()
            return sentence
        raise SequenceConflict("Too many decide on this proposal at once. Try again.")

    async def _click(self, proposal: Proposal, token: str, by: Principal, place: str | None) -> Click:
        posted: frozenset[str] = frozenset()
        if place is not None and proposal.investigation_id:
            rows = await self._store.posted(investigation_stream(proposal.investigation_id))
            posted = frozenset(row.channel for row in rows if row.channel)
        return Click(by=by, token=token, at=self._clock.now(), place=place, posted=posted)

    async def _refuse(self, proposal: Proposal, by: Principal, what: str, said: str) -> None:
        """Record a click that did not count; a flood of them is not recorded for ever."""
        if proposal.refusals >= MOST_REFUSALS:
            return
        event = self._event(EventKind.REFUSED, by, {"what": what, "reason": said})
        for _ in range(3):
            try:
                await self._store.append(proposal_stream(proposal.id), expected_seq=proposal.seq, events=[event])
            except SequenceConflict:
                proposal = await self._store.proposal(proposal.id)
                continue
            return

    def _event(self, kind: EventKind, by: Principal, payload: JsonObject, *, at: datetime | None = None) -> NewEvent:
        return NewEvent(kind=kind, actor=by.actor, at=at or self._clock.now(), payload=payload)


class ApprovalGate:
    """The last word before every write, asked by Execute whoever calls: reads the record, trusts no caller."""

    def __init__(self, *, store: Store, roles: Roles, clock: Clock) -> None:
        self._store = store
        self._roles = roles
        self._clock = clock

    async def refusal(self, approval: ApprovalId | None, call: ToolCall) -> str | None:
        """Why this call may not be sent; None when the proposal named by `approval` covers exactly it, now."""
        if approval is None:
            return "A change needs a live approval of exactly this call; there is none."
        try:
            proposal = await self._store.proposal(approval)
        except UnknownId:
            return "A change needs a live approval of exactly this call; there is no such proposal."
        around = await self._roles.surroundings()
        return deciding.may_execute(proposal, call, now=self._clock.now(), around=around)


__all__ = ["ApprovalGate", "Decisions", "ProposalState", "button_value", "from_button"]
