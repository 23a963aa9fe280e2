"""The App Home: what waits for my approval, and what is out of its normal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.domain.anomaly import Signal
from bot.domain.states import Severity
from bot.services.sweep_anomalies import Anomalies
from bot.slack.blocks.home import HomeFacts, home_view
from bot.slack.ports import Extras
from connectors.model import SystemClock
from tests.slack.checks import check_modal
from tests.slack.conftest import Scene, text_of
from tests.slack.test_forged_clicks import made, proposed
from tests.support.slack_control import Json

IDS = {"ada": "U0ADA000001", "ben": "U0BEN000001", "gus": "U0GUS000001"}


async def home_of(scene: Scene, user: str) -> str:
    await scene.control.do("home", {"user": user})

    async def look() -> Json | None:
        found: Json | None = (await scene.control.read("state"))["homes"].get(IDS[user])
        return found

    return text_of(await scene.control.until(look))


async def test_the_home_shows_what_awaits_my_approval_and_nobody_elses(scene: Scene) -> None:
    await proposed(scene)
    mine = await home_of(scene, "ben")
    assert "Awaiting your approval" in mine
    assert "Roll back for prop_shown" in mine
    assert "risk: medium" in mine
    assert "Nothing waits for you." in await home_of(scene, "ada"), "who asked may not approve"
    assert "Roll back" not in await home_of(scene, "gus"), "guests see nothing of it"


async def test_the_home_shows_what_is_out_of_its_normal(scene: Scene) -> None:
    anomalies = Anomalies(store=scene.store, clock=SystemClock())
    signal = Signal(
        key="p99", source="prometheus/main", metric="p99 of checkout <!here>", kind="latency_rose",
        service="checkout-api", at=datetime.now(UTC) - timedelta(minutes=2), severity=Severity.HIGH, unusual=6.0,
        text="p99 is 8× its normal",
    )  # fmt: skip
    await anomalies.report([signal])
    scene.extras = Extras(anomalies=anomalies)
    await scene.start()
    shown = await home_of(scene, "ben")
    assert "Anomalies" in shown
    assert "checkout-api" in shown
    assert "high" in shown
    assert "<!here>" not in shown


def test_a_home_with_very_much_on_it_says_what_is_left_out() -> None:
    many = [made(f"prop_{n}", "inv_1").model_copy(update={"title": "<!channel> " * 60}) for n in range(40)]
    view = home_view(HomeFacts(awaiting=many, anomalies=()))
    check_modal(view)
    assert "… and 25 more" in text_of(view)
    assert "Nothing is out of its normal." in text_of(view)
