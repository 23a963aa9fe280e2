"""Deliveries to the bot: which way they go, how long they wait, when they are tried again."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from bot.demo.workspace.config import APP_ID, WorkspaceConfig
from bot.demo.workspace.http_delivery import HttpDelivery
from bot.demo.workspace.ledger import DeliveryRecord, Ledger
from bot.demo.workspace.socket_mode import Answer, SocketMode
from bot.demo.workspace.wire import Clock, Json

log = logging.getLogger(__name__)
EVENTS_PER_HOUR = 30_000
KEPT_PAYLOADS = 20_000


@dataclass
class Courier:
    """Hands events, commands and interactions to the bot over Socket Mode or signed HTTP.

    Events are tried again on Slack's schedule. Commands and interactions are tried once, as in Slack: a
    person is waiting, and sees an error after three seconds.
    """

    config: WorkspaceConfig
    clock: Clock
    ledger: Ledger
    sockets: SocketMode
    http: HttpDelivery
    request_urls: list[str] = field(default_factory=list)
    copies: int = 0
    jitter_s: float = 0.0
    limited_minute: int = 0
    payloads: dict[str, tuple[str, Json, str | None]] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    hour: deque[float] = field(default_factory=deque)
    limit_events: bool = False

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside the caller until the workspace stops."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a delivery task failed", exc_info=task.exception())

    def event(self, payload: Json) -> None:
        """Deliver one Events API payload in the background, with retries."""
        if self.limit_events and self._over_the_hour():
            minute = int(self.clock.now_s() // 60 * 60)
            if minute == self.limited_minute:
                return
            self.limited_minute = minute
            payload = {"type": "app_rate_limited", "team_id": payload["team_id"], "token": payload["token"]}
            payload |= {"api_app_id": APP_ID, "minute_rate_limited": minute}
        self.spawn(self._with_retries(payload))

    def _over_the_hour(self) -> bool:
        now_s = self.clock.now_s()
        while self.hour and self.hour[0] <= now_s - 3_600:
            self.hour.popleft()
        self.hour.append(now_s)
        return len(self.hour) > EVENTS_PER_HOUR

    async def _with_retries(self, payload: Json) -> None:
        delivery_id = str(payload.get("event_id", "app_rate_limited"))
        reason = ""
        for attempt, pause_s in enumerate((0.0, *self.config.retry_schedule_s)):
            if attempt and pause_s:
                await self.clock.sleep(pause_s)
            answer = await self.once("events_api", payload, delivery_id=delivery_id, attempt=attempt, reason=reason)
            if answer.ok or not answer.retry:
                return
            reason = answer.reason

    async def once(
        self, kind: str, payload: Json, *, delivery_id: str, attempt: int = 0, reason: str = "",
        envelope_id: str | None = None,
    ) -> Answer:  # fmt: skip
        """One attempt, written to the ledger."""
        via = "http" if self.request_urls else "socket"
        if self.copies and not attempt:
            for number in range(self.copies):
                self.spawn(self._copy(kind, payload, delivery_id, number + 1))
        record = self.ledger.delivery(delivery_id, kind, attempt=attempt, via=via, reason=reason)
        record.event_id = payload.get("event_id")
        record.event_type = (payload.get("event") or {}).get("type")
        if self.request_urls:
            answer = await self.http.attempt(record, payload, url=self.sockets.rng.choice(self.request_urls))
        else:
            answer = await self.sockets.attempt(record, payload, envelope_id=envelope_id)
        if not answer.ok:
            record.close("timeout" if answer.reason in {"timeout", "http_timeout"} else answer.reason)
        self._remember(record, payload)
        return answer

    async def _copy(self, kind: str, payload: Json, delivery_id: str, number: int) -> None:
        await asyncio.sleep(self.sockets.rng.uniform(0, self.jitter_s))
        await self.once(kind, payload, delivery_id=delivery_id, attempt=number, reason="timeout")

    def _remember(self, record: DeliveryRecord, payload: Json) -> None:
        self.payloads[record.delivery_id] = (record.kind, payload, record.envelope_id)
        if len(self.payloads) > KEPT_PAYLOADS:
            self.payloads.pop(next(iter(self.payloads)))

    async def again(self, delivery_id: str, times: int) -> list[Answer]:
        """Deliver something once more, unchanged, as Slack may at any moment; side by side."""
        kind, payload, envelope_id = self.payloads[delivery_id]
        work = [
            self.once(kind, payload, delivery_id=delivery_id, attempt=n + 1, reason="timeout", envelope_id=envelope_id)
            for n in range(times)
        ]
        return list(await asyncio.gather(*work))

    async def stop(self) -> None:
        """Cancel what is still on its way."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.sockets.stop()
        await self.http.stop()
