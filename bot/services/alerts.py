"""Alert intake: verified, stored before the answer, taken into anomalies once. Many webhooks share one commit."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import SecretStr

from bot.border import border
from bot.domain.events import Event, EventKind, NewEvent
from bot.errors import BotError, InvalidRequest, NotAllowed, StoreBusy
from bot.services.sweep import StreamEnds
from bot.services.sweep_alerts import SYSTEMS, ReceivedAlert, parse
from bot.services.sweep_anomalies import Anomalies
from bot.store import Store
from connectors.model import Clock, JsonObject

log = structlog.get_logger(__name__)

STREAM = "sweep/alerts"
TAKEN = "sweep/alerts-taken"
_MOST_WAITING = 5_000
_MOST_AT_ONCE = 200
_REMEMBERED = 100_000
_AGAIN_S = 1.0
_GATHER_S = 0.02
_GATHER_TAKING_S = 0.5
_PAGE = 500
_LEASE_S = 10.0
_RECALLED = 2_000


@dataclass(frozen=True)
class _Waiting:
    digest: str
    event: NewEvent
    stored: asyncio.Future[None]


class Alerts:
    """`receive` returns only when the alerts are durable; `start` begins to take them into anomalies.

    With a `lease` (its name and this worker's), alerts are taken in only while this process holds it.
    """

    def __init__(
        self,
        *,
        store: Store,
        anomalies: Anomalies,
        clock: Clock,
        secrets: Mapping[str, SecretStr],
        takes: bool = True,
        lease: tuple[str, str] | None = None,
    ) -> None:
        self._store, self._anomalies, self._clock, self._lease = store, anomalies, clock, lease
        self._secrets = {name: secret.get_secret_value() for name, secret in secrets.items()}
        self._takes = takes
        self._ends = StreamEnds(store)
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(_MOST_WAITING)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to store and, where `takes` is set, to take in."""
        self._tasks.append(asyncio.create_task(self._store_forever(), name="alerts store"))
        if self._takes:
            self._tasks.append(asyncio.create_task(self._take_forever(), name="alerts take"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def receive(self, system: str, body: bytes, *, headers: Mapping[str, str]) -> int:
        """Verify, read, store; gives how many alerts there were (0: the same body was stored before).

        NotAllowed: unsigned or wrongly signed. InvalidRequest: not what that system sends. StoreBusy: try again.
        """
        if system not in SYSTEMS:
            raise InvalidRequest(f"Alerts come from one of: {', '.join(sorted(SYSTEMS))}.")
        self._verify(system, body, headers)
        digest = hashlib.sha256(system.encode() + b"\0" + body).hexdigest()
        if digest in self._seen:
            return 0
        alerts = parse(system, _json(body), now=self._clock.now())
        payload: JsonObject = {"digest": digest, "alerts": [one.model_dump(mode="json") for one in alerts]}
        event = NewEvent(
            kind=EventKind.ALERT_RECEIVED, actor=f"webhook:{system}", at=self._clock.now(), payload=payload
        )
        waiting = _Waiting(digest, event, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull as error:
            raise StoreBusy("Too many alerts at once. Send it again in a few seconds.") from error
        await waiting.stored
        return len(alerts)

    def _verify(self, system: str, body: bytes, headers: Mapping[str, str]) -> None:
        """A bearer token, or the HMAC-SHA256 of the raw body as PagerDuty (`v1=…`) and Grafana send it."""
        secret = self._secrets.get(system) or self._secrets.get("*")
        if not secret:
            raise NotAllowed("This door is closed: no webhook secret is set for it.")
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        for name in ("x-pagerduty-signature", "x-grafana-alerting-signature", "x-inquest-signature"):
            for given in headers.get(name, "").split(","):
                bare = given.strip().removeprefix("v1=").removeprefix("sha256=")
                if hmac.compare_digest(bare.encode(), expected.encode()):
                    return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), secret.encode()):
            return
        raise NotAllowed("The signature or token of this webhook is not right.")

    # storing

    async def _recall(self) -> None:
        """The digests of what was stored lately, so that a repeated body is known after a restart too."""
        after = max(0, await self._taken() - _RECALLED)
        while events := await self._store.read(STREAM, after=after, limit=_PAGE):
            after = events[-1].seq
            self._remember({str(event.payload.get("digest")): None for event in events})

    async def _store_forever(self) -> None:
        with contextlib.suppress(BotError, OSError):  # without it a repeated body is stored twice, and has no effect
            await self._recall()
        loop, last = asyncio.get_running_loop(), 0.0
        while True:
            batch = [await self._queue.get()]
            # One that comes alone is stored at once; in a crowd one commit takes all that came in 20 ms.
            await asyncio.sleep(max(0.0, last + _GATHER_S - loop.time()))
            while len(batch) < _MOST_AT_ONCE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            last = loop.time()
            await self._store_batch(batch)

    async def _store_batch(self, batch: Sequence[_Waiting]) -> None:
        fresh = {one.digest: one.event for one in batch if one.digest not in self._seen}
        error: BotError | None = None
        try:
            if fresh:
                await self._ends.append(STREAM, list(fresh.values()))
        except (BotError, OSError) as failed:
            log.warning("alerts.not_stored", reason=str(failed))
            error = StoreBusy("The alerts could not be stored. Send them again.")
        for one in batch:
            if one.stored.done():
                continue
            if error is None:
                one.stored.set_result(None)
            else:
                one.stored.set_exception(error)
        if error is None:
            self._remember(fresh)

    def _remember(self, digests: Mapping[str, object]) -> None:
        self._seen.update(dict.fromkeys(digests))
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    # taking in

    async def _take_forever(self) -> None:
        while True:
            with border("alerts.not_taken"):
                if await self._ours():
                    await self._anomalies.refresh()
                    await self._follow(await self._taken())
            await asyncio.sleep(_AGAIN_S)

    async def _ours(self) -> bool:
        """One process at a time takes alerts in; it keeps the lease for longer than it waits."""
        if self._lease is None:
            return True
        name, worker = self._lease
        return await self._store.hold(name, worker=worker, lease_s=_LEASE_S)

    async def _taken(self) -> int:
        """How far the alerts were taken in, by whichever process did it."""
        after, seq = 0, 0
        while events := await self._store.read(TAKEN, after=seq, limit=10_000):
            seq, after = events[-1].seq, int(str(events[-1].payload["seq"]))
        return after

    async def _follow(self, after: int) -> None:
        while await self._ours():
            events = await self._store.read(STREAM, after=after, limit=_PAGE)
            if not events:
                await self._wait(after)
                continue
            await self.take(events)
            after = events[-1].seq
            done = NewEvent(
                kind=EventKind.SWEEP_RAN, actor="system:alerts", at=self._clock.now(), payload={"seq": after}
            )
            await self._ends.append(TAKEN, [done])
            if len(events) < _PAGE:  # what comes meanwhile is folded into its anomalies together
                await asyncio.sleep(_GATHER_TAKING_S)

    async def _wait(self, after: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                async for _ in self._store.follow(STREAM, after=after):
                    return

    async def take(self, events: Sequence[Event]) -> None:
        """Into anomalies. Taking the same twice changes nothing: a known live alert is recognised by its key."""
        newest: dict[tuple[str, str], ReceivedAlert] = {}
        for event in events:
            self._remember({str(event.payload.get("digest")): None})
            given: Any = event.payload.get("alerts")
            for raw in given if isinstance(given, list) else []:
                alert = ReceivedAlert.model_validate(raw)
                newest[alert.system, alert.key] = alert
        firing = [alert.signal() for alert in newest.values() if alert.firing]
        ended = {alert.signal().key for alert in newest.values() if not alert.firing}
        if firing:
            await self._anomalies.report(firing)
        if ended:
            await self._anomalies.recovered(ended, at=self._clock.now())


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
