"""How fast the store is: appends and acks a second, a whole investigation, takeover, a full log.

`python -m tests.benchmarks.store_speed [--out FILE] [--events 1000000]`. PostgreSQL is a real one with fsync on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import insert

from bot.domain.events import EventKind
from bot.errors import SequenceConflict
from bot.store import Fence, Store, schema
from bot.store.rows import table
from tests.benchmarks.machine import percentile, speed_line
from tests.store.samples import created, event, evidence, moved, phase, tool_finished, tool_started
from tests.support.servers import PostgresServer

Figures = dict[str, float]


async def acks(store: Store, *, count: int = 300, prefix: str = "a") -> Figures:
    """One after the other: InvestigationCreated + Queued with a delivery id, as before an ack to Slack."""
    times: list[float] = []
    for n in range(count):
        started = time.perf_counter()
        await store.append(
            f"investigation/inv_{prefix}{n}", expected_seq=0, events=created(), delivery_id=f"{prefix}{n}"
        )
        times.append(1000 * (time.perf_counter() - started))
    return {"ack_p50_ms": percentile(times, 0.5), "ack_p99_ms": percentile(times, 0.99)}


async def appends(store: Store, *, streams: int = 32, each: int = 40, batch: int = 4) -> Figures:
    """Many streams at once, `batch` events an append, each committed before the next of its stream."""

    async def one(n: int) -> None:
        name, seq = f"investigation/inv_s{n}", 2
        await store.append(name, expected_seq=0, events=created())
        for _ in range(each):
            hints = [event(EventKind.GUIDANCE_GIVEN, {"text": "look at the cache"})] * batch
            await store.append(name, expected_seq=seq, events=hints)
            seq += batch

    started = time.perf_counter()
    await asyncio.gather(*(one(n) for n in range(streams)))
    seconds = time.perf_counter() - started
    return {"appends_per_s": streams * each / seconds, "events_per_s": streams * each * batch / seconds}


class Run:
    """Writes an investigation as the engine does."""

    def __init__(self, store: Store, fence: Fence, seq: int) -> None:
        self.store, self.fence, self.seq = store, fence, seq
        self.stream = f"investigation/{fence.investigation_id}"

    async def add(self, *events: object, kept: int | None = None) -> None:
        found = [] if kept is None else [evidence(f"ev_{self.fence.investigation_id}_{kept}", number=kept)]
        done = await self.store.append(
            self.stream,
            expected_seq=self.seq,
            events=list(events),
            evidence=found,
            fence=self.fence,  # type: ignore[arg-type]
        )
        self.seq = done.events[-1].seq


async def investigation(store: Store, name: str, *, calls: int) -> int:
    """Open, claim, `calls` calls with evidence, a ranking, the end; gives the number of events."""
    await store.append(f"investigation/{name}", expected_seq=0, events=created(), delivery_id=name)
    claim = await store.claim_next(worker="w")
    assert claim is not None
    run = Run(store, claim.fence, claim.investigation.seq)
    await run.add(moved("running"), phase("analyze", started=True), phase("analyze", started=False))
    await run.add(phase("collect", started=True), *(tool_started(n) for n in range(calls)))
    for n in range(calls):
        await run.add(tool_finished(n, evidence_id=f"ev_{claim.fence.investigation_id}_{n}"), kept=n)
    ranking = [{"component": "app/checkout", "cause": "bad_deployment", "confidence": 0.8, "statement": "v42"}]
    await run.add(phase("collect", started=False), event(EventKind.HYPOTHESIS_RANKED, {"hypotheses": ranking}))
    await run.add(moved("completing"), moved("completed"))
    await store.release(claim.fence)
    return run.seq


async def investigations(store: Store, *, count: int = 60, at_once: int = 20) -> Figures:
    """One alone with 40 calls, an append a call; then `at_once` with 10 calls each."""
    times: list[float] = []
    for n in range(30):
        started = time.perf_counter()
        await investigation(store, f"inv_o{n}", calls=40)
        times.append(1000 * (time.perf_counter() - started))
    room = asyncio.Semaphore(at_once)

    async def one(n: int) -> None:
        async with room:
            await investigation(store, f"inv_m{n}", calls=10)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(n) for n in range(count)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    alone = {"investigation_p50_ms": percentile(times, 0.5), "investigation_max_ms": max(times)}
    return {**alone, "investigations_per_s": count / seconds, "cpu_ms_per_investigation": 1000 * cpu / count}


async def full_log(store: Store, *, events: int) -> Figures:
    """Reading one investigation, and writing to it, with `events` events stored."""
    rows = [_filler(n) for n in range(0, events, 100)]
    for at in range(0, len(rows), 50):
        chunk = [row for group in rows[at : at + 50] for row in group]
        await store._backend.write(lambda c, chunk=chunk: c.execute(insert(table("investigation_events")), chunk))
    await store.append("investigation/inv_x", expected_seq=0, events=created())
    reads: list[float] = []
    for n in range(300):
        started = time.perf_counter()
        await store.investigation("inv_x")
        await store.read("investigation/inv_f0", after=n % 90, limit=20)
        reads.append(1000 * (time.perf_counter() - started))
    return {
        "read_p99_ms_full_log": percentile(reads, 0.99),
        **{f"{k}_full_log": v for k, v in (await acks(store, prefix="b")).items()},
    }


def _filler(first: int) -> list[dict[str, object]]:
    new = event(EventKind.GUIDANCE_GIVEN)
    common = {"workspace": "default", "stream": f"investigation/inv_f{first}", "type": "GuidanceGiven", "actor": "x"}
    return [
        {**common, "seq": seq, "timestamp": new.at, "previous_state": None, "new_state": None,
         "payload": '{"text":"x"}', "previous_hash": "0" * 64, "hash": "0" * 64}
        for seq in range(1, 101)
    ]  # fmt: skip


_HOLDER = """
import asyncio, sys
from bot.store import Store
async def main():
    store = await Store.open(sys.argv[1])
    await store.claim_next(worker="doomed", lease_s=3600)
    print("held", flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


async def takeover(store: Store, url: str, *, rounds: int = 10) -> Figures:
    """From kill -9 of the holder's process to the first commit of another."""
    times: list[float] = []
    while claim := await store.claim_next(worker="w"):
        await store.append(f"investigation/{claim.fence.investigation_id}", expected_seq=claim.investigation.seq,
                           events=[moved("cancelled")], fence=claim.fence)  # fmt: skip
    for n in range(rounds):
        await store.append(f"investigation/inv_t{n}", expected_seq=0, events=created())
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _HOLDER, url, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        started = time.perf_counter()
        while (claim := await store.claim_next(worker="w")) is None:
            await store.wait_for_work(10)
        times.append(1000 * (time.perf_counter() - started))
        end = [moved("cancelled")]
        try:
            seq = claim.investigation.seq
            await store.append(f"investigation/inv_t{n}", expected_seq=seq, events=end, fence=claim.fence)
        except SequenceConflict as error:
            raise AssertionError("nobody else writes here") from error
        await process.wait()
    return {"takeover_p50_ms": percentile(times, 0.5), "takeover_max_ms": max(times)}


async def measure(url: str, *, events: int) -> Figures:
    steps: list[Callable[[Store], Awaitable[Figures]]] = [acks, appends, investigations]
    figures: Figures = {}
    store = await Store.open(url)
    try:
        for step in steps:
            while await store.claim_next(worker="sweeper", lease_s=3_600):
                pass
            figures |= await step(store)
        if url.startswith("postgresql"):
            figures |= await takeover(store, url)
        figures |= await full_log(store, events=events) if events else {}
        figures["broken_links"] = len([b for b in await store.broken_links() if "/inv_f" not in b.stream])
    finally:
        await store.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--events", type=int, default=0, help="also measure with so many events stored")
    given = parser.parse_args()
    print(speed_line())
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder:
        results["sqlite"] = _on(f"sqlite:///{folder}/speed.db", events=given.events)
    server = PostgresServer(settings={"fsync": "on"})
    try:
        address = f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/postgres"
        results["postgresql"] = _on(address, events=given.events)
    finally:
        server.stop()
    if given.out:
        given.out.write_text(json.dumps(results, indent=2))


def _on(url: str, *, events: int) -> Figures:
    schema.upgrade(url)
    figures = asyncio.run(measure(url, events=events))
    for name, value in figures.items():
        print(f"{url.partition(':')[0]:<11} {name:<28} {value:12,.1f}")
    return figures


if __name__ == "__main__":
    main()
