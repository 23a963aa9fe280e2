"""Buttons, modals, shortcut, home and messages, pressed in the loopback workspace."""

from __future__ import annotations

from bot.domain.access import Principal
from bot.slack.ports import Extras
from connectors.model import Health, HealthStatus
from tests.slack.conftest import ADA, BEN, ROOM, Scene, text_of
from tests.support.slack_control import Json

ADA_ID, BEN_ID = "U0ADA000001", "U0BEN000001"


async def modal_of(scene: Scene, user_id: str) -> Json:
    async def look() -> Json | None:
        stack = (await scene.control.read("state"))["modals"].get(user_id)
        return stack[-1] if stack else None

    found: Json = await scene.control.until(look)
    return found


async def completed(scene: Scene) -> Json:
    await scene.start()
    teller = await scene.asked()
    await teller.whole()
    return await scene.card("What caused it")


async def test_show_query_opens_the_query_with_its_window_and_link(scene: Scene) -> None:
    card = await completed(scene)
    reply = next(m for m in await scene.replies(card, 4) if "source/prometheus" in str(m["metadata"]))
    assert (await scene.control.click(ADA, reply, "show_query"))["error"] is None
    shown = text_of(await modal_of(scene, ADA_ID))
    assert "sum(rate(x[5m]))" in shown
    assert "13:45–14:20 UTC" in shown
    assert "http://grafana.test:3000/d/1" in shown


async def test_wrong_cause_asks_why_and_keeps_it(scene: Scene) -> None:
    card = await completed(scene)
    await scene.control.click(BEN, card, "inv_wrong_cause")
    await modal_of(scene, BEN_ID)
    answer = await scene.control.submit(
        BEN, {"why": {"why": {"type": "plain_text_input", "value": "it was the cache"}}}
    )
    assert answer.get("errors") == {}
    kept = (await scene.store.investigations())[0].feedback
    assert [(f["value"], f["note"], f["by"]) for f in kept] == [("wrong_cause", "it was the cache", f"person:{BEN_ID}")]


async def test_feedback_and_confirm_count_once(scene: Scene) -> None:
    card = await completed(scene)
    await scene.control.click(BEN, card, "inv_feedback", value="positive")
    await scene.control.click(BEN, card, "inv_confirm_cause")
    kept = (await scene.store.investigations())[0].feedback
    assert [f["value"] for f in kept] == ["helpful", "confirm_cause"]
    deliveries = [d for d in await scene.control.deliveries() if d["kind"] == "interactive"]
    await scene.control.do("redeliver", {"delivery_id": deliveries[-1]["delivery_id"], "times": 4})
    assert len((await scene.store.investigations())[0].feedback) == 2


async def test_run_again_with_another_window_makes_a_second_card(scene: Scene) -> None:
    card = await completed(scene)
    await scene.control.click(ADA, card, "inv_rerun")
    await modal_of(scene, ADA_ID)
    bad = await scene.control.submit(ADA, {"since": {"since": {"type": "plain_text_input", "value": "when pigs fly"}}})
    assert "is not a time" in bad["errors"]["since"]
    good = await scene.control.submit(ADA, {"since": {"since": {"type": "plain_text_input", "value": "2 hours ago"}}})
    assert good["errors"] == {}
    newest, oldest = await scene.store.investigations()
    assert newest.parent_id == oldest.id
    assert newest.question.window is not None
    assert newest.question.window.duration.total_seconds() == 7_200


async def test_the_report_button_shows_the_report(scene: Scene) -> None:
    card = await completed(scene)
    await scene.control.click(ADA, card, "inv_report")
    assert "Every query" in text_of(await modal_of(scene, ADA_ID))


async def test_cancel_names_who_did_it(scene: Scene) -> None:
    await scene.start()
    await scene.asked()
    card = await scene.card()
    await scene.control.click(BEN, card, "inv_cancel")
    card = await scene.card("Cancelled")
    replies = await scene.replies(card, 1)
    assert "Cancelled by ben" in text_of(replies[0])
    refused = await scene.control.command(BEN, ROOM, "/investigate", "resume")
    assert refused["error"] is None
    await scene.whisper("no investigation in this channel that can be resumed")


async def test_the_shortcut_reads_an_alert_of_another_bot(scene: Scene) -> None:
    await scene.start()
    attachment = {"fallback": "alert", "title": "CheckoutLatencyHigh", "text": "p99 of checkout is 3 s"}
    body = {"user": ADA, "channel": ROOM, "text": "", "attachments": [attachment], "bot_id": "B0ALERT"}
    alert = await scene.control.do("say", body)
    await scene.control.do("shortcut", {"user": BEN, "channel": ROOM, "ts": alert["ts"]})
    await scene.whisper("On it")
    opened = (await scene.store.investigations())[0]
    assert opened.question.text == "CheckoutLatencyHigh p99 of checkout is 3 s"
    assert opened.origin["thread_ts"] == alert["ts"]


async def test_the_home_shows_what_runs_and_how_the_sources_are(scene: Scene) -> None:
    async def health() -> dict[str, Health]:
        return {"prometheus/main": Health(status=HealthStatus.DEGRADED, latency_ms=12, detail="slow <!here>")}

    async def role(by: Principal) -> str:
        return f"responder of squad payment ({by.name})"

    scene.extras = Extras(health=health, role=role)
    await scene.start()
    await scene.asked()
    await scene.control.do("home", {"user": ADA})

    async def look() -> Json | None:
        home: Json | None = (await scene.control.read("state"))["homes"].get(ADA_ID)
        return home

    shown = text_of(await scene.control.until(look))
    assert "why is checkout slow since 30 minutes?" in shown
    assert "◐ degraded" in shown
    assert "responder of squad payment (ada)" in shown
    await scene.control.do("home", {"user": BEN, "tab": "messages"})

    async def prompts() -> list[Json]:
        found: list[Json] = (await scene.control.read("state"))["prompts"]
        return found

    assert len((await scene.control.until(prompts))[0]["prompts"]) == 3


async def test_a_direct_message_is_a_question_and_help_is_help(scene: Scene) -> None:
    await scene.start()
    dm = "D0ADA000001"
    await scene.control.say(ADA, dm, "help")

    async def answered() -> list[Json]:
        return [m for m in await scene.control.messages(dm) if m.get("bot_id")]

    assert "Steer it" in text_of((await scene.control.until(answered))[0])
    asked = await scene.control.say(ADA, dm, "why is checkout slow?")

    async def card() -> list[Json]:
        return (await scene.control.messages(dm, thread_ts=asked["ts"]))[1:]

    assert "Investigation" in text_of((await scene.control.until(card))[0])


async def test_a_follow_up_after_the_end_keeps_its_parent_and_chat_does_not(scene: Scene) -> None:
    card = await completed(scene)
    first = (await scene.store.investigations())[0]
    await scene.control.say(BEN, ROOM, "thanks everybody", thread_ts=card["ts"])
    await scene.control.say(BEN, ROOM, "was it the cache?", thread_ts=card["ts"])

    async def second() -> bool:
        return len(await scene.store.investigations()) == 2

    await scene.control.until(second)
    newest = (await scene.store.investigations())[0]
    assert newest.parent_id == first.id
    assert newest.question.text == "was it the cache?"
    assert newest.origin["thread_ts"] == card["ts"]


async def test_other_threads_and_other_bots_are_left_alone(scene: Scene) -> None:
    await scene.start()
    root = await scene.control.say(ADA, ROOM, "lunch?")
    await scene.control.say(BEN, ROOM, "why not?", thread_ts=root["ts"])
    await scene.control.do("say", {"user": BEN, "channel": ROOM, "text": "<@U0INQUEST01> why?", "bot_id": "B0OTHER"})

    async def delivered() -> bool:
        found = [d for d in await scene.control.deliveries() if d["kind"] == "events_api"]
        return len(found) >= 3 and all(d["outcome"] == "acked" for d in found)

    await scene.control.until(delivered)
    assert await scene.store.investigations() == []


async def test_guests_are_told_why_not(scene: Scene) -> None:
    await scene.start()
    await scene.control.command("gus", ROOM, "/investigate", "why is checkout slow?")
    await scene.whisper("Guests cannot start investigations")
    assert await scene.store.investigations() == []


async def test_bad_input_is_one_clear_sentence(scene: Scene) -> None:
    await scene.start()
    for typed, sentence in (
        ("why --sources oracle", "I know no source"),
        ("why --since <!channel>", "is not a time I can read"),
        ("why --sevice x", "Did you mean --service?"),
        ("cancel inv_0000000000000000", "There is no investigation"),
        ("x" * 39_000, "character"),
    ):
        answer = await scene.control.command(ADA, ROOM, "/investigate", typed)
        assert answer["error"] is None
        said = text_of(await scene.whisper(sentence))
        assert "<!channel>" not in said
    assert await scene.store.investigations() == []


async def test_parts_that_are_not_set_up_say_so(scene: Scene) -> None:
    async def runbooks(text: str, by: Principal) -> str:
        return f"{by.name} looks for {text}"

    scene.extras = Extras(runbooks=runbooks)
    await scene.start()
    for command in ("/ask", "/sweeps"):
        await scene.control.command(ADA, ROOM, command, "anything")
    await scene.control.command(ADA, ROOM, "/runbooks", "connection pool")
    await scene.whisper("Asking a single source is not set up")
    await scene.whisper("Scheduled checks are not set up")
    await scene.whisper("ada looks for connection pool")
