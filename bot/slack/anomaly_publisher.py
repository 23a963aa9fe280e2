"""Draws anomalies and digests from their streams, for the publisher that holds the outbox."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from bot.domain.anomaly import Anomaly, anomaly_stream, fold
from bot.domain.digest import DIGEST_PREFIX, fold_digest
from bot.domain.ids import stream_subject
from bot.errors import BotError
from bot.slack.anomaly_blocks import alert_card, digest_message, thread_notes
from bot.slack.anomaly_ports import AnomalyVerbs
from bot.slack.blocks.elements import Message
from bot.slack.blocks.rows import Scene
from bot.slack.config import SlackConfig
from bot.slack.people import People
from bot.slack.ports import Posted, PublishingStore
from bot.slack.publisher.draw import CARD, Slot
from bot.slack.publisher.limiter import Limiter, Priority
from bot.slack.publisher.post import GONE, NO_ENTRY, BlocksRefused, ParentGone, Poster, Target
from bot.slack.web import SlackRefused, SlackUnreachable
from connectors.model import Clock, JsonObject, canonical_digest

log = logging.getLogger(__name__)
PREFIXES = ("anomaly/", DIGEST_PREFIX)
_BACKOFF_MOST_S = 30.0
_LATE = timedelta(minutes=15)
_ALERT_WAIT_S = 60.0
_DELETED = "deleted by a person"


@dataclass
class _Drawing:
    """One stream being drawn."""

    stream: str
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    failures: int = 0
    tried_join: bool = False


@dataclass(frozen=True)
class _Shown:
    """What a stream should show and where; `seq` is how far it was read."""

    seq: int
    channel: str
    slots: list[Slot]


class AnomalyDrawer:
    """One task per stream, one message at a time; `ours` is asked right before each message."""

    def __init__(
        self,
        *,
        store: PublishingStore,
        poster: Poster,
        people: People,
        config: SlackConfig,
        ours: Callable[[], Awaitable[bool]],
    ) -> None:
        self._store, self._poster, self._people, self._config, self._ours = store, poster, people, config, ours
        self._limiter: Limiter = poster.web.limiter
        self._drawing: dict[str, _Drawing] = {}
        self._waiting_since: dict[str, float] = {}
        self.verbs: AnomalyVerbs | None = None
        self.clock: Clock | None = None

    def wake(self, stream: str) -> None:
        """The stream has got further."""
        drawing = self._drawing.get(stream)
        if drawing is None:
            drawing = self._drawing[stream] = _Drawing(stream)
        drawing.dirty.set()
        if drawing.task is None or drawing.task.done():
            drawing.task = asyncio.create_task(self._draw(drawing), name=f"publish {stream}")

    async def stop(self) -> None:
        tasks = [one.task for one in self._drawing.values() if one.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def place_of_alert(self, origin: JsonObject) -> tuple[str, str] | None:
        """Channel and ts of the card that an investigation belongs under; None: it has none, or none any more.

        Raises AlertNotShown while that card may still come.
        """
        anomaly_id = origin.get("anomaly")
        if not isinstance(anomaly_id, str) or origin.get("thread_ts"):
            return None
        for posted in await self._store.posted(anomaly_stream(anomaly_id)):
            if posted.slot == CARD and posted.ts:
                return posted.channel, posted.ts
        since = self._waiting_since.setdefault(anomaly_id, time.monotonic())
        if time.monotonic() - since < _ALERT_WAIT_S:
            raise AlertNotShown(anomaly_id)
        return None

    async def _draw(self, drawing: _Drawing) -> None:
        """Until nothing differs any more."""
        while True:
            drawing.dirty.clear()
            try:
                again = await self._step(drawing)
                drawing.failures = 0
            except (SlackUnreachable, BotError) as error:
                again = await self._trouble(drawing, str(error))
            except Exception:  # the border of this task
                log.exception("drawing failed", extra={"stream": drawing.stream})
                again = await self._trouble(drawing, "unexpected")
            if not again and not drawing.dirty.is_set():
                self._drawing.pop(drawing.stream, None)
                return

    async def _trouble(self, drawing: _Drawing, why: str) -> bool:
        drawing.failures += 1
        pause_s = min(_BACKOFF_MOST_S, 0.5 * 2 ** min(drawing.failures, 8)) * random.uniform(0.5, 1.0)
        log.warning("publishing waits", extra={"stream": drawing.stream, "why": why, "pause_s": round(pause_s, 1)})
        await asyncio.sleep(pause_s)
        return True

    async def _step(self, drawing: _Drawing) -> bool:
        """Send the first message that differs; False when all is drawn."""
        posted = {one.slot: one for one in await self._store.posted(drawing.stream)}
        shown = await self._shown(drawing.stream, posted)
        slot = next((one for one in shown.slots if not _is_shown(posted.get(one.name), one.digest)), None)
        if slot is None:
            await self._store.mark_published(drawing.stream, shown.seq)
            return False
        before, card = posted.get(slot.name), posted.get(CARD)
        edits = before is not None and bool(before.ts)
        thread = card.ts if card is not None and card.ts and slot.name != CARD else None
        channel = card.channel if card is not None and card.channel else shown.channel
        method = "chat.update" if edits else "chat.postMessage"
        await self._limiter.turn(method, channel, slot.priority)
        if not await self._ours():
            return False
        return await self._send(drawing, slot, Target(drawing.stream, slot.name, channel, thread), before)

    async def _shown(self, stream: str, posted: Mapping[str, Posted]) -> _Shown:
        events = await self._store.read(stream)
        seq = events[-1].seq if events else 0
        if stream.startswith(DIGEST_PREFIX):
            lines = fold_digest(events)
            message = digest_message(lines) if lines else None
            return _Shown(
                seq, lines[0].channel if lines else "", [_ready(CARD, message, Priority.EVIDENCE)] if message else []
            )
        anomaly = fold(events, stream_subject(stream))
        if anomaly is None or not anomaly.channel or (anomaly.hushed and CARD not in posted):
            return _Shown(seq, "", [])
        if CARD not in posted and await self._is_late(anomaly):
            return _Shown(seq, "", [])
        scene = await self._scene(anomaly)
        notes = [_ready(name, message, Priority.EVIDENCE) for name, message in thread_notes(anomaly, scene)]
        return _Shown(seq, anomaly.channel, [_ready(CARD, alert_card(anomaly, scene), Priority.REPORT), *notes])

    async def _is_late(self, anomaly: Anomaly) -> bool:
        """Over long before it could be shown, as after an outage of Slack: then the digest tells it."""
        ended = anomaly.episodes[-1].ended_at if anomaly.episodes else None
        if self.verbs is None or self.clock is None or ended is None or self.clock.now() - ended < _LATE:
            return False
        await self.verbs.digest(anomaly, "over before it could be shown")
        return True

    async def _scene(self, anomaly: Anomaly) -> Scene:
        people = {a.by.partition(":")[2] for a in anomaly.answers if a.by.startswith("person:")}
        names = await self._people.names(people) if people else {}
        return Scene(names=names, refused=frozenset(self._poster.refused), hosts=self._config.source_hosts)

    async def _send(self, drawing: _Drawing, slot: Slot, target: Target, before: Posted | None) -> bool:
        message = await slot.draw()
        try:
            if before is not None and before.ts:
                await self._poster.edit(target, message, slot.digest, before=before)
            else:
                await self._poster.post(target, message, slot.digest, before=before)
        except BlocksRefused:
            return True
        except ParentGone:
            await self._poster.forget(Target(drawing.stream, CARD, target.channel))
        except SlackRefused as refused:
            await self._refused(drawing, target, refused, before)
        return True

    async def _refused(self, drawing: _Drawing, target: Target, refused: SlackRefused, before: Posted | None) -> None:
        """Slack said no: a deleted reply stays deleted, a deleted card comes back, a closed channel is joined."""
        if refused.error in GONE and before is not None and before.ts:
            if target.slot == CARD:
                await self._poster.forget(Target(drawing.stream, CARD, before.channel))
            else:
                await self._store.keep_posted(before.model_copy(update={"digest": _DELETED}))
            return
        if refused.error in NO_ENTRY and not drawing.tried_join:
            drawing.tried_join = True
            if await self._poster.join(target.channel):
                return
        log.error("slack refuses to show %s: %s", target.key, refused)
        await self._trouble(drawing, refused.error)


class AlertNotShown(Exception):
    """The card of the alert is not there yet."""


def _ready(name: str, message: Message, priority: Priority) -> Slot:
    async def draw() -> Message:
        return message

    return Slot(name, priority, canonical_digest(asdict(message))[:32], draw)


def _is_shown(row: Posted | None, digest: str) -> bool:
    return row is not None and bool(row.ts) and row.digest in (digest, _DELETED)
