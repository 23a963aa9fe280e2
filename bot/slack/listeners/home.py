"""The App Home."""

from __future__ import annotations

from bot.slack.blocks.help import PROMPTS
from bot.slack.blocks.home import HomeFacts, home_view
from bot.slack.listeners.commands import seen_by
from bot.slack.listeners.desk import Act, Desk


class Home:
    """Drawn anew each time somebody opens it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def opened(self, act: Act) -> str | None:
        event = act.body["event"]
        if event.get("tab") == "messages":
            prompts = [{"title": title, "message": text} for title, text in PROMPTS]
            said = {"channel_id": event["channel"], "prompts": prompts, "title": "Try one of these"}
            self._desk.answers.call("assistant.threads.setSuggestedPrompts", said)
        else:
            self.redraw(act)
        return None

    def redraw(self, act: Act) -> None:
        """Show this person's Home as it is now."""
        self._desk.answers.later(self._publish(act))

    async def _publish(self, act: Act) -> None:
        view = home_view(await self._facts(act))
        self._desk.answers.call("views.publish", {"user_id": act.by.id, "view": view})

    async def _facts(self, act: Act) -> HomeFacts:
        extras, verbs = self._desk.extras, self._desk.investigations
        if act.by.guest:
            return HomeFacts(role="guest: you see what is posted in your channels, and nothing beyond")
        if extras.anomalies is not None:
            await extras.anomalies.refresh()
        return HomeFacts(
            awaiting=await extras.proposals.awaiting(act.by) if extras.proposals else None,
            anomalies=[a for a in extras.anomalies.recent(limit=100) if a.is_live] if extras.anomalies else None,
            sweeps=[one.sweep for one in await extras.sweep_desk.listed()] if extras.sweep_desk else None,
            running=seen_by(act, await verbs.recent(by=act.by, limit=30, only_running=True)),
            recent=seen_by(act, await verbs.recent(by=act.by, limit=20))[:5],
            health=dict(await extras.health()) if extras.health else None,
            role=await extras.role(act.by) if extras.role else None,
            roles=await extras.roles.given() if extras.roles and await extras.roles.may(act.by) else None,
        )
