"""Putting one message where it belongs, exactly once: post, edit, read back after doubt, fall back where refused."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any

from bot.slack.blocks.elements import Message, sections
from bot.slack.blocks.text import chunks
from bot.slack.ports import Posted, PublishingStore
from bot.slack.publisher.limiter import Priority
from bot.slack.web import Params, SlackRefused, SlackUnreachable, SlackWeb

log = logging.getLogger(__name__)

EVENT_TYPE = "inquest"
NATIVE = frozenset({"plan", "task_card", "data_visualization", "data_table", "context_actions"})
STREAMING = "streaming"
"""The digest of a message into which words may still be streamed: whoever edits it ends that first."""
NO_ENTRY = frozenset(
    {"not_in_channel", "channel_not_found", "is_archived", "restricted_action", "cannot_reply_to_message"}
)
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
BAD_BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
_TYPE_NAMED = re.compile(r"[a-z_]{4,}")
READ_BACK_PAGES = 5


@dataclass(frozen=True)
class Target:
    """Which message of which stream goes where. `thread_ts` None: to the top of the channel."""

    stream: str
    slot: str
    channel: str
    thread_ts: str | None = None

    @property
    def key(self) -> str:
        return f"{self.stream}/{self.slot}"


class ParentGone(Exception):
    """Slack put a reply at the top of the channel because its thread is no more."""


class BlocksRefused(Exception):
    """This workspace does not show some of the blocks; draw again without them."""


@dataclass
class Poster:
    """Posts and edits messages and keeps what was posted where.

    `refused` grows with every block type this workspace answered with `invalid_blocks`.
    """

    web: SlackWeb
    store: PublishingStore
    refused: set[str] = field(default_factory=set)
    _unsent: set[str] = field(default_factory=set)
    _plain_only: set[str] = field(default_factory=set)

    async def post(self, target: Target, message: Message, digest: str, *, before: Posted | None) -> Posted:
        """A new message. The caller has the turn. `before` is an earlier attempt whose end nobody knows."""
        if before is not None and not before.ts and target.key not in self._unsent:
            found = await self._read_back(target, before)
            if found is not None:
                return await self._keep(target, found, digest="")
        self._unsent.discard(target.key)
        await self.store.keep_posted(
            Posted(
                stream=target.stream,
                slot=target.slot,
                channel=target.channel,
                ts="",
                digest="",
                thread_ts=target.thread_ts,
            )
        )
        params = self._params(target, message) | {"channel": target.channel}
        if target.thread_ts:
            params["thread_ts"] = target.thread_ts
        answer = await self._send("chat.postMessage", params, target, message)
        ts, channel = str(answer["ts"]), str(answer.get("channel") or target.channel)
        if target.thread_ts and (answer.get("message") or {}).get("thread_ts") != target.thread_ts:
            await self._take_back(channel, ts)
            self._unsent.add(target.key)
            raise ParentGone(target.key)
        return await self._keep(target, (channel, ts), digest=digest)

    async def edit(self, target: Target, message: Message, digest: str, *, before: Posted) -> Posted:
        """Change a message in place. The caller has the turn. Editing twice does no harm, so doubt needs no read."""
        if before.digest == STREAMING:
            await self._end_stream(before)
        params = self._params(target, message) | {"channel": before.channel, "ts": before.ts}
        await self._send("chat.update", params, target, message)
        return await self._keep(target, (before.channel, before.ts), digest=digest, thread_ts=before.thread_ts)

    async def _end_stream(self, before: Posted) -> None:
        """Nobody can add to it any more. A refusal means that it has ended already, or is gone: the edit will tell."""
        try:
            place = {"channel": before.channel, "ts": before.ts}
            await self.web.call("chat.stopStream", place, priority=Priority.REPORT)
        except SlackRefused as refused:
            log.info("a stream was not open any more: %s", refused)

    async def forget(self, target: Target) -> None:
        """The message is gone: the slot is empty again and the next attempt needs no read."""
        self._unsent.add(target.key)
        await self.store.keep_posted(
            Posted(
                stream=target.stream,
                slot=target.slot,
                channel=target.channel,
                ts="",
                digest="",
                thread_ts=target.thread_ts,
            )
        )

    async def _keep(
        self, target: Target, where: tuple[str, str], *, digest: str, thread_ts: str | None = None
    ) -> Posted:
        channel, ts = where
        thread = target.thread_ts or thread_ts
        row = Posted(stream=target.stream, slot=target.slot, channel=channel, ts=ts, digest=digest, thread_ts=thread)
        await self.store.keep_posted(row)
        return row

    def _params(self, target: Target, message: Message) -> Params:
        blocks = message.blocks
        if target.key in self._plain_only:
            blocks = [b for piece in chunks(message.text, 2_900)[:10] for b in sections(piece)]
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": target.key}}
        shown = {"text": message.text, "blocks": blocks, "metadata": metadata}
        return shown | {"unfurl_links": False, "unfurl_media": False, "link_names": False}

    async def _send(self, method: str, params: Params, target: Target, message: Message) -> Params:
        try:
            answer = await self.web.send(method, params)
            if answer is None:
                answer = await self.web.call(method, params, priority=Priority.REPORT)
        except SlackRefused as refused:
            if refused.error not in BAD_BLOCKS:
                self._unsent.add(target.key)
                raise
            self._learn(target, message, refused)
            self._unsent.add(target.key)
            raise BlocksRefused(refused.error) from refused
        return answer

    def _learn(self, target: Target, message: Message, refused: SlackRefused) -> None:
        """Which native blocks to leave out from now on; when none is to blame, this message goes out as text."""
        used = {str(b["type"]) for b in message.blocks} & NATIVE
        named = used & set(_TYPE_NAMED.findall(refused.details))
        fresh = (named or used) - self.refused
        if fresh and refused.error == "invalid_blocks":
            log.info("slack shows some blocks not here; drawing them plainly", extra={"blocks": sorted(fresh)})
            self.refused |= fresh
            return
        log.error("slack refused the blocks of %s: %s %s", target.key, refused.error, refused.details[:500])
        self._plain_only.add(target.key)

    async def _take_back(self, channel: str, ts: str) -> None:
        try:
            await self.web.call("chat.delete", {"channel": channel, "ts": ts})
        except (SlackRefused, SlackUnreachable) as error:
            log.warning("a reply that lost its thread could not be taken back: %s", error)

    async def _read_back(self, target: Target, before: Posted) -> tuple[str, str] | None:
        """The message of an attempt in doubt, found by its key among what the channel or thread holds."""
        params: Params = {"channel": before.channel, "include_all_metadata": True, "limit": 100}
        method = "conversations.history"
        if before.thread_ts:
            method, params = "conversations.replies", params | {"ts": before.thread_ts}
        for _ in range(READ_BACK_PAGES):
            try:
                answer = await self.web.call(method, params, priority=Priority.EVIDENCE)
            except SlackRefused as refused:
                log.warning("could not read back %s: %s", target.key, refused)
                return None
            for message in answer.get("messages") or []:
                if _key_of(message) == target.key:
                    return before.channel, str(message["ts"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return None
            params = params | {"cursor": cursor}
        return None

    async def join(self, channel: str) -> bool:
        """Try to enter a public channel."""
        try:
            await self.web.call("conversations.join", {"channel": channel})
        except (SlackRefused, SlackUnreachable):
            return False
        return True

    async def direct(self, user_id: str) -> str:
        """The direct conversation with a person."""
        try:
            answer = await self.web.call("conversations.open", {"users": user_id})
        except SlackRefused:
            return user_id
        return str((answer.get("channel") or {}).get("id") or user_id)


def _key_of(message: dict[str, Any]) -> str:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != EVENT_TYPE:
        return ""
    return str((metadata.get("event_payload") or {}).get("key", ""))
