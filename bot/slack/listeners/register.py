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
from bot.slack.blocks.text import from_slack
from bot.slack.incoming import Body, Place, is_human_message
from bot.slack.listeners.actions import FEEDBACK, Actions
from bot.slack.listeners.commands import Commands
from bot.slack.listeners.conversations import Conversations
from bot.slack.listeners.desk import Desk, Handler, NotStored
from bot.slack.listeners.home import Home
from bot.slack.listeners.proposals import Proposals

Listener = Callable[..., Awaitable[Any]]
ANY = re.compile(".*")


def register(app: AsyncApp, desk: Desk) -> None:
    """Every command, event, button, shortcut and modal of the manifest; what is left over is acknowledged only."""
    commands = Commands(desk)
    conversations, actions, home = Conversations(desk, commands), Actions(desk, commands), Home(desk)
    for name in ("investigate", "ask", "sweeps", "runbooks"):
        app.command(f"/{name}")(_command(desk, getattr(commands, name)))
    app.event("app_mention")(_event(desk, conversations.mention))
    app.event("message")(_event(desk, conversations.message))
    app.event("app_home_opened")(_event(desk, home.opened))
    app.shortcut("investigate_message")(_click(desk, conversations.shortcut))
    for name in ("inv_pause", "inv_resume", "inv_cancel", "inv_retry"):
        app.action(name)(_click(desk, actions.move))
    for name in (*FEEDBACK, "inv_feedback"):
        app.action(name)(_click(desk, actions.feedback))
    app.action("inv_wrong_cause")(_click(desk, actions.ask_why))
    app.action("inv_rerun")(_click(desk, actions.ask_rerun))
    app.action("inv_report")(_click(desk, actions.report))
    app.action("inv_ticket")(_click(desk, actions.ticket))
    app.action("show_query")(_click(desk, actions.show_query))
    app.view("wrong_cause")(_form(desk, actions.wrong_cause, field="why"))
    app.view("rerun")(_form(desk, actions.rerun, field="since"))
    _proposals(app, desk)
    _anomalies(app, desk)
    _rest(app)


def _proposals(app: AsyncApp, desk: Desk) -> None:
    proposals = Proposals(desk)
    app.action(APPROVE)(_click(desk, proposals.approve))
    app.action(REJECT)(_click(desk, proposals.ask_why))
    app.action(DETAILS)(_click(desk, proposals.details))
    app.view(APPROVE_FORM)(_plain_form(desk, proposals.approve_sent))
    app.view(REJECT_FORM)(_form(desk, proposals.reject_sent, field="why"))


def _anomalies(app: AsyncApp, desk: Desk) -> None:
    alerts = AnomalyActions(desk)
    app.action(INVESTIGATE)(_click(desk, alerts.investigate))
    app.action(SNOOZE)(_click(desk, alerts.snooze))
    app.action(USEFUL)(_click(desk, alerts.useful))
    app.action(DISMISS)(_click(desk, alerts.dismiss))
    app.action(MUTE)(_click(desk, alerts.mute))


def _rest(app: AsyncApp) -> None:
    """Link buttons, events we subscribed to but do not need, closed modals."""
    app.event(ANY)(_nothing)
    app.action(ANY)(_nothing)
    app.view_closed(ANY)(_nothing)


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
