"""Buttons and forms of proposals. They parse and answer; every decision is the service's."""

from __future__ import annotations

import json
from typing import Any

from bot.errors import InvalidRequest
from bot.slack.blocks.proposal import approve_form, asks_again, details_modal, reject_form
from bot.slack.blocks.text import escape
from bot.slack.incoming import action_of
from bot.slack.listeners.desk import Act, Desk
from bot.slack.ports import ProposalVerbs


class Proposals:
    """Each method gives a sentence only the person who clicked sees, or None when a form opens."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _verbs(self) -> ProposalVerbs:
        if self._desk.extras.proposals is None:
            raise InvalidRequest("Changes are not set up in this installation.")
        return self._desk.extras.proposals

    async def approve(self, act: Act) -> str | None:
        value, place = action_of(act.body)[1], act.place.channel or None
        # Everybody's click gets its answer first; only who may approve is asked again.
        proposal = await self._verbs.checked(value, by=act.by, place=place)
        if asks_again(proposal):
            form = approve_form(proposal, self._desk.scene, act.place.channel)
            self._desk.answers.show(str(act.body["trigger_id"]), form)
            return None
        return escape(await self._verbs.approve(value, by=act.by, place=place, delivery_id=act.delivery_id))

    async def approve_sent(self, act: Act) -> str | None:
        """The form was sent."""
        value, place = _kept(act.body["view"])
        said = await self._verbs.approve(value, by=act.by, place=place, delivery_id=act.delivery_id)
        self._desk.answers.later(self._whisper(act, place, said))
        return None

    async def ask_why(self, act: Act) -> str | None:
        value = action_of(act.body)[1]
        proposal = await self._verbs.get(value.partition(".")[0])
        self._desk.answers.show(str(act.body["trigger_id"]), reject_form(proposal, act.place.channel))
        return None

    async def reject_sent(self, act: Act) -> str | None:
        """The form that asks why was sent."""
        view = act.body["view"]
        value, place = _kept(view)
        reason = ((view.get("state") or {}).get("values") or {}).get("why", {}).get("why", {}).get("value")
        verbs = self._verbs
        said = await verbs.reject(value, by=act.by, reason=str(reason or ""), place=place, delivery_id=act.delivery_id)
        self._desk.answers.later(self._whisper(act, place, said))
        return None

    async def details(self, act: Act) -> str | None:
        if act.by.guest:
            return "Guests see what is posted in their channels, and nothing beyond."
        proposal = await self._verbs.get(action_of(act.body)[1])
        self._desk.answers.show(str(act.body["trigger_id"]), details_modal(proposal, self._desk.scene))
        return None

    async def _whisper(self, act: Act, place: str | None, said: str) -> None:
        if place:
            self._desk.answers.call("chat.postEphemeral", {"channel": place, "user": act.by.id, "text": escape(said)})


def _kept(view: dict[str, Any]) -> tuple[str, str | None]:
    """The button's value and the channel it stood in."""
    try:
        found = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        found = {}
    if not isinstance(found, dict) or not found.get("id"):
        raise InvalidRequest("This form is too old. Open it again from the proposal.")
    return str(found["id"]), str(found["channel"]) if found.get("channel") else None
