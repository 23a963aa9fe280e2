"""Each rule of the decision core, and that leaving any one of them out is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from bot.domain import deciding
from bot.domain.access import Principal, PrincipalKind, Role
from bot.domain.authority import (
    Authority,
    Demand,
    Freeze,
    Grant,
    Hours,
    Policy,
    PolicyRule,
    PreApproval,
    Scope,
    Subject,
    Weekday,
)
from bot.domain.deciding import Observed
from bot.domain.remediation import Approval, Proposal, ProposalState, Target, digest_of
from bot.domain.states import Risk
from connectors.model import ToolCall
from tests.remediation.making import (
    ANA,
    BO,
    CALL,
    CY,
    DEE,
    DIFF,
    GUS,
    NOW,
    REQUESTER,
    ROLES,
    SEEN,
    SQUAD,
    TARGET,
    around,
    click,
    person,
    proposal,
)  # fmt: skip

LATER = NOW + timedelta(minutes=16)
FROZEN = Policy(freezes=(Freeze(name="sale", start=NOW - timedelta(hours=1), end=NOW + timedelta(hours=1)),))
STATES = ProposalState
ROBOT = Principal(kind=PrincipalKind.SYSTEM, id="UBO", name="not a person")


def approval(by: Principal, *, digest: str | None = None, after_s: float = 60.0) -> Approval:
    at = NOW + timedelta(seconds=after_s)
    return Approval(id=f"apr_{by.id}", principal_id=by.id, digest=digest or proposal().digest, at=at)


def approved(*by: Principal, risk: Risk = Risk.MEDIUM, state: ProposalState = STATES.APPROVED, **more: Any) -> Proposal:
    return proposal(risk, state=state, approvals=tuple(approval(one) for one in by), **more)


# One case per rule: what the rule alone must refuse, everything else being as it should.
CLICKS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "token": lambda r: deciding.click_refusal(proposal(), click(ANA, token="f" * 32), around(), r),
    "place": lambda r: deciding.click_refusal(
        proposal(), click(ANA, place="C2", posted=frozenset({"C1"})), around(), r
    ),
    "open": lambda r: deciding.click_refusal(proposal(state=STATES.REJECTED), click(ANA), around(), r),
    "in time": lambda r: deciding.click_refusal(proposal(), click(ANA, after_s=15 * 60), around(), r),
    "no guest": lambda r: deciding.click_refusal(proposal(), click(person("ana", guest=True)), around(), r),
    "a person": lambda r: deciding.click_refusal(proposal(), click(ROBOT), around(), r),
    "not the requester": lambda r: deciding.click_refusal(proposal(), click(REQUESTER), around(), r),
    "role": lambda r: deciding.click_refusal(proposal(), click(DEE), around(), r),
    "once each": lambda r: deciding.click_refusal(
        approved(ANA, risk=Risk.CRITICAL, state=STATES.PROPOSED), click(ANA), around(), r
    ),
    "policy": lambda r: deciding.click_refusal(proposal(), click(ANA), around(policy=FROZEN), r),
}
REJECTS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    **{name: CLICKS[name] for name in ("token", "place", "open", "no guest", "a person")},
    "may reject": lambda r: deciding.click_refusal(proposal(), click(DEE), around(), r),
}
FORGED = approved(ANA).model_copy(update={"diff": "image: 1.4.9 → evil"})
STARTS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "approved": lambda r: _start(approved(ANA, state=STATES.PROPOSED), r),
    "in time": lambda r: _start(approved(ANA), r, now=LATER),
    "never sent": lambda r: _start(approved(ANA, sends=1), r),
    "digest": lambda r: _start(approved(ANA, digest="0" * 64), r),
    "approvals": lambda r: _start(approved(DEE), r),
    "target": lambda r: _start(
        approved(ANA), r, seen=Observed(target=Target(name=TARGET.name, uid="uid-2"), diff=DIFF)
    ),
    "diff": lambda r: _start(approved(ANA), r, seen=Observed(target=TARGET, diff="image: 1.4.9 → 1.4.7")),
    "policy": lambda r: _start(approved(ANA), r, policy=FROZEN),
}
RUNNING = approved(ANA, state=STATES.EXECUTING, sends=1)
GATES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "executing": lambda r: _gate(approved(ANA, sends=1), r),
    "this call": lambda r: _gate(RUNNING, r, call=CALL.model_copy(update={"tool": "delete_pod"})),
    "first send": lambda r: _gate(RUNNING.model_copy(update={"sends": 2}), r),
    "in time": lambda r: _gate(RUNNING, r, now=LATER),
    "approvals": lambda r: _gate(RUNNING, r, roles={}),
    "policy": lambda r: _gate(RUNNING, r, policy=FROZEN),
}
COUNTS: dict[str, tuple[Proposal, Mapping[str, frozenset[Grant]]]] = {
    "digest": (FORGED, ROLES),
    "not the requester": (approved(REQUESTER), ROLES),
    "role now": (approved(DEE), ROLES),
    "given in time": (proposal(approvals=(approval(ANA, after_s=-5),)), ROLES),
    "distinct": (proposal(Risk.CRITICAL, approvals=(approval(ANA), approval(ANA, after_s=61))), ROLES),
}  # fmt: skip


def _start(
    one: Proposal, rules: Mapping[str, Any], *, now: Any = NOW, seen: Observed = SEEN, policy: Policy | None = None
) -> str | None:
    return deciding.start_refusal(one, seen, now=now, around=around(policy=policy), rules=rules)


def _gate(
    one: Proposal,
    rules: Mapping[str, Any],
    *,
    call: ToolCall = CALL,
    now: Any = NOW,
    roles: Mapping[str, frozenset[Grant]] = ROLES,
    policy: Policy | None = None,
) -> str | None:
    return deciding.may_execute(one, call, now=now, around=around(roles, policy), rules=rules)


TABLES: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "approve": (deciding.APPROVE_RULES, CLICKS),
    "reject": (deciding.REJECT_RULES, REJECTS),
    "start": (deciding.START_RULES, STARTS),
    "gate": (deciding.GATE_RULES, GATES),
}


def cases() -> Iterator[tuple[str, str]]:
    """By the cases, not by the rules: a rule that is deleted leaves its case behind, and that fails."""
    for table, (_, checks) in TABLES.items():
        yield from ((table, name) for name in checks)


def mutants() -> Iterator[tuple[str, str, bool]]:
    """Every rule left out in turn, and whether a case noticed."""
    for table, (rules, checks) in TABLES.items():
        for name in rules:
            lacking = MappingProxyType({other: rule for other, rule in rules.items() if other != name})
            yield table, name, checks[name](lacking) is None and checks[name](rules) is not None
    for name in deciding.COUNT_RULES:
        yield "count", name, _count_notices(name)


def _count_notices(name: str) -> bool:
    one, roles = COUNTS[name]
    lacking = MappingProxyType({other: rule for other, rule in deciding.COUNT_RULES.items() if other != name})
    return not deciding.is_complete(one, around(roles)) and deciding.is_complete(one, around(roles), lacking)


@pytest.mark.parametrize(("table", "name"), list(cases()))
def test_the_rule_refuses_with_a_sentence(table: str, name: str) -> None:
    rules, checks = TABLES[table]
    said = checks[name](rules)
    assert said
    assert said[0].isupper()
    assert said.endswith(".")


@pytest.mark.parametrize("name", list(COUNTS))
def test_an_approval_that_does_not_hold_is_not_counted(name: str) -> None:
    one, roles = COUNTS[name]
    assert len(deciding.counted(one, around(roles))) < len(one.approvals)
    assert not deciding.is_complete(one, around(roles))


@pytest.mark.parametrize(("table", "name", "noticed"), list(mutants()))
def test_a_deleted_rule_is_noticed(table: str, name: str, noticed: bool) -> None:
    assert noticed, f"nothing fails without the {table} rule {name!r}"


def test_every_rule_has_its_case_and_every_case_its_rule() -> None:
    for rules, checks in TABLES.values():
        assert set(rules) == set(checks)
    assert set(deciding.COUNT_RULES) == set(COUNTS)


def test_the_good_cases_pass() -> None:
    assert deciding.click_refusal(proposal(), click(ANA, place="C1", posted=frozenset({"C1"})), around()) is None
    assert _start(approved(ANA), deciding.START_RULES) is None
    assert _gate(RUNNING, deciding.GATE_RULES) is None
    assert deciding.is_complete(approved(ANA), around())


@pytest.mark.parametrize(
    ("risk", "who", "good"),
    [
        (Risk.LOW, REQUESTER, True), (Risk.LOW, CY, True), (Risk.LOW, DEE, False),
        (Risk.MEDIUM, REQUESTER, False), (Risk.MEDIUM, CY, True), (Risk.MEDIUM, BO, True),
        (Risk.HIGH, CY, False), (Risk.HIGH, ANA, True), (Risk.HIGH, BO, True), (Risk.HIGH, REQUESTER, False),
        (Risk.CRITICAL, CY, False), (Risk.CRITICAL, ANA, True), (Risk.LOW, GUS, False),
    ],
)  # fmt: skip
def test_who_may_approve_which_risk(risk: Risk, who: Principal, good: bool) -> None:
    assert (deciding.click_refusal(proposal(risk), click(who), around()) is None) is good


def test_critical_needs_two() -> None:
    assert not deciding.is_complete(approved(ANA, risk=Risk.CRITICAL), around())
    assert deciding.is_complete(approved(ANA, BO, risk=Risk.CRITICAL), around())


def test_the_refusal_says_what_is_needed_and_what_you_are() -> None:
    said = deciding.click_refusal(proposal(), click(DEE), around())
    assert said == "This needs a responder of squad payment; you are a viewer."
    elsewhere = {"UDEE": frozenset({Grant(role=Role.RESPONDER, squad="identity")})}
    said = deciding.click_refusal(proposal(), click(DEE), around(elsewhere))
    assert said == "This needs a responder of squad payment; you are a viewer here (your roles are in identity)."


def test_a_responder_of_another_squad_may_not() -> None:
    roles = {"UCY": frozenset({Grant(role=Role.LEAD, squad="identity")})}
    assert deciding.click_refusal(proposal(), click(CY), around(roles))
    nobody_owns_it = proposal(squad=None)
    assert deciding.click_refusal(nobody_owns_it, click(CY), around(roles)), "no squad: only roles held everywhere"


def test_every_field_is_in_the_digest() -> None:
    base = digest_of(CALL, TARGET, DIFF, ("ev_1",))
    others = [
        digest_of(
            CALL.model_copy(update={"arguments": {**CALL.arguments, "to_revision": 40}}), TARGET, DIFF, ("ev_1",)
        ),
        digest_of(CALL, TARGET.model_copy(update={"version": "8"}), DIFF, ("ev_1",)),
        digest_of(CALL, TARGET.model_copy(update={"uid": "x"}), DIFF, ("ev_1",)),
        digest_of(CALL, TARGET, DIFF + " ", ("ev_1",)),
        digest_of(CALL, TARGET, DIFF, ("ev_2",)),
    ]
    assert len({base, *others}) == 6


# -- a policy that approves what it names ------------------------------------------------------------------------------

TICKETS = PreApproval(name="tickets", tools=frozenset({"kubernetes/production rollback_workload"}))
STANDING = Policy(preapproved=(TICKETS,))
BY_POLICY = Principal(kind=PrincipalKind.POLICY, id="tickets")


def test_a_policy_approves_what_it_names_and_nothing_else() -> None:
    low = proposal(Risk.LOW)
    assert deciding.click_refusal(low, click(BY_POLICY), around(policy=STANDING)) is None
    assert deciding.click_refusal(low, click(BY_POLICY), around()), "there is no such policy"
    assert deciding.click_refusal(proposal(Risk.MEDIUM), click(BY_POLICY), around(policy=STANDING)), "only low risk"
    other = BY_POLICY.model_copy(update={"id": "other"})
    assert deciding.click_refusal(low, click(other), around(policy=STANDING))
    elsewhere = TICKETS.model_copy(update={"scope": Scope(squads=frozenset({"identity"}))})
    assert deciding.click_refusal(low, click(BY_POLICY), around(policy=Policy(preapproved=(elsewhere,))))
    another = TICKETS.model_copy(update={"tools": frozenset({"kubernetes/production delete_pod"})})
    assert deciding.click_refusal(low, click(BY_POLICY), around(policy=Policy(preapproved=(another,))))
    frozen = STANDING.model_copy(update={"freezes": FROZEN.freezes})
    assert deciding.click_refusal(low, click(BY_POLICY), around(policy=frozen)), "a freeze holds for policies, too"


def test_nobody_can_pose_as_a_policy() -> None:
    low = proposal(Risk.LOW)
    for kind in (PrincipalKind.PERSON, PrincipalKind.API_KEY, PrincipalKind.SYSTEM, PrincipalKind.SCHEDULE):
        posing = Principal(kind=kind, id="policy:tickets", name="policy tickets")
        assert deciding.click_refusal(low, click(posing), around(policy=STANDING)), kind
    assert deciding.click_refusal(low, click(BY_POLICY), around(policy=STANDING), deciding.REJECT_RULES)


def test_an_approval_by_policy_counts_while_the_policy_stands() -> None:
    given = Approval(id="apr_p", principal_id="policy:tickets", digest=proposal().digest, at=NOW + timedelta(seconds=9))
    low = proposal(Risk.LOW, state=STATES.APPROVED, approvals=(given,))
    assert deciding.is_complete(low, around(policy=STANDING))
    assert not deciding.is_complete(low, around()), "it was taken out of the file since"
    medium = proposal(Risk.MEDIUM, state=STATES.APPROVED, approvals=(given,))
    assert not deciding.is_complete(medium, around(policy=STANDING))
    strict = STANDING.model_copy(update={"rules": (PolicyRule(demand=Demand(approvals=2)),)})
    twice = low.model_copy(update={"approvals": (given, given.model_copy(update={"id": "apr_q"}))})
    assert not deciding.is_complete(twice, around(policy=strict)), "it is one voice, however often it speaks"
    assert deciding.click_refusal(proposal(Risk.LOW, approvals=(given,)), click(BY_POLICY), around(policy=strict))


def test_a_standing_policy_is_told_at_start() -> None:
    assert STANDING.loosened() == ["low: kubernetes/production rollback_workload is approved by policy tickets"]


# -- policy ------------------------------------------------------------------------------------------------------------


def test_a_rule_of_policy_tightens() -> None:
    strict = Policy(
        rules=(
            PolicyRule(scope=Scope(environments=frozenset({"production"})), demand=Demand(approvals=2, role=Role.LEAD)),
        )
    )
    assert deciding.click_refusal(proposal(Risk.LOW), click(CY), around(policy=strict))
    assert strict.loosened() == []


def test_a_rule_that_loosens_is_told() -> None:
    loose = Policy(rules=(PolicyRule(scope=Scope(risks=frozenset({Risk.CRITICAL})), demand=Demand()),))
    assert loose.loosened() == ["critical: a responder"]


def test_a_denied_service_is_denied_to_all() -> None:
    policy = Policy(rules=(PolicyRule(scope=Scope(services=frozenset({"payment-service"})), deny="ask the bank."),))
    assert deciding.click_refusal(proposal(), click(BO), around(policy=policy)) == "Policy forbids this: ask the bank."


def test_a_freeze_ends() -> None:
    subject = Subject(risk=Risk.LOW)
    assert FROZEN.denial(subject, NOW)
    assert FROZEN.denial(subject, NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize(("hour", "good"), [(8, False), (9, True), (16, True), (17, False)])
def test_hours_are_local(hour: int, good: bool) -> None:
    policy = Policy(hours=(Hours(start="10:00", end="18:00", time_zone="Europe/Berlin"),))
    at = NOW.replace(hour=hour, minute=0)
    assert (policy.denial(Subject(risk=Risk.LOW), at) is None) is good


def test_hours_past_midnight_belong_to_the_day_they_began() -> None:
    night = Hours(days=frozenset({Weekday.FRI}), start="22:00", end="02:00")
    friday = NOW.replace(hour=23)
    assert night.allow(friday)
    assert night.allow(friday + timedelta(hours=2))
    assert not night.allow(friday + timedelta(hours=26))


def test_an_unknown_person_is_a_viewer() -> None:
    nobody = Authority(principal_id="U?")
    assert not any(nobody.reaches(role, SQUAD) for role in (Role.RESPONDER, Role.LEAD, Role.ADMIN))
    assert nobody.words(SQUAD) == "a viewer"
