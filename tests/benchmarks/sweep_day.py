"""A simulated day of a sweep over a double: ticks missed, pages on health, and how soon each kind of fault is found.

`python -m tests.benchmarks.sweep_day [--services N] [--hours H] [--faults N] [--seed S]`. Every tick goes through the
whole engine (gate, detectors, grouping, event log); only the source is made up, and the clock is set by hand. A fault
can be known from the first tick at which a person with the healthy series beside it would see it: `KINDS` says when.
Must: no tick missed, at most 3 pages without faults, every kind found within one tick (and 5 s of work).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bot.domain.events import EventKind
from bot.services.execute import Execute
from bot.services.sweep import Sweeps, sweep_stream
from bot.services.sweep_anomalies import PAGED, Anomalies
from bot.services.sweep_defaults import SIGNAL_LIMITS
from bot.services.sweep_model import Sweep
from bot.store import Store
from connectors.model import Limits, Series, SeriesSet
from tests.benchmarks.machine import speed_line
from tests.support.doubles import Behaviour, DoubleConnector

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LEARNED = 360
LASTS = 25
METRICS = {"request_rate": "req/s", "error_ratio": "ratio", "latency_p99": "s"}
KINDS = {"errors": 0, "slow": 0, "traffic_lost": 0, "silent": 4, "creeping": 6}
"""Ticks after the fault's first one at which it can be known: `silent` is told after five ticks without data;
`creeping` adds 8 % a tick and is half as much again after six."""


class Hands:
    at = START

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Fault:
    kind: str
    service: int
    begins: int


class Shop:
    """Made-up services: a daily wave, noise that grows with level, errors by chance."""

    def __init__(self, services: int, seed: int) -> None:
        self.dice = np.random.default_rng(seed)
        self.level = self.dice.uniform(20, 2_000, services)
        self.phase = self.dice.uniform(0, math.tau, services)
        self.base_s = self.dice.uniform(0.05, 0.8, services)
        self.failing = self.dice.uniform(0.0002, 0.003, services)
        self.faults: list[Fault] = []

    def minute(self, number: int) -> dict[str, np.ndarray]:
        """The true values of one minute, [services] per metric; NaN is silence."""
        size = len(self.level)
        wave = 1 + 0.35 * np.sin(self.phase + number / 1_440 * math.tau)
        rate = self.level * wave * self.dice.lognormal(0, 0.04, size)
        slow = self.base_s * (1 + 0.1 * (wave - 1)) * self.dice.lognormal(0, 0.07, size)
        errors = self.dice.poisson(rate * 60 * self.failing) / (rate * 60)
        for fault in self.faults:
            if 0 <= number - fault.begins < LASTS:
                _break(fault, number - fault.begins, fault.service, (rate, errors, slow))
        return {"request_rate": rate, "error_ratio": np.minimum(errors, 1), "latency_p99": slow}


def _break(fault: Fault, since: int, at: int, values: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    rate, errors, slow = values
    match fault.kind:
        case "errors":
            errors[at] += 0.12
        case "slow":
            slow[at] *= 3.0
        case "traffic_lost":
            rate[at] *= 0.05
        case "silent":
            rate[at] = errors[at] = slow[at] = np.nan
        case "creeping":
            slow[at] *= 1.08 ** (since + 1)


def series_of(minutes: list[tuple[int, dict[str, np.ndarray]]]) -> SeriesSet:
    times = [START + MINUTE * number for number, _ in minutes]
    made = []
    for metric, unit in METRICS.items():
        table = np.column_stack([values[metric] for _, values in minutes])
        for service, row in enumerate(table):
            points = tuple((at, float(v)) for at, v in zip(times, row, strict=True) if not math.isnan(v))
            if points:
                name = f"service-{service}"
                made.append(Series(service=name, metric=metric, unit=unit, step_s=60.0, points=points))
    return SeriesSet(series=tuple(made))


def plan(services: int, minutes: int, faults: int, dice: np.random.Generator) -> list[Fault]:
    """Each service fails at most once; kinds take turns; the last half hour is left for recoveries."""
    chosen = dice.choice(services, size=faults, replace=False)
    kinds = list(KINDS)
    last = LEARNED + max(1, minutes - LASTS - 10)
    return [
        Fault(kinds[number % len(kinds)], int(service), int(dice.integers(LEARNED + 2, last)))
        for number, service in enumerate(chosen)
    ]


async def day(services: int, minutes: int, *, faults: int, seed: int) -> dict[str, object]:
    shop = Shop(services, seed)
    shop.faults = plan(services, minutes, faults, np.random.default_rng(seed + 1))
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(f"sqlite:///{folder}/day.db", create=True)
        try:
            return await _sweep(shop, store, minutes)
        finally:
            await store.close()


async def _sweep(shop: Shop, store: Store, minutes: int) -> dict[str, object]:
    clock, behaviour = Hands(), Behaviour()
    connector = DoubleConnector(name="double/main", behaviour=behaviour, clock=clock)
    room = Limits(max_rows=1_000_000, max_points=10_000_000, max_bytes=2_000_000_000, deadline_s=120.0)
    execute = Execute({"double/main": (connector, room)}, clock=clock)
    anomalies = Anomalies(store=store, clock=clock)
    sweep = Sweep(name="day", source="double/main", tool="read_rows", limits=SIGNAL_LIMITS)
    sweeps = Sweeps([sweep], store=store, execute=execute, anomalies=anomalies, clock=clock)
    clock.at = START + MINUTE * (LEARNED - 1)
    behaviour.payload = series_of([(number, shop.minute(number)) for number in range(LEARNED)])
    await sweeps.run(sweep)
    walls, began = [], time.process_time()
    for number in range(LEARNED, LEARNED + minutes):
        clock.at = START + MINUTE * number
        behaviour.payload = series_of([(number, shop.minute(number))])
        started = time.monotonic()
        await sweeps.run(sweep)
        walls.append(time.monotonic() - started)
    spent_s = time.process_time() - began
    events = await store.read(sweep_stream("day"), limit=100_000)
    await execute.close()
    return {
        "services": len(shop.level),
        "ticks": minutes,
        "missed": sum(int(str(e.payload["missed"])) for e in events if e.kind is EventKind.SWEEP_MISSED),
        "cpu_s": round(spent_s, 1),
        "slowest_tick_s": round(max(walls), 2),
        **_tally(shop, anomalies),
    }


def _tally(shop: Shop, anomalies: Anomalies) -> dict[str, object]:
    """Pages that no fault explains, and per kind how many were found and how many ticks after they could be known."""
    broken = {f"service-{fault.service}": fault for fault in shop.faults}
    found: dict[str, int] = {}
    false, small = [], 0
    for one in anomalies.recent(limit=1_000_000):
        small += one.peak not in PAGED
        hits = 0
        for signal in one.signals:
            fault = broken.get(signal.service or "")
            tick = round((signal.at - START) / MINUTE)
            if fault is not None and 0 <= tick - fault.begins < LASTS + 10:
                hits += 1
                late = tick - fault.begins - KINDS[fault.kind]
                found[signal.service or ""] = min(late, found.get(signal.service or "", late))
        if not hits and one.peak in PAGED:
            false.append(one.title)
    late_by_kind: dict[str, list[int]] = defaultdict(list)
    for name, fault in broken.items():
        if name in found:
            late_by_kind[fault.kind].append(found[name])
    injected = {kind: sum(1 for fault in shop.faults if fault.kind == kind) for kind in KINDS}
    return {
        "pages_without_fault": len(false),
        "examples": false[:5],
        "only_in_digests": small,
        "found": {kind: f"{len(late_by_kind[kind])}/{injected[kind]}" for kind in KINDS if injected[kind]},
        "within_a_tick": {kind: sum(1 for late in lates if late <= 1) for kind, lates in late_by_kind.items()},
        "latest_ticks": {kind: max(lates) for kind, lates in late_by_kind.items() if lates},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--faults", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line(), "load", Path("/proc/loadavg").read_text().split()[0])
    table = asyncio.run(day(given.services, round(given.hours * 60), faults=given.faults, seed=given.seed))
    print(json.dumps(table, indent=1))
    if given.out:
        given.out.write_text(json.dumps(table))


if __name__ == "__main__":
    main()
