"""Buttons and modals."""

from __future__ import annotations

import json
from typing import Any

from bot.errors import InvalidRequest
from bot.slack.blocks.modals import query_modal, report_modal, rerun_modal, why_modal
from bot.slack.blocks.text import escape
from bot.slack.commands import Asked
from bot.slack.incoming import Place, action_of
from bot.slack.listeners.commands import GUEST, Commands
from bot.slack.listeners.desk import Act, Desk

FEEDBACK = {
    "inv_helpful": "helpful",
    "inv_not_helpful": "not_helpful",
    "inv_confirm_cause": "confirm_cause",
}


class Actions:
    """Each method gives a sentence only the person who clicked sees, or None when a modal opens."""

    def __init__(self, desk: Desk, commands: Commands) -> None:
        self._desk = desk
        self._commands = commands

    async def move(self, act: Act) -> str | None:
        """Pause, resume, cancel, retry."""
        action, key = action_of(act.body)
        verbs = self._desk.investigations
        moves = {
            "inv_pause": verbs.pause,
            "inv_resume": verbs.resume,
            "inv_cancel": verbs.cancel,
            "inv_retry": verbs.retry,
        }
        return escape(await moves[action](key, by=act.by, delivery_id=act.delivery_id))

    async def feedback(self, act: Act) -> str | None:
        action, value = action_of(act.body)
        said, _, key = value.partition(":") if action == "inv_feedback" else (FEEDBACK[action], "", value)
        verbs = self._desk.investigations
        return escape(await verbs.feedback(key, value=said, by=act.by, delivery_id=act.delivery_id))

    async def show_query(self, act: Act) -> str | None:
        if act.by.guest:
            return GUEST
        evidence = await self._desk.investigations.evidence(action_of(act.body)[1])
        self._desk.answers.show(str(act.body["trigger_id"]), query_modal(evidence, self._desk.scene))
        return None

    async def report(self, act: Act) -> str | None:
        investigation = await self._desk.investigations.get(action_of(act.body)[1])
        self._desk.answers.show(str(act.body["trigger_id"]), report_modal(investigation, self._desk.scene))
        return None

    async def ask_why(self, act: Act) -> str | None:
        self._desk.answers.show(str(act.body["trigger_id"]), why_modal(action_of(act.body)[1]))
        return None

    async def ask_rerun(self, act: Act) -> str | None:
        investigation = await self._desk.investigations.get(action_of(act.body)[1])
        origin = investigation.origin
        place = {"team": act.place.team, "channel": str(origin.get("channel") or act.place.channel)}
        if origin.get("thread_ts"):
            place["thread_ts"] = str(origin["thread_ts"])
        self._desk.answers.show(str(act.body["trigger_id"]), rerun_modal(investigation, place))
        return None

    async def ticket(self, act: Act) -> str | None:
        if self._desk.extras.ticket is None:
            return "No ticket system is set up in this installation."
        return escape(await self._desk.extras.ticket(action_of(act.body)[1], act.by))

    async def save_eval(self, act: Act) -> str | None:
        if self._desk.extras.keep_eval is None:
            return "No folder for evals is set in this installation."
        return escape(await self._desk.extras.keep_eval(action_of(act.body)[1], act.by))

    async def wrong_cause(self, act: Act) -> str | None:
        """The modal that asks why was sent."""
        view = act.body["view"]
        key, note = str(_metadata(view)["id"]), _typed(view, "why")
        await self._desk.investigations.feedback(
            key, value="wrong_cause", note=note, by=act.by, delivery_id=act.delivery_id
        )
        return None

    async def rerun(self, act: Act) -> str | None:
        """The modal that changes the window was sent."""
        view = act.body["view"]
        kept = _metadata(view)
        before = await self._desk.investigations.get(str(kept["id"]))
        question = before.question
        asked = Asked(
            text=_typed(view, "question") or question.text,
            since=_typed(view, "since") or None,
            services=question.services,
            environment=question.environment,
            sources=question.sources,
        )
        place = Place(str(kept.get("team", "")), str(kept.get("channel", "")), kept.get("thread_ts"))
        await self._commands.open(Act(act.body, act.by, place, act.delivery_id), asked, parent_id=before.id)
        return None


def _metadata(view: dict[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        found = {}
    if not isinstance(found, dict) or "id" not in found:
        raise InvalidRequest("This form is too old. Open it again from the card.")
    return found


def _typed(view: dict[str, Any], name: str) -> str:
    """What was typed in the input `name`."""
    value = ((view.get("state") or {}).get("values") or {}).get(name, {}).get(name, {}).get("value")
    return str(value or "").strip()
