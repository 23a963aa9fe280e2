"""A circuit breaker per connector instance, so that a dead backend costs one short sentence and not every deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Breaker:
    """Opens after `threshold` failures in a row; after `cooldown_s` it lets one call through to see.

    Times are `time.monotonic()` seconds: a step of the wall clock must not open or close anything.
    """

    threshold: int = 5
    cooldown_s: float = 30.0
    failures: int = 0
    opened_at: float | None = None
    _trial: bool = field(default=False, repr=False)

    def admits(self) -> bool:
        """Whether a call may go out now. A True while open is the one trial call."""
        if self.opened_at is None:
            return True
        if self._trial or time.monotonic() - self.opened_at < self.cooldown_s:
            return False
        self._trial = True
        return True

    def remaining_s(self) -> float:
        """Seconds until the next trial; 0 when closed."""
        if self.opened_at is None:
            return 0.0
        return max(0.0, self.cooldown_s - (time.monotonic() - self.opened_at))

    def succeeded(self) -> None:
        self.failures, self.opened_at, self._trial = 0, None, False

    def failed(self) -> None:
        self.failures += 1
        self._trial = False
        if self.failures >= self.threshold:
            self.opened_at = time.monotonic()

    def abandoned(self) -> None:
        """The trial was cancelled by us: it says nothing about the backend."""
        self._trial = False
