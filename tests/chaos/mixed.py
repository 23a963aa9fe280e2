"""Every kind of blow in one short trial: what the ordinary test run can afford."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.oracles import Verdict
from tests.chaos.site import Site, site
from tests.chaos.yard import Node

_BETWEEN_S = (0.2, 0.6)
_FROZEN_S = 2.5  # longer than a lease


async def blows(kind: str, *, seed: int, kills: int = 3) -> Verdict:
    """Processes killed, one frozen, the database restarted, Slack away for two minutes of its time."""
    async with site(kind, seed=seed) as made:
        nodes = await _build(made)
        await made.ask()
        await made.settle(within_s=60)  # people are known, everything is loaded
        made.keep_asking(1.5)
        for _ in range(kills):
            await asyncio.sleep(made.random.uniform(*_BETWEEN_S))
            await made.yard.kill(victim := made.random.choice(nodes))
            await made.yard.start(victim)
        if made.server is not None:
            await _freeze(made, nodes)
            await asyncio.to_thread(made.server.restart, down_s=0.5, hard=True)
        await _slack_away(made)
        await made.stop_asking()
        seconds = await made.settle(within_s=240)
        # A frozen process may begin a read that it was about to begin; what it writes is what is refused.
        verdict = await made.judge(zombies=True)
        verdict.facts |= {"kills": kills, "settled_s": round(seconds, 1)}
        return verdict


async def _build(made: Site) -> list[Node]:
    """One process on SQLite; a face and two workers on PostgreSQL."""
    if made.server is None:
        nodes = [made.add("serve", ["web", "worker"])]
    else:
        nodes = [made.add("web", ["web"]), made.add("worker0", ["worker"]), made.add("worker1", ["worker"])]
    await made.yard.start(*nodes)
    await made.deliver_to(nodes[0])
    return nodes


async def _freeze(made: Site, nodes: list[Node]) -> None:
    victim = made.random.choice(nodes)
    victim.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(_FROZEN_S)
    finally:
        victim.send(signal.SIGCONT)


async def _slack_away(made: Site) -> None:
    """It fails after it did post, which is the worst it can do, and then does not answer at all."""
    for outage in ({"mode": "error", "error": "internal_error", "after": True}, {"mode": "status", "status": 503}):
        await made.control.do("outage", outage)
        await asyncio.sleep(1.0)
        await made.control.do("outage", {"clear": True})
