"""The page in a real browser, with a real Bolt app behind it: a person types, presses and reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.workspace import Workspace
from tests.support.slack_control import SlackControl

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ROOM = "C0PAYINC001"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no browser: apt-get install chromium"),
]


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


CARD: list[dict[str, Any]] = [
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "*bold* &lt;img src=x onerror=alert(1)&gt; <https://e.example|go>"},
    },
    {
        "type": "plan",
        "title": "Investigating",
        "tasks": [
            {"type": "task_card", "task_id": "1", "title": "Prometheus", "status": "complete"},
            {"type": "task_card", "task_id": "2", "title": "Loki", "status": "error"},
        ],
    },
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "reject", "text": plain("Reject…"), "value": "p1"},
            {"type": "button", "action_id": "slow", "text": plain("Pause")},
        ],
    },
]
WHY: dict[str, Any] = {
    "type": "modal",
    "callback_id": "why",
    "title": plain("Reject"),
    "submit": plain("Send"),
    "blocks": [
        {
            "type": "input",
            "block_id": "b",
            "label": plain("Why?"),
            "element": {"type": "plain_text_input", "action_id": "t"},
        }
    ],
}


@pytest.fixture
async def page(workspace: Workspace) -> AsyncIterator[Page]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        shown = await browser.new_page(viewport={"width": 1280, "height": 860})
        problems: list[str] = []
        shown.on("pageerror", lambda error: problems.append(str(error)))
        shown.on("request", lambda r: None if r.url.startswith(workspace.url) else problems.append(r.url))
        await shown.goto(workspace.url)
        await shown.wait_for_selector("#composer-main")
        yield shown
        await browser.close()
        assert problems == [], "the page must neither fail nor ask anything of another address"


async def test_command_card_button_modal_and_thread(
    connected: AsyncApp, client: AsyncWebClient, control: SlackControl, page: Page
) -> None:
    reasons: list[str] = []

    @connected.command("/investigate")
    async def on_command(ack: Any, command: Any) -> None:
        await ack("On it.")
        card = await client.chat_postMessage(channel=command["channel_id"], text="card", blocks=CARD)
        await client.chat_postMessage(channel=command["channel_id"], text="evidence", thread_ts=card["ts"])

    @connected.action("reject")
    async def on_reject(ack: Any, body: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=WHY)

    @connected.view("why")
    async def on_why(ack: Any, view: Any, body: Any) -> None:
        reasons.append(f"{body['user']['name']}: {view['state']['values']['b']['t']['value']}")
        await ack()

    box = page.locator("#composer-main")
    await box.press_sequentially("/inv")
    await expect(page.get_by_role("option")).to_have_count(1)
    await box.press("Tab")
    await box.press_sequentially("why is it slow?")
    await box.press("Enter")
    await expect(page.get_by_role("article").get_by_text("Only visible to you")).to_be_visible()
    await expect(page.locator(".plan")).to_contain_text("2 of 2, 1 failed")
    await expect(page.locator(".message .mrkdwn").filter(has_text="bold")).to_contain_text("<img src=x")
    await page.get_by_role("radio", name="Ben").click()
    await page.get_by_role("button", name="Reject…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog.get_by_role("alert").first).to_contain_text("required")
    await dialog.get_by_label("Why?").fill("too risky")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog).to_have_count(0)
    assert reasons == ["ben: too risky"]
    await page.get_by_role("button", name="1 reply").click()
    thread = page.get_by_role("complementary", name="Thread")
    await expect(thread).to_contain_text("evidence")
    await thread.get_by_role("combobox").fill("which pool?")
    await thread.get_by_role("combobox").press("Enter")
    await expect(thread).to_contain_text("which pool?")


async def test_a_bot_that_does_not_answer_is_an_error_on_the_page(
    connected: AsyncApp, client: AsyncWebClient, page: Page
) -> None:
    @connected.action("slow")
    async def on_slow() -> None:
        await asyncio.sleep(1)

    await client.chat_postMessage(channel=ROOM, text="card", blocks=CARD)
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("alert").filter(has_text="did not answer in time")).to_be_visible()


async def test_an_edit_redraws_in_place_and_keeps_focus(
    connected: AsyncApp, client: AsyncWebClient, page: Page
) -> None:
    posted = await client.chat_postMessage(channel=ROOM, text="card", blocks=CARD)
    button = page.get_by_role("button", name="Reject…")
    await button.focus()
    blocks = posted["message"]["blocks"]
    blocks[1]["title"] = "Finished"
    await client.chat_update(channel=ROOM, ts=posted["ts"], text="card", blocks=blocks)
    await expect(page.locator(".plan-title")).to_contain_text("Finished")
    await expect(button).to_be_focused()
    await expect(page.locator("article")).to_have_count(1)


async def test_a_guest_sees_only_the_channels_they_are_in(page: Page) -> None:
    await expect(page.get_by_role("button", name="platform-incidents")).to_be_visible()
    await page.get_by_role("radio", name="Gus").click()
    await expect(page.get_by_role("button", name="platform-incidents")).to_have_count(0)
    await expect(page.get_by_text("Simulation – no real Slack")).to_be_visible()


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<javascript:alert(1)|click me>",
    "<https://e.example|<b>bold</b>>",
    "[x](javascript:alert(1)) ![y](data:text/html,hi)",
    "> " * 2_000,
    "**a " * 2_000,
    "`" * 2_999,
    "\x00\u202e reversed",
    "שלום <!channel> <@U404> <#C404|x> <!subteam^S404>",
]


async def test_hostile_text_is_only_text(client: AsyncWebClient, control: SlackControl, page: Page) -> None:
    for text in HOSTILE:
        await client.chat_postMessage(channel=ROOM, text=text)
        blocks: list[dict[str, Any]] = [
            {"type": "markdown", "text": text},
            {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}},
        ]
        await client.chat_postMessage(channel=ROOM, text="both", blocks=blocks)
    await expect(page.locator("article")).to_have_count(2 * len(HOSTILE))
    await expect(page.get_by_text("could not draw")).to_have_count(0)
    addresses = await page.locator("article a").evaluate_all("links => links.map(link => link.href)")
    assert all(a.startswith(("https://e.example", "http://127.0.0.1")) for a in addresses), addresses
    assert await page.locator("article img, article script, article b").count() == 0
