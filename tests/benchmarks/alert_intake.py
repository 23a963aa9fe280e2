"""Alerts over HTTP into PostgreSQL: a steady rate with every answer timed, then a storm.

`python -m tests.benchmarks.alert_intake [--rate N] [--seconds N] [--storm N]`. The sender is a process of its own
(alert_sender). Must: 150/s for 60 s, all stored once, p99 at most 250 ms; a storm of 50,000 alerts: nothing lost, at
most one page per group.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from bot.api import problems
from bot.api.webhooks import make_webhooks
from bot.services.alerts import STREAM, Alerts
from bot.services.sweep_anomalies import Anomalies
from bot.store import Store, schema
from connectors.model import SystemClock
from connectors.testing import free_port
from tests.benchmarks.alert_sender import SECRET
from tests.benchmarks.machine import speed_line
from tests.support.servers import PostgresServer


@asynccontextmanager
async def intake(url: str, *, takes: bool) -> AsyncIterator[tuple[Store, Anomalies, str]]:
    store = await Store.open(url)
    anomalies = Anomalies(store=store, clock=SystemClock(), channel_of=lambda _service: "C1")
    alerts = Alerts(
        store=store, anomalies=anomalies, clock=SystemClock(), secrets={"*": SecretStr(SECRET)}, takes=takes
    )
    app = FastAPI()
    problems.install(app)
    app.include_router(make_webhooks(alerts))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False, lifespan="off"))
    alerts.start()
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    try:
        yield store, anomalies, f"http://127.0.0.1:{port}/api/v1/webhooks/alertmanager"
    finally:
        server.should_exit = True
        await running
        await alerts.stop()
        await store.close()


async def stored(store: Store) -> tuple[int, int]:
    """How many webhooks are in the log, and how many alerts they hold, each counted once."""
    after, bodies, alerts = 0, 0, set[str]()
    while events := await store.read(STREAM, after=after, limit=2_000):
        after = events[-1].seq
        bodies += len({str(event.payload["digest"]) for event in events})
        for event in events:
            given = event.payload["alerts"]
            assert isinstance(given, list)
            alerts.update(str(one["key"]) for one in given if isinstance(one, dict))
    return bodies, len(alerts)


async def sent(url: str, *options: str) -> dict[str, object]:
    """What the sender says, once it is through."""
    command = (sys.executable, "-m", "tests.benchmarks.alert_sender", url, *options)
    sender = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await sender.communicate()
    assert sender.returncode == 0, "the sender says why, above"
    found: dict[str, object] = json.loads(told)
    return found


async def steady(store: Store, url: str, *, rate: int, seconds: int) -> dict[str, object]:
    cpu = time.process_time()
    told = await sent(url, f"--rate={rate}", f"--seconds={seconds}")
    spent_s = time.process_time() - cpu
    bodies, alerts = await stored(store)
    kept = {"stored_webhooks": bodies, "stored_alerts": alerts, "expected": rate * seconds}
    return told | kept | {"cpu_ms_per_webhook": round(1_000 * spent_s / (rate * seconds), 2)}


async def storm(store: Store, anomalies: Anomalies, url: str, *, alerts: int) -> dict[str, object]:
    begun, cpu = time.monotonic(), time.process_time()
    told = await sent(url, f"--storm={alerts}")
    _, kept = await stored(store)
    while not await _all_taken(store):
        await asyncio.sleep(0.2)
    groups: dict[tuple[str, ...], int] = {}
    for one in anomalies.recent(limit=1_000_000):
        groups[one.services] = groups.get(one.services, 0) + 1
    return told | {
        "alerts": alerts,
        "stored_alerts": kept,
        "taken_after_s": round(time.monotonic() - begun, 1),
        "groups": len(groups),
        "most_pages_per_group": max(groups.values()),
        "cpu_s": round(time.process_time() - cpu, 1),
    }


async def _all_taken(store: Store) -> bool:
    from bot.services.alerts import TAKEN

    ends = await store.read(STREAM, after=0, limit=1_000_000)
    done = await store.read(TAKEN, after=0, limit=1_000_000)
    return bool(ends and done) and int(str(done[-1].payload["seq"])) >= ends[-1].seq


async def both(server: PostgresServer, given: argparse.Namespace) -> dict[str, object]:
    made: dict[str, object] = {}
    async with intake(await database(server), takes=True) as (store, _, url):
        made["steady"] = await steady(store, url, rate=given.rate, seconds=given.seconds)
    async with intake(await database(server), takes=True) as (store, anomalies, url):
        made["storm"] = await storm(store, anomalies, url, alerts=given.storm)
    return made


async def database(server: PostgresServer) -> str:
    name = f"intake_{secrets.token_hex(4)}"
    link = await server.connect()
    await link.execute(f"CREATE DATABASE {name}")
    await link.close()
    url = f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/{name}"
    await asyncio.to_thread(schema.upgrade, url)
    return url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=150)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--storm", type=int, default=50_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line(), "load", Path("/proc/loadavg").read_text().split()[0])
    server = PostgresServer()
    try:
        table = asyncio.run(both(server, given))
    finally:
        server.stop()
    print(json.dumps(table, indent=1))
    if given.out:
        given.out.write_text(json.dumps(table))


if __name__ == "__main__":
    main()
