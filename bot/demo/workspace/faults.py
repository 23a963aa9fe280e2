"""Outages on command: what the Web API does wrong, for which methods, how often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bot.demo.workspace.wire import Json, SlackError

MODES = frozenset({"status", "error", "hang", "reset", "slow"})


@dataclass
class Outage:
    """One rule. `after` lets the call take effect first, so that only the answer is lost.

    `mode`: status (HTTP `status`), error (ok:false with `error`), hang (no answer until cleared), reset
    (the connection drops), slow (`delay_s` seconds of the wall, then the true answer).
    """

    mode: str
    methods: frozenset[str] = frozenset({"*"})
    after: bool = False
    status: int = 503
    error: str = "internal_error"
    delay_s: float = 1.0
    times: int | None = None
    hits: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def covers(self, method: str) -> bool:
        """Whether the rule strikes this call."""
        named = "*" in self.methods or method in self.methods
        return named and (self.times is None or self.hits < self.times)

    async def strike(self) -> None:
        """Do the damage."""
        self.hits += 1
        if self.mode == "slow":
            await asyncio.sleep(self.delay_s)
        elif self.mode == "status":
            raise SlackError("service_unavailable", status=self.status)
        elif self.mode == "error":
            raise SlackError(self.error)
        else:
            if self.mode == "hang":
                await self.gone.wait()
            raise ConnectionResetError("dropped on command")


@dataclass
class Faults:
    """The rules in force."""

    outages: list[Outage] = field(default_factory=list)

    def add(self, body: Json) -> Outage:
        """A rule from the control API."""
        if body.get("mode") not in MODES:
            raise SlackError("unknown_outage_mode")
        methods = frozenset(body.get("methods") or ["*"])
        keys = ("mode", "after", "status", "error", "delay_s", "times")
        outage = Outage(methods=methods, **{k: body[k] for k in keys if k in body})
        self.outages.append(outage)
        return outage

    def clear(self) -> None:
        """End every outage; hanging calls are dropped."""
        for outage in self.outages:
            outage.gone.set()
        self.outages.clear()

    def find(self, method: str) -> Outage | None:
        """The first rule that strikes this call."""
        return next((o for o in self.outages if o.covers(method)), None)
