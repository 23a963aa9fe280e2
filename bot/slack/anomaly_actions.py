"""Buttons of alert cards. They parse and answer; every decision is the service's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.anomaly import Anomaly
from bot.errors import InvalidRequest
from bot.services.investigations import OpenRequest
from bot.slack.anomaly_blocks import SNOOZES
from bot.slack.anomaly_ports import AnomalyVerbs
from bot.slack.blocks.text import escape
from bot.slack.incoming import Body, Place, action_of
from bot.slack.listeners.desk import Act, Desk

_LONGEST_S = max(span_s for _, span_s in SNOOZES)


class AnomalyActions:
    """Each method gives a sentence that only the person who clicked sees; the thread tells everybody else."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _verbs(self) -> AnomalyVerbs:
        if self._desk.extras.anomalies is None:
            raise InvalidRequest("Sweeps are not set up in this installation.")
        return self._desk.extras.anomalies

    async def investigate(self, act: Act) -> str:
        """Open an investigation in the alert's own thread."""
        anomaly = await self._verbs.get(action_of(act.body)[1])
        if anomaly.investigation_id:
            return f"`{anomaly.investigation_id}` is on it already; see the thread of the alert."
        opened = await self._desk.investigations.open(
            question_of(anomaly, _thread(act.body, act.place)), by=act.by, delivery_id=act.delivery_id
        )
        await self._verbs.investigated(anomaly.id, opened.id, by=act.by)
        return f"On it: `{opened.id}`. The card is in the thread of the alert."

    async def snooze(self, act: Act) -> str:
        anomaly_id, span_s = _chosen(act.body)
        until = datetime.now(UTC) + timedelta(seconds=span_s)
        after = await self._verbs.snooze(anomaly_id, until=until, by=act.by)
        return f"Snoozed until {after.snoozed_until or until:%d %b %H:%M} UTC."

    async def useful(self, act: Act) -> str:
        await self._verbs.useful(action_of(act.body)[1], by=act.by)
        return "Thank you. The same will be told a little sooner next time."

    async def dismiss(self, act: Act) -> str:
        await self._verbs.dismiss(action_of(act.body)[1], by=act.by)
        return (
            "Thank you. The same has to be more unusual next time; that fades over weeks. `/sweeps answers` shows it."
        )

    async def mute(self, act: Act) -> str:
        await self._verbs.mute(action_of(act.body)[1], by=act.by)
        return "Muted. `/sweeps answers` lists what is muted, `/sweeps forget` takes it back."


def question_of(anomaly: Anomaly, place: Place) -> OpenRequest:
    """What to investigate about an anomaly, from its newest onset on."""
    return OpenRequest(
        text=f"What is behind this: {escape(anomaly.title)[:1_000]}?",
        since=anomaly.since(datetime.now(UTC)),
        services=anomaly.askable[:10],
        channel=place.channel,
        origin={**place.origin(), "anomaly": anomaly.id},
    )


def _thread(body: Body, place: Place) -> Place:
    """The thread below the message that was clicked."""
    message: Any = body.get("message") or {}
    container: Any = body.get("container") or {}
    ts = place.thread_ts or message.get("ts") or container.get("message_ts")
    return Place(place.team, place.channel, str(ts) if ts else None)


def _chosen(body: Body) -> tuple[str, float]:
    """The anomaly and the seconds of the chosen option."""
    action = (body.get("actions") or [{}])[0]
    value = str((action.get("selected_option") or {}).get("value") or action.get("value") or "")
    anomaly_id, _, span_s = value.partition(":")
    if not span_s.isdigit() or not 0 < int(span_s) <= _LONGEST_S:
        raise InvalidRequest("Choose for how long.")
    return anomaly_id, float(span_s)
