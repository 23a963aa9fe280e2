"""Follows the outbox and draws: state in, messages out. Nothing here is remembered that the store does not know."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.access import PrincipalKind
from bot.domain.evidence import Evidence
from bot.domain.ids import investigation_stream, stream_subject
from bot.domain.investigation import Investigation
from bot.domain.remediation import PROPOSAL_PREFIX
from bot.errors import BotError
from bot.slack.anomaly_publisher import PREFIXES, AlertNotShown, AnomalyDrawer
from bot.slack.blocks.rows import EvidenceBrief, Scene, brief_of
from bot.slack.config import SlackConfig
from bot.slack.people import People
from bot.slack.ports import Extras, Posted, PublishingStore
from bot.slack.publisher.draw import CARD, Slot, slots
from bot.slack.publisher.limiter import Limiter, Priority
from bot.slack.publisher.post import GONE, NO_ENTRY, BlocksRefused, ParentGone, Poster, Target
from bot.slack.web import SlackRefused, SlackUnreachable, SlackWeb

log = logging.getLogger(__name__)
OUTBOX = "outbox"
IDLE_S = 1.0
GATHER_S = 0.05
NOT_HOLDER_S = 1.0
SURE_S = 3.0
BACKOFF_MOST_S = 30.0
REFUSED_WAIT_S = 60.0
BRIEFS_KEPT = 20_000
EDITS_PER_MINUTE = 35


@dataclass
class _Follow:
    """One stream somebody has to redraw."""

    stream: str
    seen_seq: int = 0
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    drawn_at: float = 0.0
    failures: int = 0
    refusals: int = 0
    waiting_since: float | None = None
    home: str | None = None
    tried_join: bool = False
    drawn: tuple[int, Scene, tuple[str, ...], list[Slot]] | None = None
    top: bool = False
    alert: tuple[str, str] | None = None
    others: dict[str, int] = field(default_factory=dict)


class Publisher:
    """Whoever holds the outbox lease publishes; every stream is drawn by one task, one message at a time."""

    def __init__(
        self, *, store: PublishingStore, web: SlackWeb, people: People, config: SlackConfig, extras: Extras
    ) -> None:
        self._store = store
        self._limiter: Limiter = web.limiter
        self._people = people
        self._config = config
        self._tickets, self._evals = extras.ticket is not None, extras.keep_eval is not None
        self._poster = Poster(web, store)
        self.anomalies = AnomalyDrawer(
            store=store, poster=self._poster, people=people, config=config, ours=self._still_ours
        )
        self._following: dict[str, _Follow] = {}
        self._briefs: OrderedDict[str, EvidenceBrief] = OrderedDict()
        self._held_at = self._looked_at = 0.0

    @property
    def refused(self) -> frozenset[str]:
        """Block types this workspace does not show."""
        return frozenset(self._poster.refused)

    async def run(self) -> None:
        """Publish until cancelled."""
        try:
            while True:
                try:
                    await self._round()
                except BotError as error:
                    log.warning("the outbox cannot be read: %s", error)
                    await asyncio.sleep(IDLE_S)
                except Exception:  # the border of this task: one bad round must not end publishing
                    log.exception("a publishing round failed")
                    await asyncio.sleep(IDLE_S)
        finally:
            tasks = [f.task for f in self._following.values() if f.task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.anomalies.stop()
            with contextlib.suppress(BotError):
                await self._store.drop(OUTBOX, worker=self._config.worker)

    async def _round(self) -> None:
        if not await self._hold():
            await asyncio.sleep(NOT_HOLDER_S)
            return
        self._looked_at = time.monotonic()
        for row in await self._store.outgoing(limit=1_000):
            await self._wake(row.stream, row.latest_seq)
        await self._store.wait_for_outgoing(IDLE_S)
        # The next look may follow a while later: many changes of the same moment are one look at the outbox.
        await asyncio.sleep(max(0.0, self._looked_at + GATHER_S - time.monotonic()))

    async def _hold(self) -> bool:
        """Take or keep the outbox; it lapses after five seconds, also for a process that was frozen."""
        held = await self._store.hold_outbox(worker=self._config.worker)
        self._held_at = time.monotonic() if held else 0.0
        return held

    async def _still_ours(self) -> bool:
        """Asked right before every message, so that a process that woke up late does not speak twice."""
        return time.monotonic() - self._held_at < SURE_S or await self._hold()

    async def _wake(self, stream: str, latest_seq: int) -> None:
        if stream.startswith(PREFIXES):
            self.anomalies.wake(stream)
            return
        shown_in = await self._shown_in(stream)
        if shown_in is None:
            await self._store.mark_published(stream, latest_seq)
            return
        follow = self._following.get(shown_in)
        if follow is None:
            follow = self._following[shown_in] = _Follow(shown_in)
        if shown_in != stream:
            follow.others[stream] = latest_seq
        if latest_seq <= follow.seen_seq and follow.task is not None and not follow.task.done():
            return  # it waits for its turn and knows already
        follow.seen_seq = latest_seq
        follow.dirty.set()
        if follow.task is None or follow.task.done():
            follow.task = asyncio.create_task(self._follow(follow), name=f"publish {stream}")

    async def _shown_in(self, stream: str) -> str | None:
        """The investigation in whose thread a stream is shown; None when it is not shown."""
        if stream.startswith(PROPOSAL_PREFIX):
            proposal = await self._store.proposal(stream_subject(stream))
            return investigation_stream(proposal.investigation_id) if proposal.investigation_id else None
        return stream if stream.startswith("investigation/") else None

    async def _all_shown(self, follow: _Follow, seq: int) -> None:
        """Nothing differs any more: neither of the investigation nor of what is shown in its thread."""
        await self._store.mark_published(follow.stream, seq)
        others, follow.others = follow.others, {}
        for stream, latest_seq in others.items():
            await self._store.mark_published(stream, latest_seq)

    async def _follow(self, follow: _Follow) -> None:
        """Draw until nothing differs any more."""
        while True:
            follow.dirty.clear()
            try:
                wait_s = await self._step(follow)
                follow.failures = 0
            except SlackUnreachable as error:
                wait_s = await self._trouble(follow, str(error))
            except BotError as error:
                wait_s = await self._trouble(follow, str(error))
            except Exception:  # the border of this task
                log.exception("drawing failed", extra={"stream": follow.stream})
                wait_s = await self._trouble(follow, "unexpected")
            if wait_s is None:
                if follow.dirty.is_set():
                    continue
                self._following.pop(follow.stream, None)
                return
            if wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(follow.dirty.wait(), wait_s)

    async def _trouble(self, follow: _Follow, why: str) -> float:
        """Wait longer after each failure; nothing is lost, because the state is in the store."""
        follow.failures += 1
        pause_s = min(BACKOFF_MOST_S, 0.5 * 2 ** min(follow.failures, 8)) * random.uniform(0.5, 1.0)
        log.warning("publishing waits", extra={"stream": follow.stream, "why": why, "pause_s": round(pause_s, 1)})
        await asyncio.sleep(pause_s)
        return 0.0

    async def _step(self, follow: _Follow) -> float | None:
        """Send the most important message that differs. Seconds to wait before looking again; None: all is drawn."""
        investigation = await self._store.investigation(stream_subject(follow.stream))
        if investigation.origin.get("face") != "slack":
            await self._all_shown(follow, investigation.seq)
            return None
        try:
            follow.alert = follow.alert or await self.anomalies.place_of_alert(investigation.origin)
        except AlertNotShown:
            return 1.0
        posted = {p.slot: p for p in await self._store.posted(follow.stream)}
        drawn = await self._slots(follow, investigation, posted)
        differing = [s for s in drawn if not _is_shown(posted.get(s.name), s.digest)]
        if not differing:
            await self._all_shown(follow, investigation.seq)
            return None
        slot, pause_s = self._choose(follow, differing, posted)
        if slot is None:
            return pause_s
        if not await self._turn(follow, slot, posted, investigation):
            return 0.0
        if slot.name == CARD:
            investigation = await self._store.investigation(investigation.id)
            slot = (await self._slots(follow, investigation, posted))[0]
        if not await self._still_ours():
            return None
        return await self._send(follow, slot, posted, investigation)

    async def _slots(self, follow: _Follow, investigation: Investigation, posted: Mapping[str, Posted]) -> list[Slot]:
        """What should be shown; the same state is not drawn twice."""
        scene, names = await self._scene(investigation), tuple(sorted(posted))
        known = follow.drawn
        if known and known[:3] == (investigation.seq, scene, names):
            return known[3]
        drawn = slots(investigation, scene, posted=names, load=self._load)
        follow.drawn = (investigation.seq, scene, names, drawn)
        return drawn

    async def _load(self, ids: Sequence[str]) -> list[Evidence]:
        return list(await self._store.evidence(ids))

    async def _scene(self, investigation: Investigation) -> Scene:
        wanted = [e.evidence_id for e in investigation.executions if e.evidence_id]
        missing = [i for i in wanted if i not in self._briefs]
        if missing:
            for evidence in await self._store.evidence(missing):
                self._briefs[evidence.id] = brief_of(evidence)
            while len(self._briefs) > BRIEFS_KEPT:
                self._briefs.popitem(last=False)
        proposals = tuple(reversed(await self._store.proposals(investigation_id=investigation.id)))
        actors = {t.actor for t in investigation.transitions} | {g.by for g in investigation.guidance}
        requests = investigation.requests
        actors |= {a for a in (requests.pause, requests.resume, requests.cancel, requests.retry) if a}
        actors |= {step.actor for proposal in proposals for step in proposal.story}
        people = {a.partition(":")[2] for a in actors if a.startswith("person:")}
        names = await self._people.names(people) if people else {}
        if investigation.requester.name:
            names.setdefault(investigation.requester.id, investigation.requester.name)
        briefs = {i: self._briefs[i] for i in wanted if i in self._briefs}
        return Scene(
            names=names,
            briefs=briefs,
            refused=self.refused,
            hosts=self._config.source_hosts,
            tickets=self._tickets,
            evals=self._evals,
            proposals=proposals,
        )

    def _choose(
        self, follow: _Follow, differing: Sequence[Slot], posted: Mapping[str, Posted]
    ) -> tuple[Slot | None, float]:
        """The card when there is none yet, else the most important; progress waits for its interval."""
        if differing[0].name == CARD and not _has_ts(posted.get(CARD)):
            return differing[0], 0.0
        best = min(differing, key=lambda s: s.priority)
        if best.name == CARD and best.priority is Priority.PROGRESS:
            due_s = follow.drawn_at + self._interval_s() - time.monotonic()
            if due_s > 0:
                others = [s for s in differing if s.name != CARD]
                return (others[0], 0.0) if others else (None, due_s)
        return best, 0.0

    def _interval_s(self) -> float:
        """Seconds between two edits of one card: longer the more cards are alive."""
        return max(self._config.card_interval_s, len(self._following) * 60 / EDITS_PER_MINUTE * self._config.slack_pace)

    async def _turn(
        self, follow: _Follow, slot: Slot, posted: Mapping[str, Posted], investigation: Investigation
    ) -> bool:
        """Wait for a turn. False when something new happened meanwhile: then everything is decided again."""
        shown = _has_ts(posted.get(slot.name))
        method = "chat.update" if shown else "chat.postMessage"
        channel = self._target(follow, slot.name, posted, investigation).channel
        first = slot.name == CARD and not shown
        follow.waiting_since = follow.waiting_since or time.monotonic()
        turn = asyncio.ensure_future(
            self._limiter.turn(method, channel, Priority.REPORT if first else slot.priority, since=follow.waiting_since)
        )
        news = asyncio.ensure_future(follow.dirty.wait())
        try:
            await asyncio.wait({turn, news}, return_when=asyncio.FIRST_COMPLETED)
            if turn.done() and not turn.cancelled():
                follow.waiting_since = None
                return True
            return False
        finally:
            for waiting in (turn, news):
                waiting.cancel()

    def _target(self, follow: _Follow, slot: str, posted: Mapping[str, Posted], investigation: Investigation) -> Target:
        card = posted.get(CARD)
        if slot != CARD and card is not None and card.ts:
            return Target(follow.stream, slot, card.channel, card.thread_ts or card.ts)
        origin = investigation.origin
        channel, thread = follow.alert or (str(origin.get("channel", "")), origin.get("thread_ts"))
        if follow.home:
            return Target(follow.stream, slot, follow.home)
        if card is not None and not follow.top and card.channel and not card.ts and card.channel != channel:
            return Target(follow.stream, slot, card.channel, card.thread_ts)
        return Target(follow.stream, slot, channel, str(thread) if thread and not follow.top else None)

    async def _send(
        self, follow: _Follow, slot: Slot, posted: Mapping[str, Posted], investigation: Investigation
    ) -> float:
        target = self._target(follow, slot.name, posted, investigation)
        before = posted.get(slot.name)
        message = await slot.draw()
        try:
            if before is not None and before.ts:
                await self._poster.edit(target, message, slot.digest, before=before)
            else:
                await self._poster.post(target, message, slot.digest, before=before)
        except BlocksRefused:
            return 0.0
        except ParentGone:
            return await self._without_parent(follow, target, posted)
        except SlackRefused as refused:
            return await self._refused(follow, target, refused, investigation, posted)
        follow.refusals = 0
        if slot.name == CARD:
            follow.drawn_at = time.monotonic()
        return 0.0

    async def _without_parent(self, follow: _Follow, target: Target, posted: Mapping[str, Posted]) -> float:
        """The thread is gone. A lost card is posted anew; a card that was to be a reply goes to the top."""
        log.warning("a thread is gone; the card is posted anew", extra={"stream": follow.stream})
        follow.top = True
        card = posted.get(CARD)
        if target.slot != CARD and card is not None:
            await self._poster.forget(Target(follow.stream, CARD, card.channel))
        return 0.0

    async def _refused(
        self,
        follow: _Follow,
        target: Target,
        refused: SlackRefused,
        investigation: Investigation,
        posted: Mapping[str, Posted],
    ) -> float:
        """Slack said no for good: find another way, or wait long and try again."""
        before = posted.get(target.slot)
        if refused.error in GONE and before is not None and before.ts:
            return await self._gone(target, before)
        if refused.error in NO_ENTRY and not _has_ts(posted.get(CARD)):
            if not follow.tried_join and target.channel.startswith("C"):
                follow.tried_join = True
                if await self._poster.join(target.channel):
                    return 0.0
            requester = investigation.requester
            if follow.home is None and requester.kind is PrincipalKind.PERSON:
                log.warning("no entry to the channel; the card goes to the requester", extra={"stream": follow.stream})
                follow.home = await self._poster.direct(requester.id)
                return 0.0
        log.error("slack refuses to show %s: %s", target.key, refused)
        follow.refusals += 1
        await asyncio.sleep(min(REFUSED_WAIT_S, 2.0 ** min(follow.refusals, 6)))
        return 0.0

    async def _gone(self, target: Target, before: Posted) -> float:
        """Somebody deleted it. The card comes back; other messages stay deleted."""
        if target.slot == CARD:
            await self._poster.forget(Target(target.stream, CARD, before.channel, before.thread_ts))
            return 0.0
        await self._store.keep_posted(before.model_copy(update={"digest": DELETED}))
        return 0.0


DELETED = "deleted by a person"


def _has_ts(row: Posted | None) -> bool:
    return row is not None and bool(row.ts)


def _is_shown(row: Posted | None, digest: str) -> bool:
    return row is not None and bool(row.ts) and row.digest in (digest, DELETED)
