"""A folder of files: orders as CSV, events as JSON lines, metrics, logs with a fault, and links that lead out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 20, 11, tzinfo=UTC)
SECRET = "outside-secret-never-shown"


def write(root: Path) -> None:
    """Make everything."""
    outside = root.parent / f"{root.name}-outside"
    outside.mkdir()
    (outside / "secret.csv").write_text(f"secret\n{SECRET}\n")
    (outside / "secret.log").write_text(f"2026-11-20T11:10:00Z ERROR {SECRET}\n")
    (root / "orders.csv").write_text("id,note\n" + "".join(f"{n},note {n}\n" for n in range(1, 3_001)))
    events = [{"id": 9007199254740993, "tags": ["a", None], "at": "2026-11-20T11:00:00Z"}]
    (root / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (root / "metrics").mkdir()
    wide = "time,service,cpu_usage,memory_usage\n"
    for minute in range(-60, 60):
        at = (START + timedelta(minutes=minute)).isoformat()
        wide += f"{at},payment-service,{2.5 if minute >= 30 else 0.5},1000\n{at},catalog,0.5,1000\n"
    (root / "metrics" / "nodes.csv").write_text(wide)
    (root / "broken.parquet").write_text("this is no parquet")
    (root / "logs").mkdir()
    (root / "logs" / "payment-service.log").write_text(_log())
    (root / "linked.csv").symlink_to(outside / "secret.csv")
    (root / "logs" / "linked.log").symlink_to(outside / "secret.log")
    (root / "folder-link").symlink_to(outside, target_is_directory=True)


def _log() -> str:
    lines = []
    for minute in range(-60, 60):
        at = (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{at} INFO request {minute + 1000} took 12 ms")
        if minute % 20 == 0:
            lines.append(f"{at} WARN pool is at {minute + 100} of 200")
        if minute >= 30:
            lines.append(f"{at} ERROR card {minute} refused by upstream")
    lines.append(
        json.dumps({"time": "2026-11-20T11:59:00Z", "level": "error", "service": "gateway", "message": "late"})
    )
    return "\n".join(lines) + "\n"
