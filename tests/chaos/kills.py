"""kill -9: at random instants while people keep asking, and at every named point."""

from __future__ import annotations

import asyncio
import time

from tests.chaos.node import POINTS, Crash
from tests.chaos.oracles import Verdict
from tests.chaos.site import Site, site
from tests.chaos.yard import Node

WEB_POINTS = tuple(p for p in POINTS if p.partition(".")[0] in ("append", "posted", "published"))
WORKER_POINTS = tuple(p for p in POINTS if p.partition(".")[0] in ("append", "claim", "release", "call"))


async def _build(made: Site) -> list[Node]:
    """One process on SQLite; two faces and two workers on PostgreSQL."""
    if made.server is None:
        nodes = [made.add("serve", ["web", "worker"])]
    else:
        nodes = [made.add(f"{part}{n}", [part]) for part in ("web", "worker") for n in range(2)]
    await made.yard.start(*nodes)
    await made.deliver_to(*(node for node in nodes if "web" in node.options.parts))
    return nodes


async def random_kills(kind: str, *, count: int, seed: int, per_s: float = 1.5) -> Verdict:
    """`count` kills, each followed by a restart at once."""
    async with site(kind, seed=seed) as made:
        nodes = await _build(made)
        made.keep_asking(per_s)
        for _ in range(count):
            await asyncio.sleep(made.random.uniform(0.05, 0.9))
            victim = made.random.choice(nodes)
            await made.yard.kill(victim)
            # Mostly let it come up, so that it is struck at work; now and then strike it while it starts.
            await made.yard.start(victim, ready=made.random.random() < 0.75)
        return await _end(made, kills=count)


async def named_points(kind: str, *, seed: int, numbers: tuple[int, ...] = (1, 4)) -> Verdict:
    """Every point, at its first and at a later passage; then the process starts again without one."""
    async with site(kind, seed=seed) as made:
        nodes = await _build(made)
        made.keep_asking(1.0)
        died, missed = 0, []
        for point in POINTS:
            for number in numbers:
                part = "web" if point in WEB_POINTS and (point not in WORKER_POINTS or number == 1) else "worker"
                victim = made.random.choice([node for node in nodes if part in node.options.parts])
                if await _until_it_dies(made, victim, Crash(point=point, number=number)):
                    died += 1
                else:
                    missed.append(f"{point} {number} in {victim.name}")
        verdict = await _end(made, kills=died)
        verdict.count("points not reached", missed)
        return verdict


async def _until_it_dies(made: Site, victim: Node, crash: Crash, *, within_s: float = 60.0) -> bool:
    """False when it had to be killed, because it did not come to that point."""
    rivals = [node for node in made.nodes if node is not victim and node.options.parts == victim.options.parts]
    for node in (victim, *rivals):  # the rivals too, so that the work comes to the one that is to die
        await made.yard.kill(node)
    await made.yard.start(victim, crash=crash, ready=False)
    end = time.monotonic() + within_s
    while victim.lives() and time.monotonic() < end:
        await asyncio.sleep(0.005)
    died = not victim.lives()
    await made.yard.kill(victim)
    await made.yard.start(victim, *rivals, ready=True)
    return died


async def _end(made: Site, *, kills: int) -> Verdict:
    await made.stop_asking()
    seconds = await made.settle(within_s=300)
    verdict = await made.judge()
    verdict.facts |= {"kills": kills, "settled_s": round(seconds, 1)}
    return verdict
