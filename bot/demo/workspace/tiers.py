"""Slack's rate limits: how many calls of a method a workspace or channel admits, and what a refusal says.

Limits: https://docs.slack.dev/apis/web-api/rate-limits (tiers 1 to 4; special ones for chat.postMessage).
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field

from bot.demo.workspace.wire import Clock, Json, SlackError

TIER_1, TIER_2, TIER_3, TIER_4, OPEN = 1, 20, 50, 100, 600

_BY_LIMIT = {
    TIER_1: "apps.connections.open",
    TIER_2: "chat.startStream chat.stopStream conversations.list usergroups.list usergroups.users.list users.list "
    "reactions.remove",
    TIER_3: "chat.update chat.delete conversations.history conversations.replies conversations.info "
    "conversations.join conversations.open reactions.add users.lookupByEmail bots.info",
    TIER_4: "chat.appendStream chat.postEphemeral views.open views.update views.push views.publish "
    "conversations.members users.info files.getUploadURLExternal files.completeUploadExternal files.info "
    "assistant.threads.setTitle assistant.threads.setSuggestedPrompts",
    OPEN: "auth.test chat.getPermalink blocks.validate",
}
PER_MINUTE = {method: limit for limit, names in _BY_LIMIT.items() for method in names.split()}
PER_CHANNEL = {"chat.postMessage": 60, "assistant.threads.setStatus": 60}
POSTS_PER_MINUTE = 300
BURST_PER_SECOND = 4


@dataclass
class Window:
    """At most `limit` calls in any `span_s` Slack seconds."""

    limit: int
    span_s: float
    hits: deque[float] = field(default_factory=deque)

    def wait_s(self, now_s: float) -> float:
        """Slack seconds until one more call fits; 0 when it fits now."""
        while self.hits and self.hits[0] <= now_s - self.span_s:
            self.hits.popleft()
        if len(self.hits) < self.limit:
            return 0.0
        return self.hits[0] + self.span_s - now_s


@dataclass
class Tiers:
    """Windows per method and per channel; a caller that ignores Retry-After is noted as a violation."""

    clock: Clock
    on: bool = False
    overrides: dict[str, int] = field(default_factory=dict)
    windows: dict[tuple[str, str, float], Window] = field(default_factory=dict)
    closed_until: dict[tuple[str, str], float] = field(default_factory=dict)

    def reset(self) -> None:
        """Forget past calls."""
        self.windows.clear()
        self.closed_until.clear()

    def admit(self, method: str, channel: str) -> None:
        """Count the call, or refuse it as Slack does with a Retry-After in seconds of the wall."""
        if not self.on:
            return
        key = (method, channel if method in PER_CHANNEL else "")
        self._refuse_inside_window(key)
        now_s = self.clock.now_s()
        windows = self._windows(method, channel)
        wait_s = max((w.wait_s(now_s) for w in windows), default=0.0)
        if wait_s > 0:
            raise self._refusal(key, wait_s)
        for window in windows:
            window.hits.append(now_s)

    def _refuse_inside_window(self, key: tuple[str, str]) -> None:
        left_s = self.closed_until.get(key, 0.0) - time.monotonic()
        if left_s > 0:
            detail: Json = {"violation": True}
            raise SlackError("ratelimited", status=429, detail=detail, headers=_retry_after(left_s))

    def _refusal(self, key: tuple[str, str], wait_s: float) -> SlackError:
        headers = _retry_after(self.clock.wall_s(wait_s))
        self.closed_until[key] = time.monotonic() + int(headers["Retry-After"])
        return SlackError("ratelimited", status=429, headers=headers)

    def _windows(self, method: str, channel: str) -> list[Window]:
        if method in PER_CHANNEL:
            per_minute = self.overrides.get(method, PER_CHANNEL[method])
            found = [self._window(method, channel, limit=per_minute, span_s=60.0)]
            if method == "chat.postMessage":
                found.append(self._window(method, channel, limit=BURST_PER_SECOND, span_s=1.0))
                found.append(self._window(method, "", limit=POSTS_PER_MINUTE, span_s=60.0))
            return found
        limit = self.overrides.get(method, PER_MINUTE.get(method, TIER_3))
        return [self._window(method, "", limit=limit, span_s=60.0)]

    def _window(self, method: str, channel: str, *, limit: int, span_s: float) -> Window:
        window = self.windows.setdefault((method, channel, span_s), Window(limit, span_s))
        window.limit = limit
        return window


def _retry_after(wall_s: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(wall_s)))}
