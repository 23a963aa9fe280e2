"""Sends made-up alerts from a process of its own, so that its work is not counted to whoever takes them.

`python -m tests.benchmarks.alert_sender URL [--rate N --seconds N | --storm N]` prints JSON. Open loop: a webhook is
sent when it is due, whatever the ones before do, and its time counts from when it was due; a tenth are sent twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time

import aiohttp

from tests.benchmarks.machine import percentile

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


async def steady(url: str, *, rate: int, seconds: int) -> dict[str, object]:
    """Webhooks of one alert each at a constant rate; every answer timed."""
    dice, taken, answers = random.Random(3), list[float](), dict[str, int]()

    async def send(session: aiohttp.ClientSession, number: int, due: float) -> None:
        async with session.post(url, data=body(number), headers=HEADERS) as answer:
            await answer.read()
            answers[str(answer.status)] = answers.get(str(answer.status), 0) + 1
        taken.append(1_000 * (time.monotonic() - due))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        begun, tasks = time.monotonic(), []
        for number in range(rate * seconds):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            times = 2 if dice.random() < 0.1 else 1
            tasks += [asyncio.create_task(send(session, number, due)) for _ in range(times)]
        await asyncio.gather(*tasks)
        spent_s = time.monotonic() - begun
    return {
        "offered_per_s": rate,
        "reached_per_s": round(rate * seconds / spent_s, 1),
        "sent": len(taken),
        "answers": answers,
        "p50_ms": round(percentile(taken, 0.5), 1),
        "p99_ms": round(percentile(taken, 0.99), 1),
        "most_ms": round(max(taken), 1),
    }


async def storm(url: str, *, alerts: int) -> dict[str, object]:
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
    return {"durable_after_s": round(time.monotonic() - begun, 1), "refused_and_sent_again": refused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rate", type=int, default=150)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--storm", type=int, default=0)
    given = parser.parse_args()
    if given.storm:
        found = asyncio.run(storm(given.url, alerts=given.storm))
    else:
        found = asyncio.run(steady(given.url, rate=given.rate, seconds=given.seconds))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
