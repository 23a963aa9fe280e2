"""What people write: mentions, direct messages, replies in a thread, and the message shortcut."""

from __future__ import annotations

from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.errors import InvalidRequest
from bot.slack.blocks.text import from_slack
from bot.slack.commands import SubCommand, parse_command, parse_question
from bot.slack.incoming import Place, is_human_message, looks_like_question, message_words, team_of, without_mention
from bot.slack.listeners.commands import Commands
from bot.slack.listeners.desk import Act, Desk, open_request

GREETING = "Ask me what went wrong, for example: why is checkout slow since 14:00? Type `help` to see everything."


class Conversations:
    """Each method gives a sentence only the writer sees, or None when the card or the thread says it all."""

    def __init__(self, desk: Desk, commands: Commands) -> None:
        self._desk = desk
        self._commands = commands

    async def mention(self, act: Act) -> str | None:
        """In our own thread it steers or follows up; elsewhere it starts an investigation."""
        event = act.body["event"]
        if not is_human_message(event):
            return None
        return await self._said(act, event, insists=True)

    async def message(self, act: Act) -> str | None:
        """Direct messages are for us; in channels only replies in our threads, and mentions come as mentions."""
        event = act.body["event"]
        if not is_human_message(event):
            return None
        if event.get("channel_type") == "im":
            return await self._said(act, event, insists=True)
        if not event.get("thread_ts") or f"<@{self._desk.bot_id_of(act.body)}" in str(event.get("text", "")):
            return None
        return await self._said(act, event, insists=False)

    async def _said(self, act: Act, event: dict[str, object], *, insists: bool) -> str | None:
        text = without_mention(str(event.get("text") or ""), self._desk.bot_id_of(act.body))
        ours = await self._ours(event)
        if ours is None and not insists:
            return None
        if not text:
            return GREETING if insists else None
        parsed = parse_command(text) if insists else None
        if isinstance(parsed, SubCommand):
            return await self._commands.sub_command(act, parsed, here=ours)
        if ours is not None:
            return await self._reply(act, ours, text, insists=insists)
        await self._commands.open(act, parse_question(text))
        return None

    async def _ours(self, event: dict[str, object]) -> Investigation | None:
        thread_ts = event.get("thread_ts")
        if not thread_ts:
            return None
        return await self._desk.investigations.in_thread(str(event["channel"]), str(thread_ts))

    async def _reply(self, act: Act, ours: Investigation, text: str, *, insists: bool) -> str | None:
        """A hint while it runs; a follow-up on the kept evidence once it has ended."""
        if not (ours.state.is_settled or ours.state is InvestigationState.COMPLETING):
            hint = from_slack(text)
            await self._desk.investigations.guide(ours.id, hint, by=act.by, delivery_id=act.delivery_id)
        elif insists or looks_like_question(text):
            await self._commands.open(act, parse_question(text), parent_id=ours.id)
        return None

    async def shortcut(self, act: Act) -> str | None:
        """Investigate the words of a message; the card becomes a reply to it."""
        message = act.body.get("message") or {}
        text = from_slack(message_words(message))
        if not text.strip():
            raise InvalidRequest("That message has no words to investigate.")
        thread = str(message.get("thread_ts") or message.get("ts"))
        placed = Act(act.body, act.by, Place(team_of(act.body), act.place.channel, thread), act.delivery_id)
        opened = await self._desk.investigations.open(
            open_request(placed, text), by=act.by, delivery_id=act.delivery_id
        )
        return f"On it: `{opened.id}`. The card is in the thread of that message."
