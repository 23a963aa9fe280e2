"""Runs the sender in its own process and reads what it found."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tests.benchmarks.machine import percentile
from tests.chaos.sender import Order
from tests.chaos.yard import ROOT


async def send(order: Order) -> list[dict[str, Any]]:
    """What became of each delivery: id, kind, status (-1: no answer in 10 s, -2: no connection), ms."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.sender", order.model_dump_json(), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    found: list[dict[str, Any]] = json.loads(out)
    return found


def figures(results: list[dict[str, Any]], *, kind: str | None = None) -> dict[str, float]:
    """Percentiles of what was acknowledged, and how many were late or were not."""
    chosen = [one for one in results if kind in (None, one["kind"])]
    acked = [one["ms"] for one in chosen if one["status"] == 200]
    over = sum(one["ms"] > 3_000 for one in chosen)
    return {
        "sent": float(len(chosen)),
        "acked": float(len(acked)),
        "p50_ms": percentile(acked, 0.5) if acked else 0.0,
        "p99_ms": percentile(acked, 0.99) if acked else 0.0,
        "max_ms": max(acked, default=0.0),
        "over_3_s": float(over),
    }
