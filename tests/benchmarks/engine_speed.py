"""How long the engine itself takes: fan-out over slow doubles, and its own overhead over fast ones."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState, Outcome
from bot.store import schema
from connectors.model import Limits
from tests.benchmarks.machine import percentile
from tests.support.doubles import Behaviour
from tests.support.house import House, house


def _report_s(done: Investigation, report_at: float) -> float:
    assert done.state is InvestigationState.COMPLETED, f"{done.state}: {done.reason}"
    assert done.report is not None
    return report_at


async def _until_report(parts: House) -> tuple[Investigation, float]:
    """The finished investigation, and seconds from open to the commit of ReportMade."""
    from bot.domain.events import EventKind
    from bot.domain.ids import investigation_stream

    started = time.perf_counter()
    opened = await parts.ask()
    seconds = 0.0
    async for event in parts.store.follow(investigation_stream(opened.id), after=0):
        if event.kind is EventKind.REPORT_MADE:
            seconds = time.perf_counter() - started
            break
    return await parts.settled(opened), seconds


async def fan_out() -> dict[str, float]:
    """12 doubles of 2 s; then with one of them silent and a deadline of 5 s."""
    with tempfile.TemporaryDirectory() as folder:
        async with house(f"sqlite:///{folder}/a.db", {f"double/{n}": Behaviour(delay_s=2) for n in range(12)}) as parts:
            done, even_s = await _until_report(parts)
            assert all(e.outcome is Outcome.SUCCEEDED for e in done.executions)
        behaviours = {f"double/{n}": Behaviour(delay_s=2) for n in range(11)} | {"double/hangs": Behaviour(hang=True)}
        limits = Limits(deadline_s=5)
        async with house(f"sqlite:///{folder}/b.db", behaviours, limits=limits) as parts:
            done, silent_s = await _until_report(parts)
        answered = [e for e in done.executions if e.outcome is Outcome.SUCCEEDED and e.finished_at]
        others_s = max((e.finished_at - done.created_at).total_seconds() for e in answered if e.finished_at)
        assert len(answered) == 11
        assert [gap.source for gap in done.gaps] == ["double/hangs"]
    return {"even_s": even_s, "silent_s": silent_s, "others_s": others_s}


async def overhead(url: str, *, runs: int = 200) -> dict[str, float]:
    """Milliseconds from open to ReportMade committed, 40 calls of 0 ms, one investigation at a time."""
    behaviours = {f"double/{n}": Behaviour() for n in range(10)}
    times: list[float] = []
    async with house(url, behaviours, calls=4) as parts:
        for _ in range(5):  # caches and pools warm up
            await _until_report(parts)
        for _ in range(runs):
            done, seconds = await _until_report(parts)
            assert len(done.executions) == 40
            times.append(1000 * seconds)
    return {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "max_ms": max(times)}


async def throughput(url: str, *, at_once: int = 20, calls: int = 10, rounds: int = 3) -> dict[str, float]:
    """Investigations a second when `at_once` are opened together, each with `calls` calls of 0 ms."""
    import asyncio

    rates: list[float] = []
    times: list[float] = []
    async with house(url, {f"double/{n}": Behaviour() for n in range(calls)}) as parts:
        await _until_report(parts)
        for _ in range(rounds):
            started = time.perf_counter()
            results = await asyncio.gather(*(_until_report(parts) for _ in range(at_once)))
            rates.append(at_once / (time.perf_counter() - started))
            times += [seconds for _, seconds in results]
    return {"per_s": min(rates), "p95_s": percentile(times, 0.95)}


def prepared(url: str) -> str:
    """The address of a database at the current schema."""
    schema.upgrade(url)
    return url


def sqlite_url(folder: str) -> str:
    return f"sqlite:///{Path(folder) / 'speed.db'}"
