"""While Slack does not say who somebody is, what they ask for is delivered again, never acknowledged and dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from slack_bolt.request.async_request import AsyncBoltRequest

from bot.errors import NotAllowed
from bot.slack.answers import Answers
from bot.slack.app import build_app
from bot.slack.config import Mode
from bot.slack.listeners.desk import Act, Desk, NotStored
from bot.slack.people import People
from bot.slack.ports import Extras
from bot.slack.publisher.limiter import Limiter
from bot.slack.web import SlackWeb
from tests.slack.conftest import Scene

ADA = "U0ADA000001"
EVENT = {"type": "app_mention", "user": ADA, "text": "why is checkout slow?", "ts": "1.1", "channel": "C0PAYINC001"}
BODY = {"type": "event_callback", "event_id": "Ev1", "team_id": "T0ACMESIM01", "event": EVENT}


async def test_an_answer_that_comes_after_the_refusal_does_not_make_the_refusal_final(scene: Scene) -> None:
    web = SlackWeb(token=scene.workspace.bot_token, base_url=scene.workspace.api_url, limiter=Limiter())
    people = People(web, patience_s=0.05)
    desk = Desk(scene.investigations, Extras(), Answers(web), people, scene.config(Mode.HTTP))
    await scene.control.do("outage", {"mode": "hang", "methods": ["users.info"]})

    async def refuses_guests(act: Act) -> str | None:
        assert act.by.guest
        await scene.control.do("outage", {"clear": True})
        while not (await people.person(ADA)).known:
            await asyncio.sleep(0.02)
        raise NotAllowed("Guests cannot.")

    try:
        with pytest.raises(NotStored, match="Slack does not say who you are"):
            await desk.run(refuses_guests, BODY, again=True)
    finally:
        await web.close()


async def test_the_asker_is_told_at_the_second_failure(scene: Scene) -> None:
    web = SlackWeb(token=scene.workspace.bot_token, base_url=scene.workspace.api_url, limiter=Limiter())
    config = scene.config(Mode.HTTP)
    desk = Desk(scene.investigations, Extras(), Answers(web), People(web, patience_s=0.05), config)
    await scene.control.do("outage", {"mode": "hang", "methods": ["users.info"]})
    bolt = build_app(config, desk)
    statuses = []
    try:
        for attempt in range(4):
            headers: dict[str, str | Sequence[str]] = {"x-slack-retry-num": str(attempt)} if attempt else {}
            request = AsyncBoltRequest(mode="socket_mode", body=BODY, headers=headers)
            statuses.append((await bolt.async_dispatch(request)).status)
        await scene.whisper("Slack does not say who you are")
    finally:
        await web.close()
    assert statuses == [503] * 4
    assert len(await scene.control.ephemerals(scene.room_id)) == 1
    assert not await scene.store.investigations()
