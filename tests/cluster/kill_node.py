"""A process that carries out one approved change on a real cluster, and may die at a named point on the way.

Forked per round, so that `kill -9` is the real one. Points: right after the intent is recorded; before the call is
recorded; after the write was answered, before that is recorded; before the outcome is recorded; or from outside.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

# Imported here once, for the forked processes: what the connector and the store load lazily.
import kubernetes_asyncio.client  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
from pydantic import BaseModel

from bot.domain.access import Role, Squad
from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Evidence
from bot.domain.remediation import ProposalState, proposal_stream
from bot.domain.states import Risk
from bot.services.approvals import ApprovalGate, Decisions, button_value
from bot.services.execute import Execute
from bot.services.policy import AccessFile, Roles
from bot.services.propose import Proposer
from bot.services.remediate import Remediation
from bot.store import Store
from bot.store.model import Appended, Fence
from connectors.kubernetes.connector import CONNECTOR
from connectors.model import Limits, SystemClock, ToolCall
from tests.remediation.making import BO, CY, REQUESTER, SQUAD

NAME = "kubernetes/main"
POINTS = ("after ExecutionStarted", "before ToolStarted", "before ToolFinished", "before ExecutionFinished")
UNSETTLED = frozenset({ProposalState.APPROVED, ProposalState.EXECUTING, ProposalState.UNKNOWN})


class Order(BaseModel):
    """What one process does. `die` is one of POINTS or empty; `round` makes the change and the proposal unique."""

    database: str
    url: str
    token: str
    ca_file: str
    namespace: str
    deployment: str
    round: int
    carry: bool
    die: str = ""

    @property
    def proposal(self) -> str:
        return f"prop_{self.deployment}_{self.round}"


class DyingStore(Store):
    """Says when the intent is recorded, and ends the process at the point that was ordered."""

    die = ""
    told: Connection | None = None
    begun = False
    stream = ""

    async def append(
        self,
        stream: str,
        *,
        expected_seq: int,
        events: Sequence[NewEvent],
        evidence: Sequence[Evidence] = (),
        fence: Fence | None = None,
        delivery_id: str | None = None,
    ) -> Appended:
        kinds = {event.kind.value for event in events}
        side, _, kind = self.die.partition(" ")
        # The first call after the intent is the write; what is recorded of it are the points.
        self.begun = self.begun or EventKind.EXECUTION_STARTED.value in kinds
        # Other proposals of this store may be looked at meanwhile; their records do not count.
        hit = self.begun and kind in kinds and stream == self.stream
        if hit and side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = await super().append(
            stream, expected_seq=expected_seq, events=events, evidence=evidence, fence=fence, delivery_id=delivery_id
        )
        if self.told is not None and EventKind.EXECUTION_STARTED.value in kinds:
            self.told.send("intent")
        if hit and side == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done


async def _role(store: Store, person: str, squad: str) -> None:
    payload = {"principal_id": person, "role": Role.RESPONDER.value, "squad": squad}
    new = NewEvent(kind=EventKind.ROLE_GRANTED, actor="person:UBO", at=SystemClock().now(), payload=dict(payload))
    seq = len(await store.read("access"))
    await store.append("access", expected_seq=seq, events=[new])


async def run(order: Order, told: Connection) -> None:
    """Propose, approve and carry out; or take over what a dead process left, until nothing is unknown."""
    config = CONNECTOR.Config(url=order.url, token=order.token, ca_file=order.ca_file, writes=True)
    clock = SystemClock()
    connector = CONNECTOR(name=NAME, config=config, environment="production", clock=clock)
    store = await DyingStore.open(f"sqlite:///{order.database}", create=True)
    roles = Roles(store=store, access=AccessFile(), squads=(Squad(name=SQUAD),), admins=(BO.id,))
    gate = ApprovalGate(store=store, roles=roles, clock=clock)
    execute = Execute({NAME: (connector, Limits(deadline_s=30.0))}, clock=clock, approvals=gate)
    proposer = Proposer(store=store, execute=execute, books=tuple, roles=roles, clock=clock)
    if order.carry:
        await _approved(order, store, roles, proposer)
        assert isinstance(store, DyingStore)
        store.die, store.told, store.stream = order.die, told, proposal_stream(order.proposal)
    remediation = Remediation(
        store=store, execute=execute, proposer=proposer, roles=roles, clock=clock, worker=f"pid-{os.getpid()}"
    )
    task = asyncio.create_task(remediation.run())
    while (await store.proposal(order.proposal)).state in UNSETTLED:
        await asyncio.sleep(0.05)
    told.send({"state": (await store.proposal(order.proposal)).state.value, "at": time.time()})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()
    await connector.close()


async def _approved(order: Order, store: Store, roles: Roles, proposer: Proposer) -> None:
    if not await store.read("access"):
        await _role(store, CY.id, SQUAD)
    change = {"namespace": order.namespace, "name": order.deployment, "container": "app", "key": "POOL_SIZE"}
    call = ToolCall(connector=NAME, tool="set_environment", arguments={**change, "value": str(1_000 + order.round)})
    bound, preview = await proposer.bind(call, order.proposal)
    body = {"id": order.proposal, "title": "Set the pool", "risk": Risk.MEDIUM, "requester": REQUESTER, "squad": SQUAD}
    proposal = await proposer.make(bound, preview, body, actor="system:worker")
    decisions = Decisions(store=store, roles=roles, clock=SystemClock())
    await decisions.approve(button_value(proposal), by=CY)


def _leave_with(parent: int) -> None:
    """A process does not outlive the trial that forked it, however that one ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main(text: str, told: Connection) -> None:
    """The forked process."""
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    asyncio.run(run(Order.model_validate_json(text), told))
