"""A click while investigations run on connectors that never answer, all in one process (PostgreSQL).

`python -m tests.benchmarks.edge_clicks [--live 200] [--clicks 200] [--out FILE]`. Also how late the loop is then, and
how much memory the process takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from tests.benchmarks.machine import percentile, speed_line
from tests.chaos.node import Options
from tests.chaos.oracles import rows
from tests.chaos.sender import Order
from tests.chaos.sending import figures, send
from tests.chaos.yard import database, yard


async def measure(*, live: int, clicks: int, per_s: float = 20.0) -> dict[str, float]:
    async with yard() as made, database("postgresql", made.folder, fsync=True) as (url, _):
        watch = made.folder / "watch.jsonl"
        options = Options(
            database=url, parts=["web", "worker"], hang=True, slots=live, deadline_s=600, sources=8, watch=str(watch)
        )
        node = made.place("serve", options)
        await made.start(node)
        base = Order(urls=[node.url], secret=made.slack["signing_secret"])
        await send(base.model_copy(update={"count": live, "copies": 2, "at_once": 16, "warm": 4}))
        await _until_live(url, live)
        running = [one[0] for one in await rows(url, "SELECT id FROM investigations WHERE status = 'running'")]
        await asyncio.sleep(2)
        before = len(watch.read_text().splitlines())
        order = base.model_copy(
            update={"per_s": per_s, "seconds": clicks / per_s, "click_every": 1, "clicks_on": running, "prefix": "b"}
        )
        found = figures(await send(order))
        lines = [json.loads(line) for line in watch.read_text().splitlines()[before:]]
        lags = [lag for line in lines for lag in line["lags_ms"]]
        return found | {
            "live": float(len(running)), "loop_lag_p99_ms": percentile(lags, 0.99), "loop_lag_max_ms": max(lags),
            "rss_mb": max(line["rss_mb"] for line in lines),
        }  # fmt: skip


async def _until_live(url: str, live: int) -> None:
    for _ in range(600):
        query = "SELECT count(DISTINCT investigation_id) FROM tool_executions WHERE status = 'running'"
        if (await rows(url, query))[0][0] >= live:
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the investigations did not come up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", type=int, default=200)
    parser.add_argument("--clicks", type=int, default=400)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line())
    found = asyncio.run(measure(live=given.live, clicks=given.clicks))
    print({name: round(value, 1) for name, value in found.items()})
    if given.out:
        given.out.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
