"""Answers only one person sees: after the acknowledgement, never instead of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from bot.slack.blocks.elements import Message
from bot.slack.blocks.limits import Block
from bot.slack.incoming import Body, Place, place_of, user_of
from bot.slack.publisher.limiter import Priority
from bot.slack.web import SlackRefused, SlackUnreachable, SlackWeb

log = logging.getLogger(__name__)


class Answers:
    """Says things to people beside their deliveries; what cannot be said is logged, not retried for ever."""

    def __init__(self, web: SlackWeb) -> None:
        self._web = web
        self._tasks: set[asyncio.Task[None]] = set()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the delivery that caused it."""
        task = asyncio.create_task(self._border(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _border(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (SlackRefused, SlackUnreachable) as error:
            log.warning("an answer could not be given: %s", error)
        except Exception:  # the border of this task
            log.exception("an answer failed")

    async def close(self, timeout_s: float = 2.0) -> None:
        """Let pending answers out."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tell(self, body: Body, text: str) -> None:
        """One sentence to whoever clicked or used a shortcut."""
        url = body.get("response_url")
        place = place_of(body)
        if url:
            said = {"text": text, "response_type": "ephemeral", "replace_original": False}
            if place.thread_ts:
                said["thread_ts"] = place.thread_ts
            self.later(self._web.answer_url(str(url), said))
        else:
            self.whisper(place, user_of(body), text)

    def show_message(self, body: Body, message: Message, plain: Message) -> None:
        """Blocks to whoever asked; `plain` says the same where Slack refuses the native ones."""
        self.later(self._show_message(body, (message, plain)))

    async def _show_message(self, body: Body, messages: tuple[Message, ...]) -> None:
        for number, message in enumerate(messages, 1):
            try:
                await self._one_message(body, message)
            except SlackRefused:
                if number == len(messages):
                    self.tell(body, message.text)
                continue
            return

    async def _one_message(self, body: Body, message: Message) -> None:
        said: dict[str, Any] = {"text": message.text, "blocks": message.blocks}
        url, place = body.get("response_url"), place_of(body)
        if url:
            await self._web.answer_url(str(url), {**said, "response_type": "ephemeral", "replace_original": False})
            return
        direct = place.channel.startswith("D")
        said |= {"channel": place.channel} | ({} if direct else {"user": user_of(body)})
        await self._call("chat.postMessage" if direct else "chat.postEphemeral", said)

    def whisper(self, place: Place, user: str, text: str) -> None:
        """One sentence to one person in a channel or thread; in a direct message it is an ordinary one."""
        if not place.channel or not user:
            return
        said = {"channel": place.channel, "text": text}
        if place.thread_ts:
            said["thread_ts"] = place.thread_ts
        method = "chat.postMessage" if place.channel.startswith("D") else "chat.postEphemeral"
        if method == "chat.postEphemeral":
            said["user"] = user
        self.later(self._call(method, said))

    def show(self, trigger_id: str, view: Block) -> None:
        """Open a modal; the trigger lives three seconds, so this goes first."""
        self.later(self._call("views.open", {"trigger_id": trigger_id, "view": view}))

    def call(self, method: str, params: dict[str, Any]) -> None:
        self.later(self._call(method, params))

    async def _call(self, method: str, params: dict[str, Any]) -> None:
        await self._web.call(method, params, priority=Priority.CLICK)
