"""One way in for every delivery, over HTTP or WebSocket: refuse when full, run once, answer in time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from dataclasses import dataclass, field

from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.slack.incoming import Body, delivery_id

log = logging.getLogger(__name__)
DEADLINE_S = 2.6
REMEMBERED = 50_000
FULL = "Inquest is too busy to take this now. Nothing was started. Try again in a minute."
SLOW = "Inquest is slow to store this. If nothing shows up here within a minute, send it again; it is never done twice."


@dataclass(frozen=True)
class Answer:
    """What goes back to Slack: 200 means it is stored (or needs no storing)."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def payload(self) -> Body | None:
        """The body as the WebSocket carries it."""
        if not self.body:
            return None
        if self.headers.get("content-type", "").startswith("application/json"):
            found = json.loads(self.body)
            return found if isinstance(found, dict) else None
        return {"text": self.body}


class Receiver:
    """Runs each delivery once through Bolt and remembers the answer for repetitions of it.

    The memory is only a fast path: services de-duplicate on the same delivery id in the database.
    """

    def __init__(self, app: AsyncApp, *, max_in_flight: int, deadline_s: float = DEADLINE_S) -> None:
        self._app = app
        self._max_in_flight = max_in_flight
        self._deadline_s = deadline_s
        self._known: OrderedDict[str, asyncio.Task[Answer]] = OrderedDict()
        self._running: set[asyncio.Task[Answer]] = set()

    async def take(self, request: AsyncBoltRequest) -> Answer:
        """The answer to one delivery. A 503 tells Slack to deliver again; a person gets a sentence instead."""
        key = delivery_id(request.body)
        task = self._known.get(key) if key else None
        if task is None:
            if len(self._running) >= self._max_in_flight:
                return _refuse(request.body, FULL)
            task = self._start(request, key)
        done, _ = await asyncio.wait({task}, timeout=self._deadline_s)
        return task.result() if done else _refuse(request.body, SLOW)

    def _start(self, request: AsyncBoltRequest, key: str | None) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._run(request), name="slack delivery")
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(done, key))
        if key:
            self._known[key] = task
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return task

    def _ended(self, task: asyncio.Task[Answer], key: str | None) -> None:
        self._running.discard(task)
        failed = task.cancelled() or task.exception() is not None or task.result().status != 200
        if key and failed and self._known.get(key) is task:
            del self._known[key]

    async def _run(self, request: AsyncBoltRequest) -> Answer:
        try:
            return _answer(await self._app.async_dispatch(request))
        except Exception:  # the border of one delivery
            log.exception("a delivery could not be handled")
            return Answer(500)

    async def drain(self, timeout_s: float) -> None:
        """Let what was taken finish."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout_s)


def _answer(response: BoltResponse) -> Answer:
    headers = {
        name.lower(): values[0] for name, values in response.headers.items() if values and name.lower() != "set-cookie"
    }
    return Answer(response.status, response.body or "", headers)


def _refuse(body: Body, sentence: str) -> Answer:
    """Visible to a person who typed a command; a retry for everything Slack delivers again by itself."""
    if "command" in body:
        said = json.dumps({"response_type": "ephemeral", "text": sentence})
        return Answer(200, said, {"content-type": "application/json"})
    return Answer(503, "", {"retry-after": "1"})
