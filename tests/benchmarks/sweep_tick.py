"""What a tick over many series of a real Prometheus costs, in processor time of this process.

`python -m tests.benchmarks.sweep_tick [--series N] [--ticks N] [--hours H]`. The history is backfilled with promtool;
a clock set by hand moves one minute per tick. Fetching, decoding, judging and recording are all counted;
the server's own work is not. Must: at most 24 s for 10,000 series.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.services.execute import Execute
from bot.services.sweep import Sweeps
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_model import Sweep
from bot.store import Store
from connectors.model import Limits
from connectors.prometheus import CONNECTOR
from tests.benchmarks.machine import speed_line
from tests.support.servers import PrometheusServer

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Hands:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def history(series: int, minutes: int) -> str:
    """OpenMetrics text: `load` of every service, four to each, with a daily wave and noise."""
    return "\n".join(["# TYPE load gauge", *_lines(series, minutes), "# EOF", ""])


def _lines(series: int, minutes: int) -> Iterator[str]:
    dice = random.Random(7)
    first = int(START.timestamp())
    for number in range(series):
        name = f'load{{service="service-{number // 4}",part="{number % 4}"}}'
        level, phase = dice.uniform(10, 1000), dice.uniform(0, math.tau)
        for minute in range(minutes):
            wave = 1 + 0.2 * math.sin(phase + minute / 1440 * math.tau)
            yield f"{name} {level * wave * dice.gauss(1, 0.02):.4f} {first + 60 * minute}"


async def run(series: int, ticks: int, hours: float) -> dict[str, object]:
    learned = int(hours * 60)
    server = PrometheusServer(openmetrics=history(series, learned + ticks + 2))
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = await Store.open(f"sqlite:///{folder}/tick.db", create=True)
            try:
                return await _ticks(server.url, store, learned, ticks=ticks, series=series, folder=Path(folder))
            finally:
                await store.close()
    finally:
        server.stop()


async def _ticks(url: str, store: Store, learned: int, *, ticks: int, series: int, folder: Path) -> dict[str, object]:
    clock = Hands(START + MINUTE * learned)
    connector = CONNECTOR(
        name="prometheus/main", config=CONNECTOR.Config(url=url), environment="production", clock=clock
    )
    limits = Limits(max_rows=series, max_points=series * (learned + 5), max_bytes=600_000_000, deadline_s=300.0)
    execute = Execute({"prometheus/main": (connector, limits)}, clock=clock)
    anomalies = Anomalies(store=store, clock=clock)
    sweep = Sweep(
        name="load",
        source="prometheus/main",
        tool="query_range",
        arguments={"promql": "load", "step_s": 60},
        learn_hours=learned / 60,
    )
    sweeps = Sweeps([sweep], store=store, execute=execute, anomalies=anomalies, clock=clock)
    began = time.process_time()
    first = await sweeps.run(sweep)
    learning_s = time.process_time() - began
    spent, walls, points = [], [], 0
    for _ in range(ticks):
        clock.at += MINUTE
        began, wall = time.process_time(), time.monotonic()
        outcome = await sweeps.run(sweep)
        spent.append(time.process_time() - began)
        walls.append(time.monotonic() - wall)
        points += outcome.points
    await execute.close()
    return {
        "series": outcome.series,
        "learned_points": first.points,
        "learning_cpu_s": round(learning_s, 1),
        "ticks": ticks,
        "points": points,
        "tick_cpu_s": {"median": round(statistics.median(spent), 2), "most": round(max(spent), 2)},
        "tick_wall_s": {"median": round(statistics.median(walls), 2), "most": round(max(walls), 2)},
        "outcome": outcome.outcome,
        "reason": outcome.reason,
        "pages": len(anomalies.recent(limit=1_000)),
        "database_bytes": sum(file.stat().st_size for file in folder.iterdir()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=30)
    parser.add_argument("--hours", type=float, default=2.5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line(), "load", Path("/proc/loadavg").read_text().split()[0])
    table = asyncio.run(run(given.series, given.ticks, given.hours))
    print(json.dumps(table, indent=1))
    if given.out:
        given.out.write_text(json.dumps(table))


if __name__ == "__main__":
    main()
