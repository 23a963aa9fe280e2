"""The ledger: every call the workspace received and every delivery it sent, with outcomes and times."""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import asdict, dataclass, field

from bot.demo.workspace.wire import Json

KEPT = 250_000
FULL = 5_000
BULKY = frozenset({"blocks", "view", "attachments", "chunks"})


@dataclass
class CallRecord:
    """One Web API call; `violation` is true when it came inside a Retry-After window."""

    seq: int
    at: float
    method: str
    arguments: Json
    ok: bool = False
    error: str | None = None
    status: int = 200
    retry_after_s: int | None = None
    violation: bool = False
    duration_ms: float = 0.0


@dataclass
class DeliveryRecord:
    """One attempt to hand something to the bot.

    `outcome` is sent | acked | late | timeout | http_error | connection_failed | too_many_redirects.
    """

    seq: int
    delivery_id: str
    kind: str
    attempt: int
    via: str
    sent_at: float
    reason: str = ""
    event_id: str | None = None
    event_type: str | None = None
    envelope_id: str | None = None
    connection: str | None = None
    outcome: str = "sent"
    acked_at: float | None = None
    ack_ms: float | None = None
    status: int | None = None

    def close(self, outcome: str) -> None:
        """Note how the attempt ended."""
        self.outcome = outcome
        if outcome in {"acked", "late"}:
            self.acked_at = time.time()
            self.ack_ms = round((self.acked_at - self.sent_at) * 1000, 3)


@dataclass
class Ledger:
    """Append-only within a run; beyond 5,000 calls the old ones lose their blocks, beyond 250,000 they go."""

    calls: deque[CallRecord] = field(default_factory=lambda: deque(maxlen=KEPT))
    deliveries: deque[DeliveryRecord] = field(default_factory=lambda: deque(maxlen=KEPT))
    _seq: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, arguments: Json) -> CallRecord:
        """Open the entry of a Web API call."""
        record = CallRecord(next(self._seq), time.time(), method, arguments)
        self.calls.append(record)
        if len(self.calls) > FULL:
            old = self.calls[-FULL - 1]
            old.arguments = {k: v for k, v in old.arguments.items() if k not in BULKY}
        return record

    def delivery(self, delivery_id: str, kind: str, *, attempt: int, via: str, reason: str) -> DeliveryRecord:
        """Open the entry of one delivery attempt."""
        record = DeliveryRecord(next(self._seq), delivery_id, kind, attempt, via, time.time(), reason)
        self.deliveries.append(record)
        return record

    def clear(self) -> None:
        """Forget everything, for the next measurement."""
        self.calls.clear()
        self.deliveries.clear()

    def read(self, *, after: int = 0, method: str | None = None) -> Json:
        """Both lists beyond a sequence number, with tallies."""
        calls = [asdict(c) for c in self.calls if c.seq > after and method in {None, c.method}]
        deliveries = [asdict(d) for d in self.deliveries if d.seq > after]
        return {"calls": calls, "deliveries": deliveries, "tally": self.tally()}

    def tally(self) -> Json:
        """Counts an oracle wants first."""
        outcomes: dict[str, int] = {}
        for record in self.deliveries:
            outcomes[record.outcome] = outcomes.get(record.outcome, 0) + 1
        return {
            "calls": len(self.calls),
            "failed": sum(not c.ok for c in self.calls),
            "rate_limited": sum(c.error == "ratelimited" for c in self.calls),
            "violations": sum(c.violation for c in self.calls),
            "deliveries": len(self.deliveries),
            "outcomes": outcomes,
        }
