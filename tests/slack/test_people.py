"""Who acts: names and time zones from Slack; nobody Slack cannot vouch for gets more than a guest."""

from __future__ import annotations

from bot.domain.access import Principal
from bot.slack.people import People
from bot.slack.publisher.limiter import Limiter
from bot.slack.web import SlackWeb
from tests.slack.conftest import Scene


async def principal(scene: Scene, user_id: str, *, patience_s: float = 1.2) -> Principal:
    web = SlackWeb(token=scene.workspace.bot_token, base_url=scene.workspace.api_url, limiter=Limiter())
    people = People(web, patience_s=patience_s)
    people.team = "T0ACMESIM01"
    try:
        first = await people.principal(user_id)
        assert await people.principal(user_id) == first
        return first
    finally:
        await web.close()


async def test_a_member(scene: Scene) -> None:
    by = await principal(scene, "U0ADA000001")
    assert (by.name, by.time_zone, by.guest, by.actor) == ("ada", "Europe/London", False, "person:U0ADA000001")
    calls = await scene.control.calls("users.info")
    assert len(calls) == 1, "asked once, then remembered"


async def test_guests_strangers_and_the_unknown_are_guests(scene: Scene) -> None:
    await scene.control.do("person", {"id": "U0EVE000001", "name": "eve", "real_name": "Eve", "team_id": "T0OTHER0001"})
    assert (await principal(scene, "U0GUS000001")).guest
    assert (await principal(scene, "U0EVE000001")).guest
    assert (await principal(scene, "U0NOBODY001")).guest


async def test_slack_that_does_not_answer_costs_little_time_and_grants_nothing(scene: Scene) -> None:
    await scene.control.do("outage", {"mode": "hang", "methods": ["users.info"]})
    assert (await principal(scene, "U0ADA000001", patience_s=0.05)).guest
