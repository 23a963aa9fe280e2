"""The decision core: who may approve, and whether an approved change may run right now. Pure, and small on purpose.

Every rule is one named function in one of three tables, so that a test can leave each of them out and must notice.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from bot.domain.access import Principal, PrincipalKind, Role
from bot.domain.authority import Authority, Demand, Policy
from bot.domain.remediation import Approval, Proposal, ProposalState, Target, fresh_digest
from connectors.model import Frozen, ToolCall


class Click(Frozen):
    """Somebody says yes or no. `place` is where the button stood; `posted` where it may stand (empty: anywhere)."""

    by: Principal
    token: str
    at: datetime
    place: str | None = None
    posted: frozenset[str] = frozenset()


class Observed(Frozen):
    """The target and the dry run as they are now, read just before."""

    target: Target
    diff: str


class Surroundings:
    """Policy and roles as they are now. `authority_of` gives nothing to people it does not know."""

    def __init__(self, policy: Policy, authority_of: Callable[[str], Authority]) -> None:
        self.policy = policy
        self.authority_of = authority_of

    def demand(self, proposal: Proposal) -> Demand:
        return self.policy.demand(proposal.subject)


ClickRule: TypeAlias = Callable[[Proposal, Click, Surroundings], str | None]
StartRule: TypeAlias = Callable[[Proposal, Observed, datetime, Surroundings], str | None]
CountRule: TypeAlias = Callable[[Proposal, Approval, Surroundings], bool]


# -- a click -----------------------------------------------------------------------------------------------------------


def _token_is_ours(proposal: Proposal, click: Click, _: Surroundings) -> str | None:
    good = hmac.compare_digest(proposal.token.encode(), click.token.encode("utf-8", "surrogatepass"))
    return None if good else "That button does not belong to this proposal. Open the proposal's thread and use its own."


def _place_is_ours(_: Proposal, click: Click, __: Surroundings) -> str | None:
    if click.place is None or not click.posted or click.place in click.posted:
        return None
    return "That button was pressed somewhere else than where the proposal stands, so it does not count."


def _is_open(proposal: Proposal, _: Click, __: Surroundings) -> str | None:
    if proposal.state is ProposalState.PROPOSED:
        return None
    reason = f" ({proposal.reason.rstrip('.')})" if proposal.reason else ""
    return f"This proposal is {proposal.state.value.replace('_', ' ')}{reason}; it takes no more decisions."


def _is_in_time(proposal: Proposal, click: Click, _: Surroundings) -> str | None:
    if click.at < proposal.expires_at:
        return None
    return f"This proposal expired at {proposal.expires_at:%H:%M} UTC. Ask for a new one, so that it fits what is now."


def _is_no_guest(_: Proposal, click: Click, around: Surroundings) -> str | None:
    if click.by.guest or around.authority_of(click.by.id).guest:
        return "Guests cannot decide on changes. Ask a member of the team."
    return None


def _is_a_person(proposal: Proposal, click: Click, around: Surroundings) -> str | None:
    if click.by.kind in (PrincipalKind.PERSON, PrincipalKind.API_KEY) or _is_standing(proposal, click, around):
        return None
    return "Only people decide on changes."


def _is_not_requester(proposal: Proposal, click: Click, around: Surroundings) -> str | None:
    demand = around.demand(proposal)
    if demand.requester_may_approve or click.by.id != proposal.requester.id:
        return None
    return f"You asked for this, so somebody else has to approve it: {demand.words(proposal.squad)}."


def _is_standing(proposal: Proposal, click: Click, around: Surroundings) -> bool:
    """A policy that a person wrote, about exactly such a change."""
    if click.by.kind is not PrincipalKind.POLICY:
        return False
    return around.policy.preapproval(proposal.subject) == click.by.approver


def _has_the_role(proposal: Proposal, click: Click, around: Surroundings) -> str | None:
    if _is_standing(proposal, click, around):
        return None
    demand, authority = around.demand(proposal), around.authority_of(click.by.id)
    if authority.reaches(demand.role, proposal.squad):
        return None
    return f"This needs {demand.words(proposal.squad)}; you are {authority.words(proposal.squad)}."


def _is_first_of_this_person(proposal: Proposal, click: Click, _: Surroundings) -> str | None:
    if all(a.principal_id != click.by.approver for a in proposal.approvals):
        return None
    return "You approved this already; it still needs somebody else."


def _policy_allows(proposal: Proposal, click: Click, around: Surroundings) -> str | None:
    return around.policy.denial(proposal.subject, click.at)


def _may_reject(proposal: Proposal, click: Click, around: Surroundings) -> str | None:
    """A no is safe: whoever asked, and any responder of the squad, may give it."""
    authority = around.authority_of(click.by.id)
    if click.by.id == proposal.requester.id or authority.reaches(Role.RESPONDER, proposal.squad):
        return None
    place = f" of squad {proposal.squad}" if proposal.squad else ""
    return f"This needs a responder{place}; you are {authority.words(proposal.squad)}."


APPROVE_RULES: Mapping[str, ClickRule] = MappingProxyType(
    {
        "token": _token_is_ours,
        "place": _place_is_ours,
        "open": _is_open,
        "in time": _is_in_time,
        "no guest": _is_no_guest,
        "a person": _is_a_person,
        "not the requester": _is_not_requester,
        "role": _has_the_role,
        "once each": _is_first_of_this_person,
        "policy": _policy_allows,
    }
)
REJECT_RULES: Mapping[str, ClickRule] = MappingProxyType(
    {
        "token": _token_is_ours,
        "place": _place_is_ours,
        "open": _is_open,
        "no guest": _is_no_guest,
        "a person": _is_a_person,
        "may reject": _may_reject,
    }
)


def click_refusal(
    proposal: Proposal, click: Click, around: Surroundings, rules: Mapping[str, ClickRule] = APPROVE_RULES
) -> str | None:
    """The first reason why this click does not count, as a sentence for whoever clicked; None when it counts."""
    return next((said for rule in rules.values() if (said := rule(proposal, click, around))), None)


# -- counting approvals ------------------------------------------------------------------------------------------------


def _of_this_digest(proposal: Proposal, approval: Approval, _: Surroundings) -> bool:
    return hmac.compare_digest(approval.digest, fresh_digest(proposal))


def _not_by_requester(proposal: Proposal, approval: Approval, around: Surroundings) -> bool:
    return around.demand(proposal).requester_may_approve or approval.principal_id != proposal.requester.id


def _still_has_role(proposal: Proposal, approval: Approval, around: Surroundings) -> bool:
    if approval.principal_id == around.policy.preapproval(proposal.subject):
        return True  # the policy still stands
    authority = around.authority_of(approval.principal_id)
    return authority.reaches(around.demand(proposal).role, proposal.squad)


def _given_in_time(proposal: Proposal, approval: Approval, _: Surroundings) -> bool:
    return proposal.made_at <= approval.at < proposal.expires_at


def _first_of_person(proposal: Proposal, approval: Approval, _: Surroundings) -> bool:
    return next(a for a in proposal.approvals if a.principal_id == approval.principal_id) == approval


COUNT_RULES: Mapping[str, CountRule] = MappingProxyType(
    {
        "digest": _of_this_digest,
        "not the requester": _not_by_requester,
        "role now": _still_has_role,
        "given in time": _given_in_time,
        "distinct": _first_of_person,
    }
)


def counted(
    proposal: Proposal, around: Surroundings, rules: Mapping[str, CountRule] = COUNT_RULES
) -> tuple[Approval, ...]:
    """The approvals that hold now."""
    return tuple(a for a in proposal.approvals if all(rule(proposal, a, around) for rule in rules.values()))


def is_complete(proposal: Proposal, around: Surroundings, rules: Mapping[str, CountRule] = COUNT_RULES) -> bool:
    """Whether enough approvals hold now."""
    return len(counted(proposal, around, rules)) >= around.demand(proposal).approvals


# -- running it --------------------------------------------------------------------------------------------------------


def _is_approved(proposal: Proposal, _: Observed, __: datetime, ___: Surroundings) -> str | None:
    if proposal.state is ProposalState.APPROVED:
        return None
    return f"The proposal is {proposal.state.value}, not approved."


def _still_in_time(proposal: Proposal, _: Observed, now: datetime, __: Surroundings) -> str | None:
    return None if now < proposal.expires_at else "The approval expired before the change could run."


def _enough_hold(proposal: Proposal, _: Observed, __: datetime, around: Surroundings) -> str | None:
    if is_complete(proposal, around):
        return None
    return f"The approvals do not hold any more: this needs {around.demand(proposal).words(proposal.squad)}."


def _digest_holds(proposal: Proposal, _: Observed, __: datetime, ___: Surroundings) -> str | None:
    good = hmac.compare_digest(proposal.digest, fresh_digest(proposal))
    return None if good else "The proposal is not what was approved."


def _target_is_same(proposal: Proposal, seen: Observed, _: datetime, __: Surroundings) -> str | None:
    if seen.target == proposal.target:
        return None
    return f"Somebody changed {proposal.target.name} since this was proposed."


def _diff_is_same(proposal: Proposal, seen: Observed, _: datetime, __: Surroundings) -> str | None:
    return None if seen.diff == proposal.diff else "A new dry run shows another change than the one approved."


def _policy_allows_now(proposal: Proposal, _: Observed, now: datetime, around: Surroundings) -> str | None:
    return around.policy.denial(proposal.subject, now)


def _never_sent(proposal: Proposal, _: Observed, __: datetime, ___: Surroundings) -> str | None:
    return None if proposal.sends == 0 else "It was sent already."


START_RULES: Mapping[str, StartRule] = MappingProxyType(
    {
        "approved": _is_approved,
        "in time": _still_in_time,
        "never sent": _never_sent,
        "digest": _digest_holds,
        "approvals": _enough_hold,
        "target": _target_is_same,
        "diff": _diff_is_same,
        "policy": _policy_allows_now,
    }
)


def start_refusal(
    proposal: Proposal,
    seen: Observed,
    *,
    now: datetime,
    around: Surroundings,
    rules: Mapping[str, StartRule] = START_RULES,
) -> str | None:
    """Why the approved change may not begin now; None when it may."""
    return next((said for rule in rules.values() if (said := rule(proposal, seen, now, around))), None)


# -- the gate: asked by Execute at the moment of sending, whoever calls ------------------------------------------------

GateRule: TypeAlias = Callable[[Proposal, ToolCall, datetime, Surroundings], str | None]


def _is_executing(proposal: Proposal, _: ToolCall, __: datetime, ___: Surroundings) -> str | None:
    if proposal.state is ProposalState.EXECUTING:
        return None
    return f"The proposal is {proposal.state.value}; nothing may be sent for it."


def _is_this_call(proposal: Proposal, call: ToolCall, _: datetime, __: Surroundings) -> str | None:
    good = hmac.compare_digest(proposal.call.digest, call.digest)
    return None if good else "The approval covers another call than this one."


def _is_first_send(proposal: Proposal, _: ToolCall, __: datetime, ___: Surroundings) -> str | None:
    if proposal.sends == 1:
        return None  # this very sending, which was recorded right before
    return "It was sent already; a change is never sent twice." if proposal.sends else "Its sending was not recorded."


def _gate_in_time(proposal: Proposal, _: ToolCall, now: datetime, __: Surroundings) -> str | None:
    return None if now < proposal.expires_at else "The approval expired before the change could run."


def _gate_approvals(proposal: Proposal, _: ToolCall, __: datetime, around: Surroundings) -> str | None:
    return None if is_complete(proposal, around) else "The approvals do not hold any more."


def _gate_policy(proposal: Proposal, _: ToolCall, now: datetime, around: Surroundings) -> str | None:
    return around.policy.denial(proposal.subject, now)


GATE_RULES: Mapping[str, GateRule] = MappingProxyType(
    {
        "executing": _is_executing,
        "this call": _is_this_call,
        "first send": _is_first_send,
        "in time": _gate_in_time,
        "approvals": _gate_approvals,
        "policy": _gate_policy,
    }
)


def may_execute(
    proposal: Proposal,
    call: ToolCall,
    *,
    now: datetime,
    around: Surroundings,
    rules: Mapping[str, GateRule] = GATE_RULES,
) -> str | None:
    """Why this call may not be sent at this very moment; None when it may. The last word before every write."""
    return next((said for rule in rules.values() if (said := rule(proposal, call, now, around))), None)
