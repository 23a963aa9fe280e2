"""Slack's rate tiers as windows: what this process knows of its own calls.

Figures: https://docs.slack.dev/apis/web-api/rate-limits; a little is left unused because clocks and networks differ.
Posts use all of their minute: a call counts from when it was answered, which is never before Slack counted it.
"""

from __future__ import annotations

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
POST = "chat.postMessage"
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


def room(limit: int, priority: Priority) -> int:
    """How many calls a window may hold for one more of this priority to be the last."""
    return max(1, int(limit * SHARES.get(priority, 1.0)))


@dataclass(slots=True)
class _Hit:
    at_s: float


@dataclass
class Window:
    """At most `limit` calls in any `span_s` seconds, by when each was answered at the latest.

    `bucket` names what is counted; several windows may look at one bucket.
    """

    bucket: str
    limit: int
    span_s: float
    hits: deque[_Hit] = field(default_factory=deque)
    under_way: deque[_Hit] = field(default_factory=deque)

    def wait_s(self, now_s: float, priority: Priority) -> float:
        while self.hits and self.hits[0].at_s <= now_s - self.span_s:
            self.hits.popleft()
        most = room(self.limit, priority)
        return 0.0 if len(self.hits) < most else self.hits[-most].at_s + self.span_s - now_s

    def count(self, now_s: float) -> None:
        hit = _Hit(now_s)
        self.hits.append(hit)
        self.under_way.append(hit)

    def uncount(self) -> None:
        """The newest call does not happen after all."""
        if self.under_way:
            self.hits.remove(self.under_way.pop())

    def landed(self, now_s: float) -> None:
        """The oldest call under way was answered: Slack counted it between its turn and now."""
        if self.under_way:
            self.under_way.popleft().at_s = now_s


def key(method: str, channel: str) -> tuple[str, str]:
    """What Slack closes together: a method, or the posts to one channel."""
    return method, channel if method == POST else ""


def bucket(method: str, channel: str) -> str:
    """The name of that in the database."""
    return "/".join(part for part in key(method, channel) if part)


class Windows:
    """Every window that a call has to fit into, made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, float], Window] = {}

    def of(self, method: str, channel: str) -> list[Window]:
        if method == POST:
            own = [self._one(bucket(POST, channel), limit, span) for limit, span in POST_PER_CHANNEL]
            return own + [self._one(POST, limit, span) for limit, span in POST_PER_WORKSPACE]
        limit = PER_MINUTE.get(method)
        return [self._one(method, limit, MINUTE_S)] if limit else []

    def _one(self, name: str, limit: int, span_s: float) -> Window:
        return self._made.setdefault((name, span_s), Window(name, limit, span_s))
