"""The engine under many at once, and one row among a million events (PostgreSQL with fsync).

`python -m tests.benchmarks.edge_engine [--events 1000000] [--out FILE]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import aiohttp
import asyncpg

from tests.benchmarks.engine_speed import throughput
from tests.benchmarks.machine import percentile, speed_line
from tests.chaos.node import Options
from tests.chaos.sender import Order, mention, opened_by
from tests.chaos.sending import send
from tests.chaos.yard import database, yard

Figures = dict[str, float]
_FILL = """
INSERT INTO investigation_events (workspace, stream, seq, type, timestamp, actor, payload, previous_hash, hash)
SELECT 'default', 'investigation/inv_f' || (n / 100), n % 100 + 1, 'GuidanceGiven', now(), 'x', '{"text":"x"}',
       md5(n::text) || md5((n+1)::text), md5((n+1)::text) || md5((n+2)::text)
FROM generate_series(0, $1::int - 1) AS n
"""


async def twenty_at_once() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        async with database("postgresql", Path(folder), fsync=True) as (url, _):
            return await throughput(url, at_once=20, calls=10, rounds=5)


async def progress(*, events: int, asks: int = 1_000) -> Figures:
    """GET …/progress, one after the other from another process's point of view: over HTTP, with `events` stored."""
    async with yard() as made, database("postgresql", made.folder, fsync=True) as (url, _):
        link = await asyncpg.connect(url)
        await link.execute(_FILL, events)
        await link.execute("ANALYZE")
        await link.close()
        nodes = [made.place(f"web{n}", Options(database=url, parts=["web"])) for n in range(2)]
        await made.start(*nodes)
        await send(Order(urls=[nodes[0].url], secret=made.slack["signing_secret"], count=2, copies=2, prefix="P"))
        at = f"{nodes[1].url}/api/v1/investigations/{opened_by(mention('P0'))}/progress"
        times: list[float] = []
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer chaos"}) as session:
            for n in range(asks + 50):
                started = time.perf_counter()
                async with session.get(at) as got:
                    assert got.status == 200, got.status
                    await got.read()
                if n >= 50:
                    times.append(1000 * (time.perf_counter() - started))
        return {"events": float(events), "p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line())
    results = {"20 at once": asyncio.run(twenty_at_once()), "progress": asyncio.run(progress(events=given.events))}
    for name, found in results.items():
        print(f"{name}:", {key: round(value, 2) for key, value in found.items()})
    if given.out:
        given.out.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
