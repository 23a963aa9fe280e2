"""How long Slack waits for its acknowledgement: signed deliveries from another process, PostgreSQL with fsync.

`python -m tests.benchmarks.edge_ack [--per-s 300] [--seconds 20] [--webs 2] [--out FILE]`. Investigations are queued,
no worker runs. None may be acknowledged and not stored.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg

from tests.benchmarks.machine import speed_line
from tests.chaos.node import Options
from tests.chaos.sender import Order
from tests.chaos.sending import figures, send
from tests.chaos.yard import database, yard


async def measure(*, per_s: float, seconds: float, webs: int = 2, fsync: bool = True) -> dict[str, float]:
    """Mentions, every third one a click on an earlier card."""
    async with yard() as made, database("postgresql", made.folder, fsync=fsync) as (url, _):
        nodes = [made.place(f"web{n}", Options(database=url, parts=["web"])) for n in range(webs)]
        await made.start(*nodes)
        order = Order(
            urls=[node.url for node in nodes], secret=made.slack["signing_secret"], per_s=per_s, seconds=seconds,
            click_every=3, warm=8 * webs,
        )  # fmt: skip
        results = await send(order)
        found = figures(results)
        found["click_p99_ms"] = figures(results, kind="click")["p99_ms"]
        found["acked_not_stored"] = float(len(await not_stored(url, results)))
        return found


async def not_stored(url: str, results: list[dict[str, Any]]) -> set[str]:
    """Delivery ids that were answered 200 and are not in the database."""
    acked = {one["id"] for one in results if one["status"] == 200}
    link = await asyncpg.connect(url)
    try:
        stored = {row[0] for row in await link.fetch("SELECT delivery_id FROM deliveries")}
    finally:
        await link.close()
    return acked - stored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-s", type=float, nargs="*", default=[8.4, 300.0])
    parser.add_argument("--seconds", type=float, nargs="*", default=[60.0, 20.0])
    parser.add_argument("--webs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line())
    results = {}
    for per_s, seconds in zip(given.per_s, given.seconds, strict=True):
        found = asyncio.run(measure(per_s=per_s, seconds=seconds, webs=given.webs))
        results[f"{per_s:g}/s for {seconds:g} s"] = found
        print(f"{per_s:g}/s for {seconds:g} s:", {name: round(value, 1) for name, value in found.items()}, flush=True)
    if given.out:
        given.out.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
