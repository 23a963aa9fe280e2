"""Alerts over HTTP into PostgreSQL: a steady rate with every answer timed, then a storm.

`python -m tests.benchmarks.alert_intake [--rate N] [--seconds N] [--storm N]`. Open loop: a webhook is sent when it is
due, whatever the ones before do; a tenth are sent twice. Must: 150/s for 60 s, all stored once, p99 at most 250 ms;
a storm of 50,000 alerts: nothing lost, at most one page per group.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
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
from tests.benchmarks.machine import percentile, speed_line
from tests.support.servers import PostgresServer

SECRET = "benchmark-secret"
GROUPS = 20
PER_WEBHOOK = 25
HEADERS = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}


def body(number: int, *, alerts: int = 1) -> bytes:
    """Alertmanager's webhook; every alert is another one, of one of twenty services."""
    made = [
        {
            "status": "firing",
            "labels": {"alertname": f"Rule{one}", "service": f"service-{one % GROUPS}", "severity": "warning"},
            "annotations": {"summary": f"rule {one} fires"},
            "startsAt": "2026-03-01T12:00:00Z",
            "fingerprint": f"{one:016x}",
        }
        for one in range(number * alerts, (number + 1) * alerts)
    ]
    return json.dumps({"version": "4", "status": "firing", "alerts": made}).encode()


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


async def steady(store: Store, url: str, *, rate: int, seconds: int) -> dict[str, object]:
    dice, taken, answers = random.Random(3), list[float](), dict[int, int]()

    async def send(session: aiohttp.ClientSession, number: int) -> None:
        started = time.monotonic()
        async with session.post(url, data=body(number), headers=HEADERS) as answer:
            await answer.read()
            answers[answer.status] = answers.get(answer.status, 0) + 1
        taken.append(1_000 * (time.monotonic() - started))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
        begun, cpu, tasks = time.monotonic(), time.process_time(), []
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(send(session, number)))
            if dice.random() < 0.1:
                tasks.append(asyncio.create_task(send(session, number)))
        await asyncio.gather(*tasks)
        spent_s = time.monotonic() - begun
    bodies, alerts = await stored(store)
    return {
        "offered_per_s": rate,
        "reached_per_s": round(rate * seconds / spent_s, 1),
        "sent": len(taken),
        "answers": answers,
        "stored_webhooks": bodies,
        "stored_alerts": alerts,
        "expected": rate * seconds,
        "p50_ms": round(percentile(taken, 0.5), 1),
        "p99_ms": round(percentile(taken, 0.99), 1),
        "most_ms": round(max(taken), 1),
        "cpu_s_with_sender": round(time.process_time() - cpu, 1),
    }


async def storm(store: Store, anomalies: Anomalies, url: str, *, alerts: int) -> dict[str, object]:
    """All at once, 25 to a webhook; what is refused as too many is sent again, as Alertmanager does."""
    refused, gate = 0, asyncio.Semaphore(100)

    async def send(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal refused
        async with gate:
            while True:
                async with session.post(url, data=body(number, alerts=PER_WEBHOOK), headers=HEADERS) as answer:
                    await answer.read()
                    if answer.status == 202:
                        return
                refused += 1
                await asyncio.sleep(0.2)

    begun = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session:
        await asyncio.gather(*(send(session, number) for number in range(alerts // PER_WEBHOOK)))
    durable_s = time.monotonic() - begun
    _, kept = await stored(store)
    while not await _all_taken(store):
        await asyncio.sleep(0.2)
    groups: dict[tuple[str, ...], int] = {}
    for one in anomalies.recent(limit=1_000_000):
        groups[one.services] = groups.get(one.services, 0) + 1
    return {
        "alerts": alerts,
        "durable_after_s": round(durable_s, 1),
        "refused_and_sent_again": refused,
        "stored_alerts": kept,
        "taken_after_s": round(time.monotonic() - begun, 1),
        "groups": len(groups),
        "most_pages_per_group": max(groups.values()),
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
