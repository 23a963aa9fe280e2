"""Slack's rate tiers, kept before Slack has to: who waits the shortest is decided by importance, then by age.

Figures: https://docs.slack.dev/apis/web-api/rate-limits; a little is left unused because clocks and networks differ.
Posts use all of their minute: a call counts from when it was answered, which is never before Slack counted it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum


class Priority(IntEnum):
    """Smaller goes first."""

    CLICK = 0
    REPORT = 1
    EVIDENCE = 2
    PROGRESS = 3


MINUTE_S = 60.5
_TIERS = {2: 18, 3: 47, 4: 95, 5: 560}
_METHODS = {
    2: "chat.startStream chat.stopStream conversations.list users.list usergroups.list usergroups.users.list",
    3: "chat.update chat.delete conversations.history conversations.replies conversations.info conversations.join "
    "conversations.open",
    4: "chat.appendStream chat.postEphemeral views.open views.push views.update views.publish users.info",
    5: "auth.test chat.getPermalink",
}
PER_MINUTE = {name: _TIERS[tier] for tier, names in _METHODS.items() for name in names.split()}
POST_PER_CHANNEL = ((1, 0.3), (60, MINUTE_S))
POST_PER_WORKSPACE = ((285, MINUTE_S),)
SHARES = {Priority.PROGRESS: 0.75, Priority.EVIDENCE: 0.5}
"""What may be used of a window, so that a report does not wait a minute for the evidence that went before it."""


@dataclass(slots=True)
class _Hit:
    at_s: float


@dataclass
class _Window:
    """At most `limit` calls in any `span_s` seconds, by when each was answered at the latest."""

    limit: int
    span_s: float
    hits: deque[_Hit] = field(default_factory=deque)
    under_way: deque[_Hit] = field(default_factory=deque)

    def wait_s(self, now_s: float, *, share: float) -> float:
        while self.hits and self.hits[0].at_s <= now_s - self.span_s:
            self.hits.popleft()
        room = max(1, int(self.limit * share))
        return 0.0 if len(self.hits) < room else self.hits[-room].at_s + self.span_s - now_s

    def count(self, now_s: float) -> None:
        hit = _Hit(now_s)
        self.hits.append(hit)
        self.under_way.append(hit)

    def landed(self, now_s: float) -> None:
        """The oldest call under way was answered: Slack counted it between its turn and now."""
        if self.under_way:
            self.under_way.popleft().at_s = now_s


@dataclass(eq=False)
class _Waiter:
    channel: str
    priority: Priority
    since: float
    granted: asyncio.Future[None]


class Limiter:
    """Turns to call a method. `scale`: how many seconds of Slack pass in one of the wall (1 outside of tests)."""

    def __init__(self, *, scale: float = 1.0) -> None:
        self._scale = scale
        self._windows: dict[tuple[str, str, float], _Window] = {}
        self._closed: dict[tuple[str, str], float] = {}
        self._waiting: dict[str, list[_Waiter]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def turn(self, method: str, channel: str, priority: Priority, *, since: float | None = None) -> None:
        """Wait until the method may be called now; the call is counted. Cancelling gives the place up."""
        future = asyncio.get_running_loop().create_future()
        waiter = _Waiter(channel, priority, since if since is not None else time.monotonic(), future)
        self._waiting.setdefault(method, []).append(waiter)
        self._pump(method)
        try:
            await future
        finally:
            if waiter in self._waiting.get(method, []):
                self._waiting[method].remove(waiter)

    def close(self, method: str, channel: str, retry_after_s: float) -> None:
        """Slack said 429: nothing of this kind goes out before `retry_after_s` seconds of the wall have passed."""
        until = time.monotonic() + retry_after_s + 0.1
        key = self._key(method, channel)
        self._closed[key] = max(until, self._closed.get(key, 0.0))

    async def opened(self, method: str, channel: str) -> None:
        """Wait while Slack wants nothing of this kind."""
        left_s = self._closed.get(self._key(method, channel), 0.0) - time.monotonic()
        if left_s > 0:
            await asyncio.sleep(left_s)
            await self.opened(method, channel)

    def _key(self, method: str, channel: str) -> tuple[str, str]:
        return (method, channel if method == "chat.postMessage" else "")

    def _pump(self, method: str) -> None:
        """Grant every turn that is free now, best first, and come back when the next one is."""
        timer = self._timers.pop(method, None)
        if timer:
            timer.cancel()
        soonest: float | None = None
        queue = self._waiting.get(method, [])
        queue.sort(key=lambda w: (w.priority, w.since))
        for waiter in list(queue):
            wait_s = self._wait_s(method, waiter)
            if wait_s <= 0:
                self._count(method, waiter.channel)
                queue.remove(waiter)
                if not waiter.granted.done():
                    waiter.granted.set_result(None)
            else:
                soonest = wait_s if soonest is None else min(soonest, wait_s)
        if soonest is not None:
            loop = asyncio.get_running_loop()
            self._timers[method] = loop.call_later(max(0.005, soonest), self._pump, method)

    def _wait_s(self, method: str, waiter: _Waiter) -> float:
        wall = time.monotonic()
        closed = self._closed.get(self._key(method, waiter.channel), 0.0) - wall
        share = SHARES.get(waiter.priority, 1.0)
        waits = [w.wait_s(wall * self._scale, share=share) for w in self._of(method, waiter.channel)]
        return max(closed, max(waits, default=0.0) / self._scale)

    def _count(self, method: str, channel: str) -> None:
        now_s = time.monotonic() * self._scale
        for window in self._of(method, channel):
            window.count(now_s)

    def landed(self, method: str, channel: str) -> None:
        """A call was answered, or will not be: Slack cannot have counted it later than now."""
        now_s = time.monotonic() * self._scale
        for window in self._of(method, channel):
            window.landed(now_s)

    def _of(self, method: str, channel: str) -> list[_Window]:
        if method == "chat.postMessage":
            own = [self._window(method, channel, limit, span) for limit, span in POST_PER_CHANNEL]
            return own + [self._window(method, "", limit, span) for limit, span in POST_PER_WORKSPACE]
        limit = PER_MINUTE.get(method)
        return [self._window(method, "", limit, MINUTE_S)] if limit else []

    def _window(self, method: str, channel: str, limit: int, span_s: float) -> _Window:
        return self._windows.setdefault((method, channel, span_s), _Window(limit, span_s))
