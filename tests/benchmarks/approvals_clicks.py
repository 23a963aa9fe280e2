"""64 clicks at once from two processes on one PostgreSQL: `python -m tests.benchmarks.approvals_clicks --rounds 200`

Each process holds the services and the duty loop, as `inquest worker` does. The target is a feature flag on a server
of the parent's, which counts what was sent to it. Each round: one proposal, a barrier, 32 clicks in each process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import structlog

from bot.errors import BotError
from bot.services.approvals import button_value
from bot.services.remediate import Pace
from connectors.model import ToolCall
from tests.benchmarks.approvals_schedules import a_database
from tests.benchmarks.machine import speed_line
from tests.remediation.making import ANA, CY
from tests.remediation.plant import Plant, a_plant
from tests.remediation.targets import platform
from tests.support.platform_double import PlatformDouble

_CLICKS = 32
_NAME = "http_tools/platform"
_PACE = Pace(tick_s=0.02, verify_every_s=0.02, doubt_s=0.5)
_ROUND_S = 120.0


class _At:
    """A server that is elsewhere."""

    def __init__(self, url: str) -> None:
        self.url = url


async def child(url: str, target: str, name: str) -> None:
    """Clicks on whatever proposal each line names, all at once, and says how many clicks counted."""
    more = {_NAME: lambda: platform(_At(target))}
    async with a_plant(Path(tempfile.gettempdir()), url=url, more=more, fresh=False) as plant:
        process = plant.process(name, pace=_PACE)
        duty = asyncio.create_task(process.remediation.run())
        print("ready", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            proposal = await plant.store.proposal(line)
            value, barrier = button_value(proposal), asyncio.Barrier(_CLICKS)
            said = await asyncio.gather(*(_click(process.decisions, barrier, value, n) for n in range(_CLICKS)))
            process.remediation.kick()
            print(sum(said), flush=True)
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)


async def _click(decisions: object, barrier: asyncio.Barrier, value: str, number: int) -> bool:
    await barrier.wait()
    try:
        await decisions.approve(value, by=CY if number % 3 else ANA)  # type: ignore[attr-defined]
    except BotError:
        return False
    return True


@contextlib.asynccontextmanager
async def _children(url: str, target: str) -> AsyncIterator[list[Process]]:
    command = (sys.executable, "-m", "tests.benchmarks.approvals_clicks", "--child", url, target)
    environment = {**os.environ, "INQUEST_LOG_LEVEL": "ERROR"}
    made = [
        await asyncio.create_subprocess_exec(*command, name, stdin=PIPE, stdout=PIPE, env=environment)
        for name in ("one", "two")
    ]
    try:
        for process in made:
            await _line(process)
        yield made
    finally:
        for process in made:
            assert process.stdin is not None
            process.stdin.close()
        for process in made:
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _line(process: Process) -> str:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _ROUND_S)
    if not line:
        raise SystemExit("a process ended")
    return line.decode().strip()


async def run(rounds: int, *, url: str) -> Counter[str]:
    """`rounds` rounds; WRONG counts those with other than one execution or one counted click."""
    tally: Counter[str] = Counter()
    async with PlatformDouble() as server, _children(url, server.url) as children:
        more = {_NAME: lambda: platform(server)}
        async with a_plant(Path(tempfile.gettempdir()), url=url, more=more) as plant:
            for number in range(rounds):
                wrong = await _round(plant, server, children, number)
                tally["rounds"] += 1
                tally["WRONG"] += bool(wrong)
                if wrong:
                    print(f"WRONG round {number}: {wrong}")
        tally["writes"] = len(server.writes)
    return tally


async def _round(plant: Plant, server: PlatformDouble, children: list[Process], number: int) -> str:
    enabled = not server.flags["fast-lane"]["enabled"]
    call = ToolCall(connector=_NAME, tool="set_flag", arguments={"flag": "fast-lane", "enabled": enabled})
    proposal = await plant.proposed(wanted=call, key=f"prop_{number}")
    before = len(server.writes)
    for process in children:
        assert process.stdin is not None
        process.stdin.write(f"{proposal.id}\n".encode())
    counted = sum([int(await _line(process)) for process in children])
    async with asyncio.timeout(_ROUND_S):
        while (await plant.store.proposal(proposal.id)).state.is_open:
            await asyncio.sleep(0.02)
    done = await plant.store.proposal(proposal.id)
    sent = len(server.writes) - before
    good = (counted, sent, len(done.approvals), done.sends, done.state.value) == (1, 1, 1, 1, "succeeded")
    return "" if good else f"{counted} clicks counted, {sent} sent, state {done.state.value}: {done.outcome_text}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--child", nargs=3, metavar=("URL", "TARGET", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if options.child:
        asyncio.run(child(*options.child))
        return 0
    print(speed_line())
    began = time.perf_counter()
    with a_database() as url:
        tally = asyncio.run(run(options.rounds, url=url))
    print(f"{tally['rounds']} rounds of 64 clicks from two processes: {tally['writes']} writes, {tally['WRONG']} wrong")
    print(f"{time.perf_counter() - began:.0f} s")
    return 1 if tally["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
