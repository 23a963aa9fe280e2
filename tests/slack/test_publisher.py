"""Nothing lost, nothing twice: refusals, outages, lost answers, deleted messages, restarts."""

from __future__ import annotations

from pathlib import Path

from bot.demo.workspace import WorkspaceConfig
from bot.slack.app import SlackFace
from bot.slack.blocks.text import escape
from tests.slack.conftest import ADA, ROOM, Scene, a_scene, text_of
from tests.slack.story import SOURCES
from tests.support.slack_control import Json


def keys(messages: list[Json]) -> list[str]:
    return [str((m.get("metadata") or {}).get("event_payload", {}).get("key", "")) for m in messages]


async def thread_of(scene: Scene, *, count: int) -> list[Json]:
    card = await scene.card("What caused it")
    replies = await scene.replies(card, count)
    assert len(set(keys(replies))) == len(replies), "no message stands there twice"
    return replies


async def test_a_workspace_without_native_blocks_gets_plain_ones(tmp_path: Path) -> None:
    native = frozenset({"plan", "data_table", "data_visualization", "context_actions"})
    async with a_scene(tmp_path, WorkspaceConfig(refused_blocks=native)) as scene:
        face = await scene.start()
        teller = await scene.asked()
        await teller.whole()
        replies = await thread_of(scene, count=len(SOURCES) + 2)
        card = await scene.card("What caused it")
        assert not {b["type"] for m in (card, *replies) for b in m["blocks"]} & native
        assert "✔ *Prometheus main*" in text_of(card)
        assert "Helpful" in text_of(card)
        assert any("idle in transaction" in text_of(m) for m in replies)
        assert face.publisher.refused == native
        refusals = [c for c in (await scene.control.read("ledger"))["calls"] if c["error"] == "invalid_blocks"]
        assert len(refusals) <= len(native), "what is refused is remembered"


async def test_an_outage_loses_nothing(scene: Scene) -> None:
    await scene.start()
    teller = await scene.asked()
    await scene.control.do("outage", {"mode": "status", "methods": ["chat.postMessage", "chat.update"], "status": 503})
    await teller.whole()

    async def tried() -> bool:
        return len(await scene.control.calls("chat.update")) + len(await scene.control.calls("chat.postMessage")) > 2

    await scene.control.until(tried)
    await scene.control.do("outage", {"clear": True})
    await thread_of(scene, count=len(SOURCES) + 2)
    assert len(await scene.roots()) == 1


async def test_a_lost_answer_is_read_back_and_not_posted_twice(scene: Scene) -> None:
    await scene.start()
    methods = ["chat.postMessage"]
    await scene.control.do("outage", {"mode": "error", "methods": methods, "after": True, "times": 2})
    teller = await scene.asked()
    await scene.control.do("outage", {"mode": "reset", "methods": methods, "after": True, "times": 2})
    await teller.whole()
    await thread_of(scene, count=len(SOURCES) + 2)
    assert len(await scene.roots()) == 1


async def test_a_restart_goes_on_with_the_same_card(scene: Scene) -> None:
    face = await scene.start()
    teller = await scene.asked()
    await face.stop()
    await teller.whole()
    await scene.start()
    await thread_of(scene, count=len(SOURCES) + 2)
    assert len(await scene.roots()) == 1


async def test_a_message_posted_just_before_a_crash_is_found_again(scene: Scene) -> None:
    """The process dies between Slack's answer and our note of it."""
    face = await scene.start()
    teller = await scene.asked()
    await face.stop()
    stream = f"investigation/{teller.id}"
    for posted in await scene.store.posted(stream):
        await scene.store.keep_posted(posted.model_copy(update={"ts": "", "digest": ""}))
    await teller.whole()
    await scene.start()
    await thread_of(scene, count=len(SOURCES) + 2)
    assert len(await scene.roots()) == 1


async def test_two_faces_on_one_store_draw_one_card(scene: Scene) -> None:
    first = await scene.start(worker="a")
    second = SlackFace(scene.config(worker="b"), investigations=scene.investigations, store=scene.store)
    await second.start()
    try:
        for number in range(4):
            await scene.control.command(ADA, ROOM, "/investigate", f"why is checkout slow, number {number}?")
        for found in await scene.store.investigations():
            await scene.teller(found.id).whole()
        await first.stop()
        scene.face = None

        async def all_done() -> bool:
            return sum("What caused it" in text_of(m) for m in await scene.roots()) == 4

        await scene.control.until(all_done, within_s=15)
        posted = keys(await scene.control.messages(ROOM))
        assert len(posted) == len(set(posted))
        assert len(await scene.roots()) == 4
    finally:
        await second.stop()


async def test_a_deleted_card_comes_back_once(scene: Scene) -> None:
    await scene.start()
    teller = await scene.asked()
    card = await scene.card()
    await scene.control.do("forget", {"channel": ROOM, "ts": card["ts"]})
    await teller.whole()
    again = await scene.card("What caused it")
    assert again["ts"] != card["ts"]
    await thread_of(scene, count=len(SOURCES) + 2)
    assert len(await scene.roots()) == 1


async def test_a_mention_whose_message_is_gone_gets_its_card_at_the_top(scene: Scene) -> None:
    await scene.start(publish=False)
    said = await scene.control.say(ADA, ROOM, "<@U0INQUEST01> why is checkout slow?")

    async def opened() -> object:
        return await scene.store.investigations()

    await scene.control.until(opened)
    await scene.control.do("forget", {"channel": ROOM, "ts": said["ts"]})
    assert scene.face is not None
    await scene.face.stop()
    await scene.start()
    await scene.teller((await scene.store.investigations())[0].id).whole()
    await thread_of(scene, count=len(SOURCES) + 2)
    assert len(await scene.roots()) == 1


async def test_an_answer_somebody_deleted_stays_deleted(scene: Scene) -> None:
    await scene.start()
    teller = await scene.asked()
    await teller.starts()
    await teller.plans("prometheus/main")
    await teller.asks("prometheus/main")
    await teller.hears("prometheus/main")
    card = await scene.card()
    reply = (await scene.replies(card, 1))[0]
    await scene.control.do("forget", {"channel": ROOM, "ts": reply["ts"]})
    await teller.reports()
    replies = await scene.replies(await scene.card("What caused it"), 1)
    assert not any("source/prometheus/main" in key for key in keys(replies))


async def test_a_channel_without_the_bot_is_joined(scene: Scene) -> None:
    await scene.control.do("members", {"channel": ROOM, "remove": ["inquest"]})
    await scene.start()
    await scene.asked()
    assert len(await scene.roots()) == 1


async def test_a_channel_it_may_not_join_sends_the_card_to_the_asker(scene: Scene) -> None:
    await scene.control.do("members", {"channel": ROOM, "remove": ["inquest"]})
    await scene.control.do("scopes", {"remove": ["channels:join"]})
    await scene.start()
    await scene.control.command(ADA, ROOM, "/investigate", "why is checkout slow?")

    async def card() -> list[Json]:
        return [m for m in await scene.control.messages("D0ADA000001") if m.get("bot_id")]

    assert "Investigation" in text_of((await scene.control.until(card))[0])


async def test_a_long_question_is_whole_in_the_thread(scene: Scene) -> None:
    await scene.start()
    question = "why is checkout slow? " + "also <this> & that. " * 100
    await scene.asked(question.strip().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    card = await scene.card()
    assert "cut; full text in the thread" in text_of(card)
    reply = (await scene.replies(card, 1))[0]
    assert escape("also <this> & that. ").strip() in text_of(reply)
    assert text_of(reply).count("also") == 100


async def test_tiers_are_kept(tmp_path: Path) -> None:
    """Slack's own limits are on, sixty times faster than in life; nothing is sent inside a Retry-After."""
    async with a_scene(tmp_path, WorkspaceConfig(tiers=True, clock_scale=60.0)) as scene:
        await scene.start(slack_pace=1 / 60)
        for number in range(8):
            await scene.control.command(ADA, ROOM, "/investigate", f"why is checkout slow, number {number}?")
        tellers = [scene.teller(i.id) for i in await scene.store.investigations()]
        for teller in tellers:
            await teller.whole()

        async def all_done() -> bool:
            return sum("What caused it" in text_of(m) for m in await scene.roots()) == 8

        await scene.control.until(all_done, within_s=30)
        tally = (await scene.control.read("ledger"))["tally"]
        assert tally["violations"] == 0
        assert tally["rate_limited"] <= 2
