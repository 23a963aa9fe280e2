"""A small explicit-state explorer: every interleaving of what people, time, the target and crashes can do.

It runs the real rules and the real fold. What must never happen is judged from its own notes, not from the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain import deciding
from bot.domain.access import Principal
from bot.domain.authority import Grant
from bot.domain.deciding import ClickRule, GateRule, Observed, StartRule
from bot.domain.events import Event, EventKind, NewEvent, chain
from bot.domain.remediation import Approval, Proposal, ProposalState, Target, apply, event_payload, open_from
from bot.domain.states import Risk
from bot.errors import MoveRefused
from connectors.model import JsonObject
from tests.remediation.making import ANA, BO, DIFF, NOW, REQUESTER, ROLES, TOKEN, around, click, proposal

STREAM = "proposal/prop_1"
LATE_S = 3_600.0
ACTIONS = (
    "propose", "approve A", "approve B", "approve requester", "reject", "expire", "role of A removed",
    "target changed", "duplicate click", "replay", "crash before", "crash after", "execute", "settle", "cancel",
)  # fmt: skip
NEEDED = {Risk.LOW: 1, Risk.MEDIUM: 1, Risk.HIGH: 1, Risk.CRITICAL: 2}


@dataclass(frozen=True)
class Rules:
    """The tables under test; a mutant lacks one entry."""

    approve: Mapping[str, ClickRule] = field(default_factory=lambda: deciding.APPROVE_RULES)
    start: Mapping[str, StartRule] = field(default_factory=lambda: deciding.START_RULES)
    gate: Mapping[str, GateRule] = field(default_factory=lambda: deciding.GATE_RULES)


@dataclass(frozen=True)
class World:
    """The proposal as folded, the world around it, and the explorer's own notes."""

    risk: Risk
    current: Proposal | None = None
    stale: Proposal | None = None  # an executor's old view, kept from when it was approved
    late: bool = False
    a_has_role: bool = True
    version: str = "7"
    armed: str = ""
    writes: int = 0
    accepted: tuple[str, ...] = ()  # who the explorer saw accepted
    violations: tuple[str, ...] = ()

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=LATE_S if self.late else 60.0)

    def key(self) -> object:
        """What makes two worlds the same: everything but how they came about."""
        seen = self.current and (
            self.current.state, self.current.sends, tuple(sorted(a.principal_id for a in self.current.approvals)),
            self.current.executor,
        )  # fmt: skip
        old = self.stale and (self.stale.seq == (self.current.seq if self.current else 0))
        rest = (self.late, self.a_has_role, self.version, self.armed, self.writes, tuple(sorted(self.accepted)))
        return (self.risk, seen, old, rest, self.violations)


def around_of(world: World) -> deciding.Surroundings:
    roles: dict[str, frozenset[Grant]] = dict(ROLES)
    if not world.a_has_role:
        roles["UANA"] = frozenset()
    return around(roles)


def explore(risk: Risk, depth: int, rules: Rules | None = None) -> tuple[set[str], int]:
    """Violations found within `depth` steps, and how many different worlds were seen."""
    rules = rules or Rules()
    start = World(risk)
    seen = {start.key()}
    frontier, found = [start], set[str]()
    for _ in range(depth):
        following: list[World] = []
        for world in frontier:
            for nxt in steps(world, rules):
                if nxt.key() not in seen:
                    seen.add(nxt.key())
                    following.append(nxt)
                    found.update(nxt.violations)
        frontier = following
    return found, len(seen)


def steps(world: World, rules: Rules) -> Iterator[World]:
    for action in ACTIONS:
        yield step(world, action, rules)


def step(world: World, action: str, rules: Rules) -> World:
    """The world after one action; the same world when it is refused."""
    if action == "propose":
        return world if world.current else _propose(world)
    if action == "expire":
        return _time_passes(world)
    if action == "role of A removed":
        return replace(world, a_has_role=False)
    if action == "target changed":
        return replace(world, version="8")
    if world.current is None:
        return world
    if action.startswith(("approve", "duplicate")):
        who = {"approve B": BO, "approve requester": REQUESTER}.get(action, ANA)
        return _approve(world, who, rules)
    if action.startswith("crash"):
        return replace(world, armed=action)
    other = {"reject": _reject, "cancel": _cancel, "settle": _settle}.get(action)
    if other:
        return other(world)
    return _execute(world, rules) if action == "execute" else _replay(world, rules)


def _append(world: World, kind: EventKind, payload: JsonObject, *, behind: Proposal | None = None) -> World | None:
    """As the store does it: only behind the expected sequence. None: somebody else wrote first."""
    current = world.current
    expected = behind or current
    if current is None or expected is None or expected.seq != current.seq:
        return None
    last = Event(
        stream=STREAM, seq=current.seq, hash="0" * 64, previous_hash="0" * 64, kind=kind, actor="x", at=NOW, payload={}
    )
    try:
        made = apply(current, chain(STREAM, last, NewEvent(kind=kind, actor="x", at=world.now, payload=payload)))
    except MoveRefused:
        return None
    return replace(world, current=made)


def _propose(world: World) -> World:
    made = proposal(world.risk)
    new = NewEvent(kind=EventKind.PROPOSAL_MADE, actor="x", at=NOW, payload=event_payload(made))
    return replace(world, current=open_from(chain(STREAM, None, new)))


def _time_passes(world: World) -> World:
    late = replace(world, late=True)
    if late.current and late.current.state in (ProposalState.PROPOSED, ProposalState.APPROVED):
        # The keeper may be slow, so that both are explored: it noted the expiry, or not yet.
        return late if world.late is False else _append(late, EventKind.PROPOSAL_EXPIRED, {}) or late
    return late


def _approve(world: World, who: Principal, rules: Rules) -> World:
    assert world.current is not None
    made = click(who, token=TOKEN, after_s=LATE_S if world.late else 60.0)
    if deciding.click_refusal(world.current, made, around_of(world), rules.approve):
        return world
    bad = [*_wrong_acceptance(world, who)]
    approval = Approval(id=f"apr_{who.id}", principal_id=who.id, digest=world.current.digest, at=made.at)
    after = world.current.model_copy(update={"approvals": (*world.current.approvals, approval)})
    complete = deciding.is_complete(after, around_of(world))
    payload: JsonObject = {"approval": approval.model_dump(mode="json"), "complete": complete}
    nxt = _append(world, EventKind.PROPOSAL_APPROVED, payload)
    if nxt is None:
        return replace(world, violations=tuple(sorted({*world.violations, *bad})))
    stale = nxt.current if complete else world.stale
    return replace(
        nxt, stale=stale, accepted=(*world.accepted, who.id), violations=tuple(sorted({*world.violations, *bad}))
    )


def _wrong_acceptance(world: World, who: Principal) -> Iterator[str]:
    """The explorer's own judgement of a click that was accepted."""
    if world.late:
        yield "accepted after expiry"
    if who is REQUESTER and world.risk is not Risk.LOW:
        yield "accepted from the requester"
    if who is ANA and not world.a_has_role:
        yield "accepted without the role"
    if who.id in world.accepted:
        yield "accepted twice from one person"
    if world.current and world.current.state is not ProposalState.PROPOSED:
        yield "accepted when it was decided already"


def _reject(world: World) -> World:
    assert world.current is not None
    said = deciding.click_refusal(world.current, click(BO), around_of(world), deciding.REJECT_RULES)
    return world if said else _append(world, EventKind.PROPOSAL_REJECTED, {"reason": "no"}) or world


def _cancel(world: World) -> World:
    return _append(world, EventKind.PROPOSAL_SUPERSEDED, {"reason": "cancelled"}) or world


def _execute(world: World, rules: Rules) -> World:
    assert world.current is not None
    seen = Observed(target=Target(name=world.current.target.name, uid="uid-1", version=world.version), diff=DIFF)
    if deciding.start_refusal(world.current, seen, now=world.now, around=around_of(world), rules=rules.start):
        return world
    begun = _append(world, EventKind.EXECUTION_STARTED, {"executor": "e1"})
    if begun is None:
        return world
    begun = replace(begun, armed="", violations=tuple(sorted({*begun.violations, *_wrong_start(world)})))
    if world.armed == "crash before":
        return begun
    return _send(begun, rules, crash=world.armed == "crash after")


def _wrong_start(world: World) -> Iterator[str]:
    if world.version != "7":
        yield "begun on a changed target"
    if world.late:
        yield "begun after expiry"


def _send(world: World, rules: Rules, *, crash: bool) -> World:
    assert world.current is not None
    sent = _append(world, EventKind.TOOL_STARTED, {"digest": world.current.call.digest})
    if sent is None or sent.current is None:
        return world
    if deciding.may_execute(sent.current, sent.current.call, now=sent.now, around=around_of(sent), rules=rules.gate):
        return sent
    if sent.version != sent.current.target.version:  # the target's own precondition refuses, whoever asks
        return _append(sent, EventKind.EXECUTION_FINISHED, {"outcome": "failed"}) or sent
    bad = set(_wrong_write(sent)) | set(sent.violations)
    wrote = replace(sent, writes=sent.writes + 1, violations=tuple(sorted(bad)))
    if crash:
        return wrote
    return _append(wrote, EventKind.EXECUTION_FINISHED, {"outcome": "succeeded"}) or wrote


def _wrong_write(world: World) -> Iterator[str]:
    """The explorer's own judgement of a write that happened."""
    live = {
        who for who in world.accepted
        if not (who == "UANA" and not world.a_has_role) and not (who == "UREQ" and world.risk is not Risk.LOW)
    }  # fmt: skip
    if len(live) < NEEDED[world.risk]:
        yield "written without live approvals"
    if world.late:
        yield "written after expiry"
    if world.writes:
        yield "written twice"


def _replay(world: World, rules: Rules) -> World:
    """An executor with an old view begins again; and whoever is in the process sends the same call once more."""
    if world.stale is None:
        return world
    begun = _append(world, EventKind.EXECUTION_STARTED, {"executor": "e2"}, behind=world.stale)
    if begun is not None:
        seen = Observed(target=Target(name=world.stale.target.name, uid="uid-1", version=world.version), diff=DIFF)
        if deciding.start_refusal(world.stale, seen, now=world.now, around=around_of(world), rules=rules.start):
            return world
        return _send(begun, rules, crash=False)
    return _send(world, rules, crash=False)


def _settle(world: World) -> World:
    """Another process takes over what was left executing, and reads the target's own marks."""
    assert world.current is not None
    if world.current.state is ProposalState.EXECUTING:
        return _append(world, EventKind.OUTCOME_UNKNOWN, {"reason": "taken over"}) or world
    if world.current.state is ProposalState.UNKNOWN:
        return _append(world, EventKind.TARGET_READ, {"applied": world.writes > 0}) or world
    return world
