"""Alerts in Slack: one card per cause, its thread, its buttons, the digest; in the loopback workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.demo.workspace import WorkspaceConfig
from bot.domain.anomaly import Anomaly, AnomalyState, Signal
from bot.domain.states import Severity
from bot.services.investigations import OpenRequest
from bot.services.sweep_anomalies import Anomalies
from bot.slack.app import SlackFace
from bot.slack.ports import Extras
from bot.watch import SWEEPS
from connectors.model import Change, JsonObject
from tests.services.test_sweeps import Hands
from tests.slack.conftest import ADA, BEN, Scene, a_scene, text_of
from tests.slack.test_publisher import keys
from tests.support.slack_control import Json

MINUTE = timedelta(minutes=1)
NATIVE = frozenset({"data_visualization"})


def signal(service: str = "checkout-api", *, at: datetime, severity: Severity = Severity.HIGH) -> Signal:
    start = at.timestamp() - 1_140
    points = tuple((start + 60 * n, 0.2 + 0.01 * (n % 3) if n < 19 else 1.9) for n in range(20))
    return Signal(
        key=f"{service} latency_p99",
        source="prometheus/main",
        metric="latency_p99",
        kind="high",
        at=at,
        service=service,
        value=1.9,
        low=0.18,
        high=0.24,
        unit="s",
        unusual=5.0,
        severity=severity,
        text=f"latency_p99 of {service} is 1.9 s, normal is 0.18–0.24 s",
        points=points,
    )


class Room:
    """The scene, its anomalies and a clock set by hand."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.clock = scene, Hands()
        self.clock.at = datetime.now(UTC).replace(second=0, microsecond=0)
        self.asked: list[JsonObject] = []
        self.anomalies = Anomalies(
            store=scene.store,
            clock=self.clock,
            channel_of=lambda _service: scene.room_id,
            investigate=self._investigate,
            changes=self._changes,
        )
        scene.extras = Extras(anomalies=self.anomalies)

    async def _investigate(self, anomaly: Anomaly) -> str:
        origin: JsonObject = {"face": "slack", "channel": self.scene.room_id, "anomaly": anomaly.id}
        request = OpenRequest(text="why is checkout slow?", origin=origin, channel=self.scene.room_id)
        return (await self.scene.investigations.open(request, by=SWEEPS)).id

    async def _changes(self, anomaly: Anomaly) -> tuple[list[Change], str]:
        at = anomaly.first_seen_at - 4 * MINUTE
        return [Change(at=at, service="payment-service", what="image 2.4.1", change="deployment", by="ci")], ""

    async def found(self, **changes: Severity) -> Anomaly:
        [one] = await self.anomalies.report([signal(at=self.clock.at, **changes)])
        return one

    async def ends(self) -> None:
        await self.anomalies.recovered({"checkout-api latency_p99"}, at=self.clock.at)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with a_scene(tmp_path, WorkspaceConfig()) as scene:
        yield Room(scene)


async def test_a_card_says_what_is_normal_since_when_how_sure_and_what_changed(room: Room) -> None:
    await room.scene.start()
    await room.found()
    await room.anomalies.tend()
    card = await room.scene.card("What changed then")
    said = text_of(card)
    assert "latency_p99 of checkout-api is 1.9 s" in said
    assert "0.18 s to 0.24 s" in said
    assert "about 1 point in 100,000" in said
    assert f"{room.clock.at:%H:%M} UTC" in said
    assert "image 2.4.1 by ci" in said
    [picture] = [block for block in card["blocks"] if block["type"] == "data_visualization"]
    names = [series["name"] for series in picture["chart"]["series"]]
    assert "onset" in picture["title"]
    assert {"normal up to", "normal down to"} < set(names)
    assert {"Investigate", "Useful", "Not an anomaly", "Mute"} <= set(_labels(card))


def _labels(card: Json) -> list[str]:
    elements = [e for block in card["blocks"] if block["type"] == "actions" for e in block["elements"]]
    return [e["text"]["text"] for e in elements if e["type"] == "button"]


async def test_without_native_charts_the_picture_is_in_words(tmp_path: Path) -> None:
    async with a_scene(tmp_path, WorkspaceConfig(refused_blocks=NATIVE)) as scene:
        room = Room(scene)
        await scene.start()
        await room.found()
        card = await scene.card("latency_p99")
        assert not {block["type"] for block in card["blocks"]} & NATIVE
        assert "peak 1.9 s" in text_of(card)


async def test_a_return_is_folded_into_the_thread_with_a_count(room: Room) -> None:
    await room.scene.start()
    first = await room.found()
    await room.scene.card("High anomaly")
    room.clock.at += 20 * MINUTE
    await room.ends()
    await room.scene.card("Normal again")
    room.clock.at += 60 * MINUTE
    again = await room.found()
    assert again.id == first.id
    card = await room.scene.card("came 2 times")
    replies = await room.scene.replies(card, 2)
    said = [text_of(reply) for reply in replies]
    assert "Normal again" in said[0]
    assert "after 20 min" in said[0]
    assert "for the 2nd time" in said[1]
    assert len(await room.scene.roots()) == 1


async def test_useful_not_an_anomaly_and_mute_are_answers(room: Room) -> None:
    await room.scene.start()
    found = await room.found()
    card = await room.scene.card("High anomaly")
    for person, action in ((ADA, "an_useful"), (ADA, "an_useful"), (BEN, "an_dismiss")):
        assert (await room.scene.control.click(person, card, action))["error"] is None
    card = await room.scene.card("✖ Not an anomaly")
    replies = await room.scene.replies(card, 2)
    assert "Useful, said ada" in text_of(replies[0])
    assert "Not an anomaly, said ben" in text_of(replies[1])
    assert len(replies) == 2
    fingerprint = found.signals[0].fingerprint
    assert room.anomalies.reluctance(fingerprint) == pytest.approx(0.5)
    room.clock.at += 60 * MINUTE
    await room.found()
    card = await room.scene.card("came 2 times")
    await room.scene.control.click(BEN, card, "an_mute")
    await room.scene.card("🔇 Muted")
    room.clock.at += 60 * MINUTE
    assert await room.anomalies.report([signal(at=room.clock.at)]) == []


async def test_snooze_is_chosen_and_wakes(room: Room) -> None:
    room.clock.at = datetime.now(UTC)
    await room.scene.start()
    found = await room.found()
    card = await room.scene.card("High anomaly")
    answer = await room.scene.control.click(ADA, card, "an_snooze", value=f"{found.id}:3600")
    assert answer["error"] is None
    await room.scene.card("💤 Snoozed until")
    await room.anomalies.tend()
    assert (await room.anomalies.get(found.id)).state is AnomalyState.SNOOZED
    room.clock.at += 61 * MINUTE
    await room.anomalies.tend()
    await room.scene.card("High anomaly")
    assert (await room.anomalies.get(found.id)).state is AnomalyState.OPEN


async def test_investigate_runs_in_the_alerts_own_thread(room: Room) -> None:
    await room.scene.start()
    found = await room.found()
    card = await room.scene.card("High anomaly")
    assert (await room.scene.control.click(ADA, card, "an_investigate"))["error"] is None
    card = await room.scene.card("in this thread")
    [reply] = [m for m in await room.scene.replies(card, 1) if "investigation/" in "".join(keys([m]))]
    assert reply["thread_ts"] == card["ts"]
    [opened] = await room.scene.store.investigations()
    assert opened.origin["anomaly"] == found.id
    assert opened.question.services == ("checkout-api",)


async def test_critical_investigates_in_the_thread_by_itself_and_answers_there(room: Room) -> None:
    await room.scene.start(publish=False)
    await room.found(severity=Severity.CRITICAL)
    assert room.scene.face is not None
    await room.scene.face.stop()
    await room.scene.start()
    card = await room.scene.card("Critical anomaly")
    replies = await room.scene.replies(card, 1)
    assert "investigation/" in "".join(keys(replies))
    assert len(await room.scene.roots()) == 1
    [opened] = await room.scene.store.investigations()
    found = await room.scene.store.find_by_origin(channel=room.scene.room_id, thread_ts=card["ts"])
    assert found is not None
    assert found.id == opened.id


async def test_small_ones_share_one_digest(room: Room) -> None:
    await room.scene.start()
    for service in ("search", "cart", "web"):
        await room.anomalies.report([signal(service, at=room.clock.at, severity=Severity.LOW)])
    card = await room.scene.card("3 in the hour")
    assert all(f"of {service} is" in text_of(card) for service in ("search", "cart", "web"))
    assert len(await room.scene.roots()) == 1


async def test_after_an_outage_of_slack_what_is_over_is_one_digest(room: Room) -> None:
    """Two hours without Slack: what still lasts gets its card, what is over is told in one message; nothing is lost."""
    await room.scene.start(publish=False)
    for number in range(5):
        service = f"service-{number}"
        await room.anomalies.report([signal(service, at=room.clock.at)])
        room.clock.at += 4 * MINUTE
        await room.anomalies.recovered({f"{service} latency_p99"}, at=room.clock.at)
        room.clock.at += 11 * MINUTE
    await room.found()
    room.clock.at += 30 * MINUTE
    assert room.scene.face is not None
    await room.scene.face.stop()
    room.scene.face = SlackFace(
        room.scene.config(),
        investigations=room.scene.investigations,
        store=room.scene.store,
        extras=room.scene.extras,
        clock=room.clock,
    )
    await room.scene.face.start()
    digest = await room.scene.card("5 in the hour")
    assert all(f"service-{number}" in text_of(digest) for number in range(5))
    await room.scene.card("High anomaly")
    assert len(await room.scene.roots()) == 2
