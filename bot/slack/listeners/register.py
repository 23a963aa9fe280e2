"""Ties listeners to Bolt: each runs inside the border, and is acknowledged when it is done."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.slack.anomaly_actions import AnomalyActions
from bot.slack.anomaly_blocks import DISMISS, INVESTIGATE, MUTE, SNOOZE, USEFUL
from bot.slack.blocks.proposal import APPROVE, APPROVE_FORM, DETAILS, REJECT, REJECT_FORM, refused_modal
from bot.slack.blocks.roles import FORM as ROLE_FORM
from bot.slack.blocks.roles import GIVE, TAKE
from bot.slack.blocks.sweeps import DELETE, EDIT, NEW, PAUSE, RESUME, RUN
from bot.slack.blocks.sweeps import FORM as SWEEP_FORM
from bot.slack.blocks.text import from_slack
from bot.slack.incoming import Body, Place, action_of, is_human_message
from bot.slack.listeners.actions import FEEDBACK, Actions
from bot.slack.listeners.commands import Commands
from bot.slack.listeners.conversations import Conversations
from bot.slack.listeners.desk import Desk, Handler, NotStored
from bot.slack.listeners.home import Home
from bot.slack.listeners.proposals import Proposals
from bot.slack.listeners.roles import RoleBook

Listener = Callable[..., Awaitable[Any]]
ANY = re.compile(".*")


def register(app: AsyncApp, desk: Desk) -> None:
    """Every command, event, button, shortcut and modal of the manifest; what is left over is acknowledged only.

    Buttons share one listener, because Bolt asks every listener in turn whether a delivery is its own.
    """
    commands = Commands(desk)
    conversations, actions, home = Conversations(desk, commands), Actions(desk, commands), Home(desk)
    roles, sweeps = RoleBook(desk, home), commands.sweep_modals
    buttons = _buttons(desk, actions) | {GIVE: roles.ask, TAKE: roles.take, NEW: sweeps.new, EDIT: sweeps.edit}
    buttons |= dict.fromkeys((PAUSE, RESUME, RUN, DELETE), sweeps.change)
    app.action(ANY)(_one_of({name: _click(desk, do) for name, do in buttons.items()}))
    app.event("app_mention")(_event(desk, conversations.mention))
    app.event("message")(_event(desk, conversations.message))
    app.event("app_home_opened")(_event(desk, home.opened))
    app.event(ANY)(_nothing)
    for name in ("investigate", "ask", "sweeps", "runbooks"):
        app.command(f"/{name}")(_command(desk, getattr(commands, name)))
    app.shortcut("investigate_message")(_click(desk, conversations.shortcut))
    app.view("wrong_cause")(_form(desk, actions.wrong_cause, field="why"))
    app.view("rerun")(_form(desk, actions.rerun, field="since"))
    app.view(APPROVE_FORM)(_plain_form(desk, Proposals(desk).approve_sent))
    app.view(REJECT_FORM)(_form(desk, Proposals(desk).reject_sent, field="why"))
    app.view(SWEEP_FORM)(_form(desk, sweeps.sent, field="what"))
    app.view(ROLE_FORM)(_form(desk, roles.sent, field="role"))
    app.view_closed(ANY)(_nothing)


def _buttons(desk: Desk, actions: Actions) -> dict[str, Handler]:
    """What each button does, by its action id. Buttons that are only links have none."""
    proposals, alerts = Proposals(desk), AnomalyActions(desk)
    return {
        **dict.fromkeys(("inv_pause", "inv_resume", "inv_cancel", "inv_retry"), actions.move),
        **dict.fromkeys((*FEEDBACK, "inv_feedback"), actions.feedback),
        "inv_wrong_cause": actions.ask_why,
        "inv_rerun": actions.ask_rerun,
        "inv_report": actions.report,
        "inv_ticket": actions.ticket,
        "inv_save_eval": actions.save_eval,
        "show_query": actions.show_query,
        APPROVE: proposals.approve,
        REJECT: proposals.ask_why,
        DETAILS: proposals.details,
        INVESTIGATE: alerts.investigate,
        SNOOZE: alerts.snooze,
        USEFUL: alerts.useful,
        DISMISS: alerts.dismiss,
        MUTE: alerts.mute,
    }


def _one_of(handlers: dict[str, Listener]) -> Listener:
    async def listen(ack: AsyncAck, body: Body) -> None:
        listener = handlers.get(action_of(body)[0])
        await (listener(ack=ack, body=body) if listener else ack())

    return listen


async def _nothing(ack: AsyncAck) -> None:
    await ack()


def _command(desk: Desk, handler: Handler) -> Listener:
    async def listen(ack: AsyncAck, body: Body) -> None:
        said = await desk.run(handler, body)
        await ack(text=said, response_type="ephemeral") if said else await ack()

    return listen


def _click(desk: Desk, handler: Handler) -> Listener:
    async def listen(ack: AsyncAck, body: Body) -> None:
        said = await desk.run(handler, body)
        await ack()
        if said:
            desk.answers.tell(body, said)

    return listen


def _event(desk: Desk, handler: Handler) -> Listener:
    async def listen(ack: AsyncAck, body: Body, request: AsyncBoltRequest) -> BoltResponse | None:
        event = body["event"]
        if event.get("type") != "app_home_opened" and not is_human_message(event):
            return await ack()
        place = _place(body)
        thread = event.get("thread_ts")
        seen = Place(place.team, place.channel, str(thread) if thread else None)
        try:
            said = await desk.run(handler, body, place, again=True)
        except NotStored as missed:
            if request.headers.get("x-slack-retry-num") == ["1"]:  # the second failure: by now somebody wonders
                desk.answers.whisper(seen, str(event.get("user", "")), missed.said)
            return BoltResponse(status=503)
        if said:
            desk.answers.whisper(seen, str(event.get("user", "")), said)
        return await ack()

    return listen


def _place(body: Body) -> Place:
    """A card belongs in the thread of the message, a new one under it where there is none."""
    event = body["event"]
    thread = event.get("thread_ts") or event.get("ts")
    return Place(str(body.get("team_id") or ""), str(event.get("channel") or ""), str(thread) if thread else None)


def _form(desk: Desk, handler: Handler, *, field: str) -> Listener:
    async def listen(ack: AsyncAck, body: Body) -> None:
        said = await desk.run(handler, body)
        if said:
            await ack(response_action="errors", errors={field: from_slack(said)})
        else:
            await ack()

    return listen


def _plain_form(desk: Desk, handler: Handler) -> Listener:
    """A form without fields, which could show no error beside one."""

    async def listen(ack: AsyncAck, body: Body) -> None:
        said = await desk.run(handler, body)
        if said:
            await ack(response_action="update", view=refused_modal(said))
        else:
            await ack()

    return listen
