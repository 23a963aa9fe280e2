"""Turns to call Slack, kept inside its tiers before Slack has to: who waits the shortest is decided by importance,
then by age. Each turn is also taken from the database, so that processes count together and a restart forgets none.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass

from bot.slack.publisher.shared import SharedTurns
from bot.slack.publisher.windows import Priority, Windows, bucket, key

__all__ = ["Limiter", "Priority"]


@dataclass(eq=False)
class _Waiter:
    channel: str
    priority: Priority
    since: float
    granted: asyncio.Future[None]


class Limiter:
    """Turns to call a method. `scale`: how many seconds of Slack pass in one of the wall (1 outside of tests).

    `shared`: what all processes count together; without it this process counts alone.
    """

    def __init__(self, *, scale: float = 1.0, shared: SharedTurns | None = None) -> None:
        self._scale, self._shared = scale, shared
        self._windows = Windows()
        self._closed: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], dict[Priority, float]] = defaultdict(dict)
        self._waiting: dict[str, list[_Waiter]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def turn(self, method: str, channel: str, priority: Priority, *, since: float | None = None) -> None:
        """Wait until the method may be called now; the call is counted. Cancelling gives the place up."""
        since = time.monotonic() if since is None else since
        while True:
            await self._own_turn(method, channel, priority, since)
            if self._shared is None:
                return
            windows = self._windows.of(method, channel)
            wait_s = await self._shared.take(bucket(method, channel), windows, priority, scale=self._scale)
            if wait_s <= 0:
                return
            for window in windows:
                window.uncount()
            self._held[key(method, channel)][priority] = time.monotonic() + wait_s

    async def _own_turn(self, method: str, channel: str, priority: Priority, since: float) -> None:
        future = asyncio.get_running_loop().create_future()
        waiter = _Waiter(channel, priority, since, future)
        self._waiting.setdefault(method, []).append(waiter)
        self._pump(method)
        try:
            await future
        finally:
            if waiter in self._waiting.get(method, []):
                self._waiting[method].remove(waiter)

    async def close(self, method: str, channel: str, retry_after_s: float) -> None:
        """Slack said 429: nothing of this kind goes out, from any process, before so many seconds have passed."""
        until = time.monotonic() + retry_after_s + 0.1
        place = key(method, channel)
        self._closed[place] = max(until, self._closed.get(place, 0.0))
        if self._shared is not None:
            await self._shared.close(bucket(method, channel), retry_after_s + 0.1)

    async def opened(self, method: str, channel: str) -> None:
        """Wait while Slack wants nothing of this kind, whoever it told."""
        while True:
            left_s = self._closed.get(key(method, channel), 0.0) - time.monotonic()
            if left_s <= 0 and self._shared is not None:
                left_s = await self._shared.closed_s(bucket(method, channel))
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)

    def landed(self, method: str, channel: str) -> None:
        """A call was answered, or will not be: Slack cannot have counted it later than now."""
        now_s = time.monotonic() * self._scale
        for window in self._windows.of(method, channel):
            window.landed(now_s)
        if self._shared is not None:
            self._shared.landed(bucket(method, channel), scale=self._scale)

    async def settled(self) -> None:
        """Wait until everything that was to be written beside the calls is written."""
        if self._shared is not None:
            await self._shared.settled()

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
        wall, place = time.monotonic(), key(method, waiter.channel)
        held = (until for priority, until in self._held[place].items() if priority <= waiter.priority)
        barred = max(self._closed.get(place, 0.0), *held, 0.0) - wall
        windows = self._windows.of(method, waiter.channel)
        waits = [window.wait_s(wall * self._scale, waiter.priority) for window in windows]
        return max(barred, max(waits, default=0.0) / self._scale)

    def _count(self, method: str, channel: str) -> None:
        now_s = time.monotonic() * self._scale
        for window in self._windows.of(method, channel):
            window.count(now_s)
