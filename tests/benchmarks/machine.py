"""How fast this machine is, so that figures from two machines can be compared."""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
import tempfile
import time
from pathlib import Path


def machine_speed() -> dict[str, float]:
    """SQLite commits/s (WAL, synchronous=FULL), HMAC-SHA256 of 2 KB bodies/s, and plain Python loops/s."""
    return {
        "cores": float(os.cpu_count() or 1),
        "sqlite_commits_per_s": _commits(),
        "hmac_per_s": _hmacs(),
        "python_loops_per_s": _loops(),
    }


def speed_line() -> str:
    """The same as one line of text."""
    speed = machine_speed()
    return (
        f"machine: {speed['cores']:.0f} cores, {speed['sqlite_commits_per_s']:,.0f} SQLite commits/s, "
        f"{speed['hmac_per_s']:,.0f} HMAC/s, {speed['python_loops_per_s'] / 1e6:,.1f} M loops/s"
    )


def _commits(seconds: float = 0.5) -> float:
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "speed.db", isolation_level=None)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        connection.execute("create table t (x integer)")
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            connection.execute("begin")
            connection.execute("insert into t values (1)")
            connection.execute("commit")
            count += 1
        connection.close()
        return count / (time.perf_counter() - started)


def _hmacs(seconds: float = 0.3) -> float:
    body, started, count = b"x" * 2048, time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        hmac.digest(b"secret", body, hashlib.sha256)
        count += 1
    return count / (time.perf_counter() - started)


def _loops(count: int = 2_000_000) -> float:
    started, total = time.perf_counter(), 0
    for number in range(count):
        total += number
    return count / (time.perf_counter() - started)


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile; `share` 0.99 gives p99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]
