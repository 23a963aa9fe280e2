"""A worker dies or freezes in the middle of a call: when does another one go on, and is the first one shut out?"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.machine import percentile
from tests.chaos.doubles import read_calls
from tests.chaos.oracles import Verdict, rows
from tests.chaos.site import Site, site
from tests.chaos.yard import Node


@dataclass
class Takeovers:
    """Milliseconds from the blow to the next call at the backend, and what the thawed tried to write."""

    ms: list[float] = field(default_factory=list)
    refused: int = 0
    cycles: int = 0

    def facts(self) -> dict[str, float]:
        if not self.ms:
            return {"cycles": self.cycles}
        shares = {"p50_ms": 0.5, "p99_ms": 0.99}
        return {
            "cycles": self.cycles,
            **{name: round(percentile(self.ms, share)) for name, share in shares.items()},
            "max_ms": round(max(self.ms)),
        }


async def _workers(made: Site) -> tuple[Node, list[Node]]:
    """A face, and two workers whose calls take a second: long enough to be struck in the middle."""
    web = made.add("web0", ["web"])
    workers = [made.add(f"worker{n}", ["worker"], delay_s=(1.0, 1.0)) for n in range(2)]
    await made.yard.start(web, *workers)
    await made.deliver_to(web)
    return web, workers


async def _in_the_middle(made: Site, workers: list[Node]) -> tuple[str, Node]:
    """Ask once; the case, and the worker that is calling its sources now."""
    await made.ask()
    case = f"case-{made.asked:06d}"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        begun = [c for c in read_calls(made.calls) if c["case"] == case and c["what"] == "start"]
        found = [worker for worker in workers if begun and worker.pid == begun[-1]["pid"]]
        if found:
            return case, found[0]
        await asyncio.sleep(0.005)
    raise RuntimeError(f"nobody works on {case}")


async def _next_call(made: Site, case: str, *, not_by: int, within_s: float = 60.0) -> float:
    """When another process began a call for the case."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        others = [c for c in read_calls(made.calls) if c["case"] == case and c["pid"] != not_by]
        if others:
            return float(others[0]["at"])
        await asyncio.sleep(0.005)
    raise RuntimeError(f"nobody took {case} over")


async def after_kill(*, cycles: int, seed: int) -> Verdict:
    """kill -9 in the middle of a call."""
    async with site("postgresql", seed=seed) as made:
        _, workers = await _workers(made)
        await asyncio.sleep(3.5)  # right after it started, PostgreSQL's silence about a process means nothing
        found = Takeovers()
        for _ in range(cycles):
            case, victim = await _in_the_middle(made, workers)
            struck_at, pid = time.time(), victim.pid
            victim.send(signal.SIGKILL)
            found.ms.append(1000 * (await _next_call(made, case, not_by=pid) - struck_at))
            found.cycles += 1
            await made.yard.start(victim)
        return await _end(made, found)


async def after_freeze(*, cycles: int, seed: int) -> Verdict:
    """SIGSTOP in the middle of a call, SIGCONT once another has gone on: then every write of the first is refused."""
    async with site("postgresql", seed=seed) as made:
        _, workers = await _workers(made)
        found = Takeovers()
        for _ in range(cycles):
            case, victim = await _in_the_middle(made, workers)
            struck_at = time.time()
            victim.send(signal.SIGSTOP)
            try:
                found.ms.append(1000 * (await _next_call(made, case, not_by=victim.pid) - struck_at))
            finally:
                victim.send(signal.SIGCONT)
            found.cycles += 1
            await made.settle(within_s=60)
        return await _end(made, found)


async def _end(made: Site, found: Takeovers) -> Verdict:
    await made.settle()
    verdict = await made.judge()
    verdict.count("written by a fenced worker", await _late_writes(made.url))
    verdict.facts |= found.facts()
    return verdict


async def _late_writes(url: str) -> list[str]:
    """Events between two claims come from the first of them only: its calls end before the second claim, and each
    call started before a claim is finished once."""
    events: list[Any] = await rows(
        url, "SELECT stream, seq, type, payload, timestamp FROM investigation_events ORDER BY stream, seq"
    )
    wrong: list[str] = []
    started: dict[tuple[str, str], int] = {}
    for stream, seq, kind, payload, _ in events:
        if kind == "ToolFinished":
            name = payload.partition('"execution_id":"')[2].partition('"')[0]
            started[(stream, name)] = started.get((stream, name), 0) + 1
            if started[(stream, name)] > 1:
                wrong.append(f"{stream} #{seq}")
    return wrong
