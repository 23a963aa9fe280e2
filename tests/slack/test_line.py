"""From a typed command to the report, over Socket Mode, against the loopback workspace."""

from __future__ import annotations

from tests.slack.conftest import ADA, BEN, ROOM, Scene, text_of
from tests.slack.story import SOURCES


async def test_a_command_becomes_one_living_card_and_a_thread(scene: Scene) -> None:
    await scene.start()
    teller = await scene.asked()
    await teller.whole()
    card = await scene.card("What caused it")
    assert "Release 2.4.1 of payment-service" in text_of(card)
    assert "9 of 9 statements backed" in text_of(card)
    replies = await scene.replies(card, len(SOURCES) + 1)
    assert len([m for m in replies if "8.1×" in text_of(m)]) >= 1
    mentions = [m for m in replies if "<@U0ADA000001>" in text_of(m)]
    assert len(mentions) == 1, "the asker is told once"
    assert len(await scene.roots()) == 1


async def test_the_asker_is_named_without_a_mention_on_the_card(scene: Scene) -> None:
    await scene.start()
    await scene.asked()
    card = await scene.card()
    assert "asked by ada" in text_of(card)
    assert "<@" not in text_of(card)


async def test_pause_on_the_card_is_kept_and_answered(scene: Scene) -> None:
    await scene.start()
    teller = await scene.asked()
    await teller.starts()
    card = await scene.card("Pause")
    answer = await scene.control.click(BEN, card, "inv_pause")
    assert answer["error"] is None
    assert (await scene.store.investigation(teller.id)).requests.pause == "person:U0BEN000001"
    await scene.whisper("Pausing")
    await scene.card("Pause asked by ben")


async def test_a_reply_in_the_thread_becomes_guidance(scene: Scene) -> None:
    await scene.start()
    teller = await scene.asked()
    await teller.starts()
    card = await scene.card()
    await scene.control.say(BEN, ROOM, "look at the connection pool", thread_ts=card["ts"])
    replies = await scene.replies(card, 2)
    assert any("Noted from ben" in text_of(m) for m in replies)
    kept = await scene.store.investigation(teller.id)
    assert [g.text for g in kept.guidance] == ["look at the connection pool"]


async def test_a_mention_opens_in_the_thread_of_the_mention(scene: Scene) -> None:
    await scene.start()
    said = await scene.control.say(ADA, ROOM, "<@U0INQUEST01> why is checkout slow since 30 minutes?")

    async def replied() -> object:
        found = await scene.control.messages(ROOM, thread_ts=said["ts"])
        return found[1:]

    card = (await scene.control.until(replied))[0]
    assert card["thread_ts"] == said["ts"]
    assert len(await scene.store.investigations()) == 1
    assert (await scene.store.investigations())[0].question.text == "why is checkout slow since 30 minutes?"
