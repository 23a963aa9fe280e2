"""The real services over a real store and one switch: what a process holds, as many times as a test wants it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.domain.access import Role, Squad
from bot.domain.events import EventKind, NewEvent
from bot.domain.remediation import Proposal
from bot.domain.states import Risk
from bot.services.approvals import ApprovalGate, Decisions
from bot.services.execute import Execute
from bot.services.policy import AccessFile, Roles
from bot.services.propose import Proposer
from bot.services.remediate import Pace, Remediation
from bot.store import Store
from connectors.base import Connector
from connectors.model import Limits, SystemClock, ToolCall
from tests.remediation.making import ANA, BO, CY, REQUESTER, SQUAD
from tests.remediation.switch import Switch, SwitchConnector

PACE = Pace(tick_s=0.01, verify_every_s=0.01, doubt_s=0.0)
CALL = ToolCall(connector="switch/main", tool="set_level", arguments={"level": 2})


class Clock:
    """The machine's clock, moved by a test."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@dataclass
class Process:
    """One process' share."""

    execute: Execute
    decisions: Decisions
    proposer: Proposer
    remediation: Remediation


@dataclass
class Plant:
    """A store, a switch, and the processes around them. `more`: other targets, made anew for every process."""

    store: Store
    switch: Switch
    clock: Clock
    roles: Roles
    more: Mapping[str, Callable[[], Connector[Any]]] = field(default_factory=dict)
    held: list[Execute] = field(default_factory=list)
    observe: Callable[[Proposal], None] | None = None

    def process(self, name: str = "one", pace: Pace = PACE) -> Process:
        store, roles, clock = self.store, self.roles, self.clock
        gate = ApprovalGate(store=store, roles=roles, clock=clock)
        limits = Limits(deadline_s=5.0)
        others = {name: (make(), limits) for name, make in self.more.items()}
        targets = {"switch/main": (SwitchConnector(self.switch), limits), **others}
        execute = Execute(targets, clock=clock, approvals=gate)
        self.held.append(execute)
        proposer = Proposer(store=store, execute=execute, books=tuple, roles=roles, clock=clock)
        remediation = Remediation(
            store=store,
            execute=execute,
            proposer=proposer,
            roles=roles,
            clock=clock,
            worker=name,
            pace=pace,
            observe=self.observe,
        )
        return Process(execute, Decisions(store=store, roles=roles, clock=clock), proposer, remediation)

    async def proposed(
        self,
        risk: Risk = Risk.MEDIUM,
        *,
        key: str = "prop_1",
        undo: bool = False,
        settle_s: float = 60.0,
        wanted: ToolCall = CALL,
    ) -> Proposal:
        proposer = self.process().proposer
        call, preview = await proposer.bind(wanted, key)
        back = ToolCall(connector="switch/main", tool="set_level", arguments={"level": 1}) if undo else None
        body = {"id": key, "title": "Set the level to 2", "risk": risk, "requester": REQUESTER, "squad": SQUAD}
        more = {"evidence": ("ev_1",), "undo": back, "settle_s": settle_s, "undo_title": "Set it back" if undo else ""}
        return await proposer.make(call, preview, {**body, **more}, actor="system:worker")

    async def event(self, proposal_id: str, kind: EventKind, **payload: str) -> None:
        """Write an event as a process would that then died."""
        state = await self.store.proposal(proposal_id)
        new = NewEvent(kind=kind, actor="system:inquest", at=self.clock.now(), payload=dict(payload))
        await self.store.append(f"proposal/{proposal_id}", expected_seq=state.seq, events=[new])

    async def role(self, kind: EventKind, person: str, role: Role, squad: str) -> None:
        seq = len(await self.store.read("access"))
        payload = {"principal_id": person, "role": role.value, "squad": squad}
        new = NewEvent(kind=kind, actor="person:UBO", at=self.clock.now(), payload=dict(payload))
        await self.store.append("access", expected_seq=seq, events=[new])


@contextlib.asynccontextmanager
async def a_plant(
    folder: Path,
    *,
    url: str | None = None,
    more: Mapping[str, Callable[[], Connector[Any]]] | None = None,
    fresh: bool = True,
) -> AsyncIterator[Plant]:
    """On SQLite, or at `url`. Ana leads the squad and Cy responds by role bindings; Bo is admin by configuration.

    Not `fresh`: somebody else lays the roles.
    """
    clock = Clock()
    store = await Store.open(url or f"sqlite:///{folder}/inquest.db", create=True)
    squads = (Squad(name=SQUAD, services=("payment-service",)),)
    roles = Roles(store=store, access=AccessFile(), squads=squads, admins=(BO.id,))
    plant = Plant(store, Switch(), clock, roles, more or {})
    if fresh:
        await plant.role(EventKind.ROLE_GRANTED, ANA.id, Role.LEAD, SQUAD)
        await plant.role(EventKind.ROLE_GRANTED, CY.id, Role.RESPONDER, SQUAD)
    try:
        yield plant
    finally:
        for execute in plant.held:
            await execute.close()
        await store.close()
