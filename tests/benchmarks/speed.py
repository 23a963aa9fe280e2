"""The speed table: `make bench`, or `python -m tests.benchmarks.speed [--runs N] [--out FILE] [--only ROW]`.

Every row is measured with real parts in one run on one machine, whose speed is printed first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from bot.store import schema
from tests.benchmarks.engine_speed import fan_out, overhead, sqlite_url, throughput
from tests.benchmarks.machine import machine_speed, speed_line
from tests.benchmarks.serve_speed import serve
from tests.browser.test_demo import demo
from tests.support.servers import MissingServer, PostgresServer
from tests.support.slack_control import SlackControl

ROOT = Path(__file__).parents[2]
ADA, CHANNEL = "U0ADA000001", "C0PAYINC001"


class Row(NamedTuple):
    """One figure against its bar; `must` is the most it may be."""

    what: str
    value: float
    unit: str
    must: float
    stretch: float | None = None

    def line(self) -> str:
        stretch = f"{self.stretch:g}" if self.stretch is not None else ""
        met = "met" if self.value <= self.must else "MISSED"
        return f"{self.what:<78} {self.value:>9.3g} {self.unit:<4} must {self.must:<6g} {stretch:<6} {met}"


async def first_message_rows() -> list[Row]:
    """From the acknowledgement of a typed command to the card and to the first reply in its thread."""
    card: list[float] = []
    reply: list[float] = []
    async with demo("bad_deployment") as (url, question), SlackControl(url) as control:
        for number in range(6):
            seen = len(await control.calls("chat.postMessage"))
            await control.command(ADA, CHANNEL, "/investigate", question.partition(" ")[2] + " " * number)
            await asyncio.sleep(6)
            acked = max(d["acked_at"] for d in await control.deliveries() if d["kind"] == "slash_commands")
            posts = (await control.calls("chat.postMessage"))[seen:]
            card.append(min(p["at"] for p in posts) - acked)
            reply.append(min(p["at"] for p in posts if p["arguments"].get("thread_ts")) - acked)
    return [
        Row("card after the ack, demo world, worst of 6", max(card), "s", 1.0, 0.5),
        Row("first reply in the card's thread after the ack, worst of 6", max(reply), "s", 1.0, 0.5),
    ]


async def fan_out_rows() -> list[Row]:
    result = await fan_out()
    return [
        Row("12 doubles of 2 s, open to ReportMade", result["even_s"], "s", 2.4, 2.2),
        Row("the same, one never answers, deadline 5 s", result["silent_s"], "s", 5.5),
        Row("… the other eleven finished", result["others_s"], "s", 2.4),
    ]


async def overhead_rows(runs: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        found = await overhead(sqlite_url(folder), runs=runs)
        rate = await throughput(sqlite_url(folder + "/t"))
    rows = [
        Row(
            f"own overhead, 40 calls, SQLite, p99 of {runs} (p50 {found['p50_ms']:.0f})",
            found["p99_ms"],
            "ms",
            400,
            200,
        )
    ]
    rows.append(Row("20 investigations × 10 calls at once, SQLite, 1/rate", 1 / rate["per_s"], "s", 1 / 15))
    try:
        server = PostgresServer(settings={"fsync": "on"})
    except MissingServer as error:
        print(f"PostgreSQL rows left out: {error}")
        return rows
    try:
        url = f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/postgres"
        await asyncio.to_thread(schema.upgrade, url)
        found = await overhead(url, runs=runs)
        rate = await throughput(url)
    finally:
        server.stop()
    what = f"own overhead, 40 calls, PostgreSQL, p99 of {runs} (p50 {found['p50_ms']:.0f})"
    rows.append(Row(what, found["p99_ms"], "ms", 400, 200))
    rows.append(Row("20 investigations × 10 calls at once, PostgreSQL, 1/rate", 1 / rate["per_s"], "s", 1 / 15))
    return rows


async def serve_rows() -> list[Row]:
    found = await asyncio.to_thread(serve)
    return [
        Row("inquest serve, no connector: start to first signed ack", found["ack_s"], "s", 2.0, 1.5),
        Row("inquest serve, no connector: memory", found["rss_mb"], "MB", 150, 120),
    ]


async def size_rows() -> list[Row]:
    """A fresh environment from the runtime lock, with what Python itself compiles on first import."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "install", "-q", "--require-hashes", "--python", f"{folder}/bin/python",
             "--compile-bytecode", "-r", str(ROOT / "requirements.lock")],
            check=True,
        )  # fmt: skip
        size = sum(path.lstat().st_size for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink())
    return [Row("installed size without extras, bytecode included", size / 1e6, "MB", 450, 300)]


async def main(runs: int, only: str | None, out: str | None) -> int:
    print(speed_line(), flush=True)
    groups: dict[str, Callable[[], Awaitable[list[Row]]]] = {
        "size": size_rows,
        "serve": serve_rows,
        "fan_out": fan_out_rows,
        "overhead": lambda: overhead_rows(runs),
        "first_message": first_message_rows,
    }
    rows: list[Row] = []
    for name, measure in groups.items():
        if only in (None, name):
            rows += await measure()
            print("\n".join(row.line() for row in rows[-5:]) if only else f"… {name} measured", flush=True)
    print("\n".join(row.line() for row in rows))
    if out:
        table = {"machine": machine_speed(), "at": time.time(), "rows": [row._asdict() for row in rows]}
        Path(out).write_text(json.dumps(table, indent=1), encoding="utf-8")
    return 0 if all(row.value <= row.must for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--only")
    parser.add_argument("--out")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.runs, given.only, given.out)))
