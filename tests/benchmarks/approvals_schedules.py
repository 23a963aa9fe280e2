"""Random schedules of people and processes over one proposal each, with real barriers, on a real store.

`python -m tests.benchmarks.approvals_schedules --store sqlite|postgres --count 20000`

A schedule is a few actors with a few deeds each; the n-th deeds of all actors begin together at a barrier and race in
the store. An oracle that shares no code with the decision core then reads the log and the target: nothing was carried
out without live, distinct, authorised, unexpired approvals of exactly the digest that ran, and nothing twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from bot.domain.access import Principal, Role, Squad
from bot.domain.events import Event, EventKind, NewEvent
from bot.domain.evidence import ChosenBy
from bot.domain.remediation import Proposal, proposal_stream
from bot.domain.states import Risk
from bot.errors import BotError, SequenceConflict
from bot.services.approvals import button_value
from bot.services.policy import AccessFile, Roles
from bot.services.remediate import Recorder
from bot.store import Store
from connectors.model import ToolCall
from tests.benchmarks.machine import speed_line
from tests.remediation.making import BO, REQUESTER, SQUAD, person
from tests.remediation.plant import CALL, Clock, Plant, Process
from tests.remediation.switch import Switch

_PER_STORE = 25  # each look at the roles reads those of everybody in the store
_AT_ONCE = 8
_NEEDED = {Risk.LOW: 1, Risk.MEDIUM: 1, Risk.HIGH: 1, Risk.CRITICAL: 2}
DEEDS = (
    "approve a", "approve a", "approve a", "approve b", "approve b", "approve requester", "approve stranger",
    "duplicate", "forged", "reject", "revoke a", "grant a", "expire", "change target", "change evidence",
    "execute one", "execute one", "execute two", "crash", "cancel", "replay", "lose answer", "direct write",
)  # fmt: skip


@dataclass
class World:
    """One schedule's proposal, people, clock and target, and what happened when (monotonic seconds)."""

    plant: Plant
    number: int
    risk: Risk
    a: Principal
    b: Principal
    processes: dict[str, Process] = field(default_factory=dict)
    proposal: Proposal | None = None
    began: list[float] = field(default_factory=list)
    revoked_at: float | None = None
    expired_at: float | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"prop_{self.number}"

    @property
    def value(self) -> str:
        assert self.proposal is not None
        return button_value(self.proposal)


async def play(world: World, dice: random.Random) -> None:
    """Propose, let the actors loose, then let a last process bring it to rest."""
    world.processes = {name: world.plant.process(name) for name in ("one", "two", "last")}
    world.proposal = await world.plant.proposed(world.risk, key=world.id, undo=dice.random() < 0.1)
    actors = [[dice.choice(DEEDS) for _ in range(dice.randint(1, 4))] for _ in range(dice.randint(2, 4))]
    rounds = max(len(deeds) for deeds in actors)
    barrier = asyncio.Barrier(len(actors))

    async def act(deeds: Sequence[str]) -> None:
        for number in range(rounds):
            await barrier.wait()
            if number < len(deeds):
                with contextlib.suppress(BotError):
                    await _do(world, deeds[number], dice)

    await asyncio.gather(*(act(deeds) for deeds in actors))
    for _ in range(4):
        with contextlib.suppress(BotError):
            await _step(world, "last")
    await judge(world)


async def _do(world: World, deed: str, dice: random.Random) -> None:
    one = world.processes["one"]
    match deed.split():
        case ["approve", who]:
            by = {"a": world.a, "b": world.b, "requester": REQUESTER, "stranger": person("stranger")}[who]
            await dice.choice([one, world.processes["two"]]).decisions.approve(world.value, by=by)
        case ["duplicate" | "replay"]:
            await one.decisions.approve(world.value, by=world.a, delivery_id=f"d{world.number}")
        case ["forged"]:
            await one.decisions.approve(f"{world.id}.{'0' * 32}", by=world.b)
        case ["reject"]:
            await one.decisions.reject(world.value, by=world.b)
        case ["revoke" | "grant", "a"]:
            await _change_role(world, deed.startswith("grant"))
        case ["expire"]:
            world.plant.clock.ahead += timedelta(minutes=16)
            world.expired_at = world.expired_at or time.monotonic()
        case ["change", "target"]:
            world.plant.switch.version += 1
        case ["execute", name]:
            await _step(world, name)
        case ["crash" | "cancel"]:
            await _cut(world, dice)
        case ["lose", "answer"]:
            world.plant.switch.answer = dice.choice(["late", "lost", "yes"])
        case _:
            await _cheat(world, deed, dice)


async def _cheat(world: World, deed: str, dice: random.Random) -> None:
    """What no person does: other evidence under the same id, a write past the executor."""
    assert world.proposal is not None
    one = world.processes["one"]
    if deed == "change evidence":
        body = {"id": world.id, "title": "x", "risk": Risk.LOW, "requester": world.a, "evidence": ("ev_other",)}
        call, preview = await one.proposer.bind(CALL, world.id)
        await one.proposer.make(call, preview, {**body, "squad": SQUAD}, actor="system:worker")
    else:
        stream = proposal_stream(world.id)
        call = dice.choice([world.proposal.call, ToolCall(connector="switch/main", tool="set_level", arguments={})])
        rogue = world.plant.process("rogue").execute
        rogue.attach(stream, Recorder(world.plant.store, world.id))
        await rogue.run(call, by=ChosenBy.REASONER, stream=stream, approval=world.id)


async def _step(world: World, name: str) -> None:
    world.began.append(time.monotonic())
    await world.processes[name].remediation.step(world.id)


async def _cut(world: World, dice: random.Random) -> None:
    """A process that dies at some await of carrying out."""
    task = asyncio.create_task(_step(world, "two"))
    await asyncio.sleep(dice.uniform(0, 0.02))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _change_role(world: World, give: bool) -> None:
    kind = EventKind.ROLE_GRANTED if give else EventKind.ROLE_REVOKED
    while True:
        try:
            await world.plant.role(kind, world.a.id, Role.LEAD, SQUAD)
        except SequenceConflict:
            continue
        break
    if not give:
        world.revoked_at = time.monotonic()


# -- the oracle --------------------------------------------------------------------------------------------------------


async def judge(world: World) -> None:
    """What must never be, told from the log and the target alone."""
    events = await world.plant.store.read(proposal_stream(world.id))
    switch, kinds = world.plant.switch, [event.kind for event in events]
    starts = [event for event in events if event.kind is EventKind.EXECUTION_STARTED]
    _note(world, switch.sent > 1 or len(switch.applied) > 1, "sent twice")
    _note(world, len(starts) > 1, "begun twice")
    _note(world, bool(switch.sent) and not starts, "sent without a recorded intent")
    _note(world, EventKind.PROPOSAL_REJECTED in kinds and switch.sent > 0, "sent although rejected")
    _note(world, kinds.count(EventKind.PROPOSAL_MADE) != 1, "proposed twice")
    if starts:
        _judge_start(world, events, starts[0])
    if switch.sent:
        await _judge_sent(world, events)
    if await world.plant.store.first_broken_link(proposal_stream(world.id)):
        world.problems.append("a broken chain")


def _judge_start(world: World, events: list[Event], start: Event) -> None:
    made: Any = events[0].payload["proposal"]
    before = [event for event in events if event.seq < start.seq]
    approvals: list[Any] = [e.payload["approval"] for e in before if e.kind is EventKind.PROPOSAL_APPROVED]
    people = [one["principal_id"] for one in approvals]
    allowed = {world.a.id, world.b.id} | ({REQUESTER.id} if world.risk is Risk.LOW else set())
    _note(world, len(set(people)) < _NEEDED[world.risk], "begun with too few people")
    _note(world, len(set(people)) != len(people), "somebody counted twice")
    _note(world, not set(people) <= allowed, "begun by somebody who may not")
    _note(world, any(one["digest"] != made["digest"] for one in approvals), "approved something else")
    _note(world, any(_at(one["at"]) >= _at(made["expires_at"]) for one in approvals), "approved too late")


async def _judge_sent(world: World, events: list[Event]) -> None:
    """Nobody even began before it had expired, or before the one approval that was needed lost its role for good."""
    began = world.began[0]
    late = world.expired_at is not None and world.expired_at < began
    _note(world, late, "sent although it had expired before anybody began")
    if world.revoked_at is None or world.revoked_at > began:
        return
    roles = [e for e in await world.plant.store.read("access") if e.payload["principal_id"] == world.a.id]
    approvals: list[Any] = [e.payload["approval"] for e in events if e.kind is EventKind.PROPOSAL_APPROVED]
    others = {one["principal_id"] for one in approvals} - {world.a.id}
    gone = roles[-1].kind is EventKind.ROLE_REVOKED and len(others) < _NEEDED[world.risk]
    _note(world, gone, "sent without a live role")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _note(world: World, wrong: bool, words: str) -> None:
    if wrong:
        world.problems.append(words)


# -- many of them ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def a_store(url: str | None, number: int) -> AsyncIterator[Store]:
    """A fresh SQLite file, or a workspace of its own in the database at `url`."""
    if url is not None:
        store = await Store.open(url, workspace=f"w{number}_{time.time_ns()}")
        try:
            yield store
        finally:
            await store.close()
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        store = await Store.open(f"sqlite:///{folder}/inquest.db", create=True)
        try:
            yield store
        finally:
            await store.close()


async def run(count: int, *, seed: int, url: str | None = None, per_store: int = _PER_STORE) -> Counter[str]:
    """`count` schedules, a few at once over one store, and how they ended."""
    tally: Counter[str] = Counter()
    for begin in range(0, count, per_store):
        async with a_store(url, begin) as store:
            numbers = range(begin, min(begin + per_store, count))
            worlds = await _worlds(store, numbers, seed)
            gate = asyncio.Semaphore(_AT_ONCE)
            await asyncio.gather(*(_one(world, gate, seed, tally) for world in worlds))
    return tally


async def _worlds(store: Store, numbers: range, seed: int) -> list[World]:
    squads = (Squad(name=SQUAD, services=("payment-service",)),)
    roles = Roles(store=store, access=AccessFile(), squads=squads, admins=(BO.id,))
    worlds = []
    for number in numbers:
        risk = random.Random(f"{seed}/{number}/risk").choice(list(Risk))
        plant = Plant(store, Switch(pause_s=0.001), Clock(), roles)
        worlds.append(World(plant, number, risk, person(f"ana{number}"), person(f"bea{number}")))
    people = [p for w in worlds for p in (w.a, w.b)]
    payloads: list[Any] = [{"principal_id": p.id, "role": Role.LEAD.value, "squad": SQUAD} for p in people]
    now = Clock().now()
    given = [NewEvent(kind=EventKind.ROLE_GRANTED, actor="person:UBO", at=now, payload=one) for one in payloads]
    await store.append("access", expected_seq=0, events=given)
    return worlds


async def _one(world: World, gate: asyncio.Semaphore, seed: int, tally: Counter[str]) -> None:
    async with gate:
        await play(world, random.Random(f"{seed}/{world.number}"))
    state = await world.plant.store.proposal(world.id)
    tally["schedules"] += 1
    tally[f"ended {state.state.value}"] += 1
    tally["carried out"] += world.plant.switch.sent
    if world.problems:
        tally["WRONG"] += 1
        print(f"WRONG schedule {world.number} ({world.risk.value}): {'; '.join(world.problems)}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print(speed_line())
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(a_database()) if options.store == "postgres" else None
        tally = asyncio.run(run(options.count, seed=options.seed, url=url))
    for name in sorted(tally):
        print(f"{name:<24} {tally[name]:>8,}")
    print(f"{options.store}: {tally['WRONG']} wrong, {time.perf_counter() - began:.0f} s")
    return 1 if tally["WRONG"] else 0


@contextlib.contextmanager
def a_database() -> Any:
    """A PostgreSQL of its own, laid out."""
    from bot.store import schema
    from tests.support.servers import PostgresServer

    # What races is the same without waiting for the disk at every commit; nothing here is about power cuts.
    server = PostgresServer(settings={"fsync": "off", "synchronous_commit": "off"})
    try:
        url = f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/postgres"
        schema.upgrade(url)
        yield url
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
