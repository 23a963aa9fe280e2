"""Small pieces shared by every part of the loopback workspace: JSON types, named errors, the clock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class SlackError(Exception):
    """A refusal under Slack's own error name, such as `channel_not_found`."""

    def __init__(
        self, error: str, *, detail: Json | None = None, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.error = error
        self.detail = detail or {}
        self.status = status
        self.headers = headers or {}

    def body(self) -> Json:
        """The JSON Slack would answer."""
        return {"ok": False, "error": self.error, **self.detail}


@dataclass
class Clock:
    """Time as the simulated Slack sees it: `scale` Slack seconds pass in one second of the wall.

    Only Slack's long waits are scaled (retry schedule, rate windows, lives of URLs). The acknowledgement
    deadline is a promise to a person, so it stays in seconds of the wall and has its own setting.
    """

    scale: float = 1.0
    _base_s: float = field(default_factory=time.time)
    _mark_s: float = field(default_factory=time.monotonic)

    def now_s(self) -> float:
        """Slack seconds since the epoch."""
        return self._base_s + (time.monotonic() - self._mark_s) * self.scale

    def rescale(self, scale: float) -> None:
        """Go on from the present moment at another speed."""
        self._base_s, self._mark_s = self.now_s(), time.monotonic()
        self.scale = scale

    def wall_s(self, slack_s: float) -> float:
        """Seconds of the wall that `slack_s` Slack seconds take."""
        return slack_s / self.scale

    async def sleep(self, slack_s: float) -> None:
        """Wait `slack_s` Slack seconds."""
        await asyncio.sleep(self.wall_s(slack_s))
