"""Streams a report's words into its thread while a model writes them, until the checked report stands there.

The streamed message is the slot `draft`: the store knows it before it holds a word of the model, so that whoever
publishes ends the stream and empties it once the investigation is over, also after a restart or in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from bot.domain.access import PrincipalKind
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.errors import BotError
from bot.slack.blocks.text import defang, one_line
from bot.slack.ports import Posted, PublishingStore
from bot.slack.publisher.draw import CARD, DRAFT, is_over
from bot.slack.publisher.limiter import Priority
from bot.slack.publisher.post import NO_ENTRY, STREAMING
from bot.slack.web import Params, SlackRefused, SlackUnreachable, SlackWeb
from connectors.redaction import redact_pieces

log = logging.getLogger(__name__)

START, APPEND = "chat.startStream", "chat.appendStream"
HEADING = "_Claude is wording the report. This draft is not checked yet and goes when the checked report comes._\n\n"
MOST_AT_ONCE = 3
"""Streams start and end in a slow tier (20 a minute); reports must not wait for previews of others."""
NEVER_HERE = frozenset({"unknown_method", "missing_scope", "not_allowed_token_type", "access_denied", "no_permission"})
PASSING = frozenset({"thread_not_found", "message_not_found", "message_not_in_streaming_state", "user_not_found"})


class Previews:
    """Makes one preview for each run of an investigation, and remembers where Slack refuses streams."""

    def __init__(self, *, store: PublishingStore, web: SlackWeb, team: Callable[[], str], every_s: float = 1.0) -> None:
        self.store, self.web, self.every_s = store, web, every_s
        self._team = team
        self._refused: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refuses_all = False

    def of(self, investigation: Investigation) -> Preview | None:
        """None when this is not shown in Slack, has its report already, or nothing may be streamed here."""
        if self.refuses_all or investigation.report is not None or investigation.origin.get("face") != "slack":
            return None
        return Preview(self, investigation)

    def place(self, investigation: Investigation, card: Posted) -> Params | None:
        """Where a stream begins and for whom; None where Slack would refuse it. A channel wants a reader's name."""
        if self.refuses_all or card.channel in self._refused:
            return None
        place: Params = {"channel": card.channel, "thread_ts": card.thread_ts or card.ts}
        if card.channel.startswith("D"):
            return place
        reader, team = investigation.requester, str(investigation.origin.get("team") or self._team())
        if reader.kind is not PrincipalKind.PERSON or not team:
            return None
        return place | {"recipient_user_id": reader.id, "recipient_team_id": team}

    def refused(self, channel: str, refusal: SlackRefused) -> None:
        """Not again in this process: in the whole workspace, or in this channel. Everything else works as without."""
        if refusal.error in NEVER_HERE:
            self.refuses_all = True
        elif refusal.error in NO_ENTRY or refusal.error not in PASSING:
            self._refused.add(channel)
        log.info("slack takes no stream here: %s", refusal, extra={"channel": channel})

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it beside everything else; when there are enough already, not at all."""
        if len(self._tasks) >= MOST_AT_ONCE:
            work.close()
            return
        task = asyncio.create_task(work, name="slack preview")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what runs. A stream left open is ended by whoever empties it."""
        self.refuses_all = True
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Preview:
    """One report being worded; `bot.reasoning.wording.Wording`."""

    def __init__(self, owner: Previews, investigation: Investigation) -> None:
        self._owner, self._investigation = owner, investigation
        self._stream = investigation_stream(investigation.id)
        self._sentences: tuple[str, ...] = ()
        self._shown = 0
        self._news, self._over, self._keeping = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._begun = False

    def heard(self, sentences: Sequence[str]) -> None:
        """Only what goes on from what was heard before: a second attempt of the model is not mixed into the first."""
        said = tuple(sentences)
        if self._over.is_set() or said[: len(self._sentences)] != self._sentences or said == self._sentences:
            return
        self._sentences = said
        self._news.set()
        if not self._begun:
            self._begun = True
            self._owner.begin(self._run())

    async def end(self) -> None:
        """From here on the draft is the publisher's alone."""
        async with self._keeping:
            self._over.set()

    async def _run(self) -> None:
        try:
            await self._show()
        except SlackUnreachable as error:
            log.info("a preview ends: %s", error, extra={"stream": self._stream})
        except BotError as error:
            log.warning("a preview ends: %s", error, extra={"stream": self._stream})
        except Exception:  # the border of this task: a preview must not take anything down with it
            log.exception("a preview failed", extra={"stream": self._stream})

    async def _show(self) -> None:
        posted = {row.slot: row for row in await self._owner.store.posted(self._stream)}
        card = posted.get(CARD)
        place = self._owner.place(self._investigation, card) if card is not None and card.ts else None
        if place is None or DRAFT in posted:
            return
        channel = str(place["channel"])
        try:
            ts = await self._start(place)
            while ts is not None and await self._append(channel, ts):
                pass
        except SlackRefused as refusal:
            self._owner.refused(channel, refusal)

    async def _start(self, place: Params) -> str | None:
        """The new message, which says only that it is a draft until the store knows it."""
        channel = str(place["channel"])
        if not await self._turn(START, channel):
            return None
        answer = await self._owner.web.send(START, place | {"markdown_text": HEADING})
        if answer is None:
            return None
        ts = str(answer["ts"])
        if await self._keep(channel, ts, str(place["thread_ts"])):
            return ts
        await self._owner.web.call("chat.delete", {"channel": channel, "ts": ts}, priority=Priority.PROGRESS)
        return None

    async def _keep(self, channel: str, ts: str, thread_ts: str) -> bool:
        """Whether the message became the draft; not when the report is there already, from whomever, or about to be."""
        async with self._keeping:
            if self._over.is_set() or is_over(await self._owner.store.investigation(self._investigation.id)):
                return False
            row = Posted(stream=self._stream, slot=DRAFT, channel=channel, ts=ts, digest=STREAMING, thread_ts=thread_ts)
            await self._owner.store.keep_posted(row)
            return True

    async def _append(self, channel: str, ts: str) -> bool:
        """Everything heard since the last time, then a pause. False when it is over."""
        if not await self._before_over(self._news.wait()) or not await self._turn(APPEND, channel):
            return False
        self._news.clear()
        upto = len(self._sentences)
        fresh = redact_pieces(self._sentences)[self._shown : upto]
        text = "".join(f"> {defang(one_line(sentence))}\n\n" for sentence in fresh)
        if await self._owner.web.send(APPEND, {"channel": channel, "ts": ts, "markdown_text": text}) is None:
            self._news.set()  # throttled: the next turn comes when Slack wants it, with what is new by then
        else:
            self._shown = upto
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), self._owner.every_s)
        return not self._over.is_set()

    async def _turn(self, method: str, channel: str) -> bool:
        """Wait for a turn; give the place up when it is over before."""
        limiter = self._owner.web.limiter
        if not await self._before_over(limiter.turn(method, channel, Priority.PROGRESS)):
            return False
        if self._over.is_set():
            limiter.landed(method, channel)
            return False
        return True

    async def _before_over(self, waiting: Coroutine[Any, Any, Any]) -> bool:
        """Whether this came before the end."""
        wanted, over = asyncio.ensure_future(waiting), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({wanted, over}, return_when=asyncio.FIRST_COMPLETED)
            return wanted.done() and not wanted.cancelled()
        finally:
            for one in (wanted, over):
                one.cancel()
