"""Proposals, people and policies for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.access import Principal, PrincipalKind, Role
from bot.domain.authority import Authority, Grant, Policy
from bot.domain.deciding import Click, Observed, Surroundings
from bot.domain.remediation import Proposal, Target, digest_of
from bot.domain.states import Risk
from connectors.model import ToolCall

NOW = datetime(2026, 11, 20, 14, 20, tzinfo=UTC)
TOKEN = "0123456789abcdef0123456789abcdef"
SQUAD = "payment"
CALL = ToolCall(
    connector="kubernetes/production",
    tool="rollback_workload",
    arguments={"namespace": "shop", "name": "payment-service", "to_revision": 41, "proposal": "prop_1"},
)
TARGET = Target(name="deployment shop/payment-service", uid="uid-1", version="7")
DIFF = "image: 1.4.9 → 1.4.8"


def person(name: str, *, guest: bool = False) -> Principal:
    return Principal(kind=PrincipalKind.PERSON, id=f"U{name.upper()}", name=name.title(), guest=guest)


REQUESTER, ANA, BO, CY, DEE, GUS = (person(n) for n in ("req", "ana", "bo", "cy", "dee", "gus"))
# Ana and Bo lead (so that they may approve every risk), Cy only responds, Dee looks on.
ROLES: Mapping[str, frozenset[Grant]] = {
    "UREQ": frozenset({Grant(role=Role.LEAD, squad=SQUAD)}),
    "UANA": frozenset({Grant(role=Role.LEAD, squad=SQUAD)}),
    "UBO": frozenset({Grant(role=Role.ADMIN)}),
    "UCY": frozenset({Grant(role=Role.RESPONDER, squad=SQUAD)}),
    "UDEE": frozenset(),
}


def around(roles: Mapping[str, frozenset[Grant]] = ROLES, policy: Policy | None = None) -> Surroundings:
    def authority_of(principal_id: str) -> Authority:
        return Authority(
            principal_id=principal_id, guest=principal_id == "UGUS", grants=roles.get(principal_id, frozenset())
        )

    return Surroundings(policy or Policy(), authority_of)


def proposal(risk: Risk = Risk.MEDIUM, **changes: Any) -> Proposal:
    made = Proposal(
        id="prop_1",
        seq=1,
        investigation_id="inv_1",
        title="Roll back payment-service to revision 41",
        risk=risk,
        call=CALL,
        target=TARGET,
        diff=DIFF,
        requester=REQUESTER,
        squad=SQUAD,
        service="payment-service",
        evidence=("ev_1",),
        token=TOKEN,
        digest=digest_of(CALL, TARGET, DIFF, ("ev_1",)),
        made_at=NOW,
        updated_at=NOW,
        expires_at=NOW + timedelta(minutes=15),
    )
    return made.model_copy(update=changes)


def click(by: Principal, *, token: str = TOKEN, after_s: float = 60.0, **more: Any) -> Click:
    return Click(by=by, token=token, at=NOW + timedelta(seconds=after_s), **more)


SEEN = Observed(target=TARGET, diff=DIFF)
