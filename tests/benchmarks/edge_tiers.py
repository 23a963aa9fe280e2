"""Many investigations at once in one channel, with Slack's tiers on: how late are the reports?

`python -m tests.benchmarks.edge_tiers [--count 200] [--scale 10] [--out FILE]`. Times are Slack seconds. The
best possible: every card and every report, at what the double's windows admit (60 a minute and channel, 4 a second).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from bot.demo.workspace.config import BOT_USER_ID
from tests.benchmarks.machine import speed_line
from tests.chaos.node import Options
from tests.chaos.oracles import rows
from tests.chaos.yard import database, yard
from tests.support.slack_control import SlackControl

PER_MINUTE, PER_SECOND = 60, 4


def best_times(count: int) -> list[float]:
    """Seconds after the first post at which `count` posts are possible, by the windows alone."""
    times: list[float] = []
    for n in range(count):
        earliest = times[-PER_SECOND] + 1.0 if n >= PER_SECOND else 0.0
        times.append(max(earliest, times[-PER_MINUTE] + 60.0) if n >= PER_MINUTE else earliest)
    return times


async def measure(*, count: int, scale: float) -> dict[str, float]:
    async with yard("--tiers", "--scale", str(scale)) as made, made.control() as control:  # noqa: SIM117 - too long for one
        async with database("postgresql", made.folder) as (url, _):
            node = made.place("serve", Options(database=url, slots=count, pace=1 / scale, sources=2))
            await made.start(node)
            await control.do("delivery", {"request_url": f"{node.url}/slack/events"})
            for _ in range(count):
                await control.say("ada", "payments-incidents", f"<@{BOT_USER_ID}> why is checkout slow?")
            while (await rows(url, "SELECT count(*) FROM investigations WHERE status = 'completed'"))[0][0] < count:
                await asyncio.sleep(0.1)
            return await _follow(control, count, scale)


async def _follow(control: SlackControl, count: int, scale: float) -> dict[str, float]:
    end = time.monotonic() + 4 * count / scale + 60
    while True:
        calls = await control.calls("chat.postMessage")
        reports = list({_key(c): c for c in reversed(calls) if c["ok"] and _key(c).endswith("/report/1")}.values())
        if len(reports) >= count or time.monotonic() > end:
            break
        await asyncio.sleep(0.5)
    tally = (await control.read("ledger", {"tally": "1"}))["tally"]
    first = min(c["at"] for c in calls if c["ok"])
    best = best_times(2 * count)
    late = [(c["at"] - first) * scale - best[count + n] for n, c in enumerate(sorted(reports, key=_at))]
    return {
        "reports": float(len(reports)), "posted_twice": float(_twice(calls)),
        "late_max_s": max(late, default=0.0), "late_last_s": late[-1] if late else 0.0,
        "best_last_s": best[-1], "429s": float(tally["rate_limited"]), "calls": float(tally["calls"]),
        "inside_retry_after": float(tally["violations"]),
    }  # fmt: skip


def _twice(calls: list[dict[str, Any]]) -> int:
    keys = [_key(c) for c in calls if c["ok"]]
    return len(keys) - len(set(keys))


def _at(call: dict[str, Any]) -> float:
    return float(call["at"])


def _key(call: dict[str, Any]) -> str:
    metadata = call["arguments"].get("metadata") or {}
    if isinstance(metadata, str):
        metadata = json.loads(metadata)
    return str((metadata.get("event_payload") or {}).get("key", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line())
    found = asyncio.run(measure(count=given.count, scale=given.scale))
    print({name: round(value, 1) for name, value in found.items()})
    if given.out:
        given.out.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
