"""Buttons and the form about roles in the App Home. Whether somebody may is the service's to say."""

from __future__ import annotations

from typing import Any

from bot.errors import InvalidRequest, NotAllowed
from bot.slack.blocks.limits import Block
from bot.slack.blocks.roles import EVERYWHERE, give_form, refused
from bot.slack.incoming import action_of
from bot.slack.listeners.desk import Act, Desk
from bot.slack.listeners.home import Home
from bot.slack.ports import RoleVerbs


class RoleBook:
    """Each method gives a sentence for whoever clicked, or None; the Home tab is drawn anew after a change."""

    def __init__(self, desk: Desk, home: Home) -> None:
        self._desk = desk
        self._home = home

    @property
    def _verbs(self) -> RoleVerbs:
        if self._desk.extras.roles is None:
            raise InvalidRequest("Roles are not given in Slack in this installation.")
        return self._desk.extras.roles

    async def ask(self, act: Act) -> str | None:
        may = await self._verbs.may(act.by)
        self._show(
            act, give_form(self._verbs.squads) if may else refused("Roles are given by admins. Ask one of them.")
        )
        return None

    async def sent(self, act: Act) -> str | None:
        """The form was sent."""
        values = (act.body["view"].get("state") or {}).get("values") or {}
        squad = _chosen(values, "squad")
        await self._verbs.grant(
            _chosen(values, "role"),
            _chosen(values, "who"),
            squad=None if squad == EVERYWHERE else squad,
            by=act.by,
            delivery_id=act.delivery_id,
        )
        self._home.redraw(act)
        return None

    async def take(self, act: Act) -> str | None:
        role, _, rest = action_of(act.body)[1].partition("|")
        user, _, squad = rest.partition("|")
        try:
            await self._verbs.revoke(role, user, squad=squad or None, by=act.by, delivery_id=act.delivery_id)
        except (NotAllowed, InvalidRequest) as error:  # the Home tab is no channel: nothing can be whispered there
            self._show(act, refused(str(error)))
        self._home.redraw(act)
        return None

    def _show(self, act: Act, view: Block) -> None:
        self._desk.answers.show(str(act.body["trigger_id"]), view)


def _chosen(values: dict[str, Any], name: str) -> str:
    element = values.get(name, {}).get(name, {})
    option = element.get("selected_option") or {}
    return str(element.get("selected_user") or option.get("value") or "")
