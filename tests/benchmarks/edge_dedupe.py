"""Every delivery four times, shuffled, to two `web` processes: how many effects?

`python -m tests.benchmarks.edge_dedupe [--count 10000] [--copies 4] [--seed 1] [--out FILE]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from tests.benchmarks.machine import speed_line
from tests.chaos.node import Options
from tests.chaos.oracles import rows
from tests.chaos.sender import Order
from tests.chaos.sending import send
from tests.chaos.yard import database, yard


async def measure(*, count: int, copies: int, seed: int) -> dict[str, float]:
    async with yard() as made, database("postgresql", made.folder) as (url, _):
        nodes = [made.place(f"web{n}", Options(database=url, parts=["web"], publish=False)) for n in range(2)]
        await made.start(*nodes)
        order = Order(
            urls=[node.url for node in nodes], secret=made.slack["signing_secret"], count=count, copies=copies,
            seed=seed, at_once=24, warm=16, prefix=f"Ev{seed}x",
        )  # fmt: skip
        started = time.perf_counter()
        results = await send(order)
        seconds = time.perf_counter() - started
        effects = (await rows(url, f"SELECT count(*) FROM investigations WHERE id LIKE 'inv_%' AND {_OURS}"))[0][0]
        twice = await rows(url, "SELECT stream FROM investigation_events WHERE type = 'InvestigationCreated' "
                                "GROUP BY stream HAVING count(*) > 1")  # fmt: skip
        acked = {one["id"] for one in results if one["status"] == 200}
        return {
            "deliveries": len(results), "acked": sum(one["status"] == 200 for one in results), "effects": effects - 16,
            "acked_ids": len(acked), "created_twice": len(twice), "per_s": len(results) / seconds,
        }  # fmt: skip


_OURS = "workspace = 'default'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line())
    found = asyncio.run(measure(count=given.count, copies=given.copies, seed=given.seed))
    print(f"seed {given.seed}:", {name: round(value, 1) for name, value in found.items()})
    if given.out:
        given.out.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
