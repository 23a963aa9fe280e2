"""An hour of lines of two services, of which one starts to fail half-way; every log store's tests use them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from connectors.model import TimeWindow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = TimeWindow(start=NOW - timedelta(minutes=30), end=NOW)


class FixedClock:
    def now(self) -> datetime:
        return NOW


CLOCK = FixedClock()


class Told(NamedTuple):
    at: datetime
    service: str
    level: str
    message: str
    trace: str = ""


def told() -> list[Told]:
    """Per minute one info line of each service over two hours; a refused call of checkout in each of the last 30;
    an expired cart every six minutes of the last hour."""
    lines = [
        Told(NOW - timedelta(minutes=m + 0.5), service, "info", f"handled order {m}")
        for m in range(120)
        for service in ("checkout", "cart")
    ]
    lines += [
        Told(
            NOW - timedelta(minutes=m + 0.25),
            "checkout",
            "error",
            f"call {m} to payment refused after {m} ms",
            f"t-{m}",
        )
        for m in range(30)
    ]
    lines += [Told(NOW - timedelta(minutes=m + 0.75), "cart", "warn", f"cart {m} expired") for m in range(0, 60, 6)]
    return lines
