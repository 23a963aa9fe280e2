"""Does Inquest name the right cause in every demo scenario? `python -m tests.benchmarks.scenarios --seeds 20`

Each run is the real thing: backends on loopback in their own wire formats, our connectors, the engine, SQLite. The
backends run in a process of their own, so that their work is not ours. The truth is worked out after the report.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from bot.app import App
from bot.cli.world_process import WorldProcess
from bot.demo.world.plan import SCENARIOS, Truth, make_plan
from bot.domain.access import SYSTEM
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.domain.report import Report
from bot.domain.states import Verdict
from bot.services.investigations import OpenRequest
from bot.settings import load_settings
from tests.benchmarks.machine import percentile, speed_line


class Result(NamedTuple):
    scenario: str
    seed: int
    right: bool
    said: str
    truth: str
    seconds: float
    gaps_named: bool


async def run_one(scenario: str, seed: int) -> Result:
    """One world, one question, one judgement."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        process = WorldProcess(scenario, seed, folder / "world")
        stack.push_async_callback(process.stop)
        playing = await process.ready()
        app = await _app(folder, playing.sources_yaml)
        stack.push_async_callback(app.stop)
        await app.start()
        await app.catalogue.known(10)
        started = time.perf_counter()
        done = await _settled(app, playing.question)
        seconds = time.perf_counter() - started
        truth = make_plan(scenario, seed, datetime.now(UTC)).truth
        return _judge(scenario, seed, done, truth, seconds)


async def _app(folder: Path, sources_yaml: str) -> App:
    sources = folder / "sources.yaml"
    sources.write_text(sources_yaml, encoding="utf-8")
    settings = load_settings().model_copy(
        update={
            "sources_file": sources,
            "database_url": SecretStr(f"sqlite:///{folder / 'db'}"),
            "default_sweeps": False,
        }
    )
    return await App.create(settings, os.environ)


async def _settled(app: App, question: str) -> Investigation:
    opened = await app.investigations.open(OpenRequest(text=question), by=SYSTEM)
    async for _ in app.store.follow(investigation_stream(opened.id), after=0):
        state = await app.store.investigation(opened.id)
        if state.state.is_settled:
            return state
    raise RuntimeError("the log ended")


def _judge(scenario: str, seed: int, done: Investigation, truth: Truth, seconds: float) -> Result:
    if done.report is None:
        return Result(scenario, seed, False, f"no report: {done.reason}", str(truth), seconds, False)
    said = _said(done.report)
    missing = set(truth.missing_sources)
    named = missing <= {gap.source for gap in done.report.gaps}
    wanted = {f"{truth.component} {truth.cause}", *(_pair(p) for p in truth.also_accepted)}
    if truth.component is None:
        wanted = {Verdict.NO_FAULT_FOUND.value}
    return Result(scenario, seed, said in wanted and named, said, " | ".join(sorted(wanted)), seconds, named)


def _pair(pair: object) -> str:
    return " ".join(str(part) for part in pair) if isinstance(pair, tuple) else str(pair)


def _said(report: Report) -> str:
    synthesis = report.synthesis
    if synthesis.verdict is not Verdict.SUPPORTED:
        return synthesis.verdict.value
    best = synthesis.hypotheses[0]
    return f"{best.component} {best.cause}"


async def main(seeds: int, only: list[str], out: str | None) -> int:
    print(speed_line())
    results: list[Result] = []
    for scenario in only or list(SCENARIOS):
        mine = [await run_one(scenario, seed) for seed in range(1, seeds + 1)]
        results += mine
        right = sum(r.right for r in mine)
        slow = percentile([r.seconds for r in mine], 0.95)
        print(f"{scenario:<16} {right:>3} of {seeds:<3} right   p95 {slow:5.1f} s", flush=True)
        for r in mine:
            if not r.right:
                gap = "" if r.gaps_named else " (a missing source is not named)"
                print(f"    seed {r.seed}: said {r.said!r}, truth {r.truth!r}{gap}", flush=True)
    if out:
        Path(out).write_text(json.dumps([r._asdict() for r in results], indent=1), encoding="utf-8")
    return 0 if all(r.right for r in results) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scenario", action="append", default=[])
    parser.add_argument("--out")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.seeds, given.scenario, given.out)))
