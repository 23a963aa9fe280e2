"""Socket Mode: connections end, move, fall silent; deliveries still arrive, once."""

from __future__ import annotations

import pytest

from tests.slack.conftest import ADA, ROOM, Scene
from tests.support.slack_control import Json


async def sockets(scene: Scene, action: str = "") -> Json:
    return await scene.control.do("sockets", {"action": action} if action else {})


async def alive(scene: Scene, opened: int) -> None:
    async def look() -> bool:
        state = await sockets(scene)
        return state["opened"] >= opened and bool(state["connections"])

    await scene.control.until(look, within_s=10)


@pytest.mark.parametrize("action", ["warning", "refresh_requested", "close", "abort"])
async def test_a_connection_that_ends_is_replaced(scene: Scene, action: str) -> None:
    await scene.start()
    await sockets(scene, action)
    await alive(scene, 2)
    answer = await scene.control.command(ADA, ROOM, "/investigate", "why is checkout slow?")
    assert answer["error"] is None


async def test_a_warning_loses_no_delivery(scene: Scene) -> None:
    """The next connection is open before the old one is let go."""
    await scene.start()
    for number in range(5):
        await sockets(scene, "warning")
        answer = await scene.control.command(ADA, ROOM, "/investigate", f"why is checkout slow, number {number}?")
        assert answer["error"] is None
    assert len(await scene.store.investigations()) == 5


async def test_slack_that_cannot_be_reached_at_the_start_is_waited_for(scene: Scene) -> None:
    await sockets(scene, "deny")
    face = await scene.start()
    assert not face.connected
    await sockets(scene, "allow")
    await alive(scene, 1)
    assert (await scene.control.command(ADA, ROOM, "/investigate", "help"))["error"] is None


async def test_deliveries_come_four_times_and_count_once(scene: Scene) -> None:
    await scene.start()
    await scene.control.command(ADA, ROOM, "/investigate", "why is checkout slow?")
    await scene.control.say(ADA, ROOM, "<@U0INQUEST01> why is payment slow?")

    async def two() -> bool:
        return len(await scene.store.investigations()) == 2

    await scene.control.until(two)
    for delivery in await scene.control.deliveries():
        await scene.control.do("redeliver", {"delivery_id": delivery["delivery_id"], "times": 4})
    assert len(await scene.store.investigations()) == 2


async def test_a_restarted_face_still_knows_what_it_did(scene: Scene) -> None:
    """The memory of deliveries is in the database, not in the process."""
    face = await scene.start()
    await scene.control.command(ADA, ROOM, "/investigate", "why is checkout slow?")
    await face.stop()
    await scene.start()
    delivery = (await scene.control.deliveries())[0]
    await scene.control.do("redeliver", {"delivery_id": delivery["delivery_id"], "times": 2})
    assert len(await scene.store.investigations()) == 1
