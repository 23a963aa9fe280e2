"""The modals of `/sweeps`. They parse and show; every decision is the service's."""

from __future__ import annotations

import json
import re
from typing import Any

from bot.errors import BotError, InvalidRequest
from bot.services.sweep_desk import Draft
from bot.slack.blocks.limits import Block
from bot.slack.blocks.sweeps import DELETE, PAUSE, RESUME, RUN, sweep_form, sweeps_modal
from bot.slack.blocks.text import escape
from bot.slack.incoming import action_of
from bot.slack.listeners.desk import Act, Desk
from bot.slack.ports import SweepVerbs


class SweepModals:
    """Each method gives a sentence for whoever clicked, or None; a click draws the list anew with what it did."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _verbs(self) -> SweepVerbs:
        if self._desk.extras.sweep_desk is None:
            raise InvalidRequest("Sweeps are not set up in this installation.")
        return self._desk.extras.sweep_desk

    async def opened(self, act: Act) -> None:
        """`/sweeps` without words."""
        self._desk.answers.show(str(act.body["trigger_id"]), await self._list(act))

    async def new(self, act: Act) -> str | None:
        await self._push(act, sweep_form(await self._offered()))
        return None

    async def edit(self, act: Act) -> str | None:
        name = action_of(act.body)[1]
        found = next((one.sweep for one in await self._verbs.listed() if one.sweep.name == name), None)
        if found is None:
            await self._draw(act, f"There is no sweep `{escape(name, 60)}` any more.")
            return None
        await self._push(act, sweep_form(await self._offered(), found))
        return None

    async def change(self, act: Act) -> str | None:
        """Pause, resume, run now, delete."""
        verb, name = action_of(act.body)
        verbs = self._verbs
        does = {PAUSE: verbs.pause, RESUME: verbs.resume, RUN: verbs.run, DELETE: verbs.delete}
        try:
            said = await does[verb](name, by=act.by)
        except BotError as error:  # a modal is no channel: nothing can be whispered there
            said = escape(str(error), 2_500)
        await self._draw(act, said)
        return None

    async def sent(self, act: Act) -> str | None:
        """The form was sent; what is wrong with it stands beside its second field."""
        said = await self._verbs.save(_draft(act.body["view"]), by=act.by)
        await self._draw(act, said)
        return None

    async def _offered(self) -> list[tuple[str, str]]:
        offered = list(await self._verbs.offered())
        if not offered:
            raise InvalidRequest("No source is configured that can be watched.")
        return offered

    async def _list(self, act: Act, note: str = "") -> Block:
        return sweeps_modal(await self._verbs.listed(), may=await self._verbs.may(act.by), note=note)

    async def _draw(self, act: Act, note: str) -> None:
        view: Any = act.body.get("view") or {}
        root = str(view.get("root_view_id") or view.get("id") or "")
        self._desk.answers.call("views.update", {"view_id": root, "view": await self._list(act, note)})

    async def _push(self, act: Act, view: Block) -> None:
        if not await self._verbs.may(act.by):
            await self._draw(act, "Sweeps are changed by responders. Ask an admin for the role.")
            return
        self._desk.answers.call("views.push", {"trigger_id": str(act.body["trigger_id"]), "view": view})


def _draft(view: dict[str, Any]) -> Draft:
    values = (view.get("state") or {}).get("values") or {}
    try:
        kept = str(json.loads(view.get("private_metadata") or "{}").get("name") or "")
    except (ValueError, AttributeError) as error:
        raise InvalidRequest("This form is too old. Open it again with /sweeps.") from error
    source, _, tool = _chosen(values, "what").partition("|")
    return Draft(
        name=kept or _typed(values, "name"),
        source=source,
        tool=tool,
        query=_typed(values, "query"),
        services=_words(_typed(values, "services")),
        metrics=_words(_typed(values, "metrics")),
        every_s=_typed(values, "every_s"),
        threshold=_typed(values, "threshold"),
        limits=_typed(values, "limits"),
        channel=_chosen(values, "channel") or None,
    )


def _typed(values: dict[str, Any], name: str) -> str:
    return str(values.get(name, {}).get(name, {}).get("value") or "").strip()


def _chosen(values: dict[str, Any], name: str) -> str:
    element = values.get(name, {}).get(name, {})
    return str(element.get("selected_channel") or (element.get("selected_option") or {}).get("value") or "")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)
