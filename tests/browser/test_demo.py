"""The newcomer's way: start the demo, type the question into the page, watch the card, press the buttons.

Pictures go to the folder in INQUEST_PICTURES when it is set (`make pictures`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE_MS = 60_000

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def _browser_or_skip() -> None:
    if Path(CHROMIUM).exists():
        return
    if os.environ.get("CI"):
        pytest.fail("chromium is not installed: apt-get install chromium")
    pytest.skip(reason="chromium is not installed: apt-get install chromium")


@contextlib.asynccontextmanager
async def demo(scenario: str) -> AsyncIterator[tuple[str, str]]:
    """The demo as a person starts it; gives the page's address and the question it suggests."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--port", "0", "--scenario", scenario),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said = b""
    try:
        while b"Ctrl-C" not in said:
            line = await asyncio.wait_for(process.stdout.readline(), 90)
            assert line, f"the demo ended: {said.decode()}"
            said += line
        text = said.decode()
        address = re.search(r"Open\s+(\S+)", text)
        typed = re.search(r"and type\s+(.+)", text)
        assert address
        assert typed
        yield address.group(1), typed.group(1).strip()
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)


@contextlib.asynccontextmanager
async def page_at(address: str) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1440, "height": 1150})
        page.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(address)
        yield page
        await browser.close()
        assert errors == []


async def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("INQUEST_PICTURES")
    if folder:
        await page.wait_for_timeout(600)
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def _type(page: Page, text: str) -> None:
    box = page.locator("textarea").first
    await box.click()
    await box.fill(text)
    await page.keyboard.press("Enter")


async def test_a_newcomer_gets_an_answer_and_presses_the_buttons() -> None:
    _browser_or_skip()
    async with demo("bad_deployment") as (address, question), page_at(address) as page:
        await _picture(page, "before")
        await _type(page, question)
        await expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=PATIENCE_MS)
        await _picture(page, "during")
        await expect(page.get_by_text("What caused it")).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.get_by_text(re.compile("payment-service")).first).to_be_visible()
        await expect(page.get_by_text(re.compile("statements backed")).first).to_be_visible()
        await _picture(page, "card")
        await page.get_by_role("button", name="Confirm cause").first.click()
        await page.get_by_role("button", name="Helpful", exact=True).first.click()
        await page.get_by_text(re.compile(r"\d+ repl")).first.click()
        await expect(page.get_by_text("Thread").first).to_be_visible()
        await _picture(page, "thread")
        await page.get_by_text("Inquest", exact=True).first.click()
        await _picture(page, "home")


async def test_a_running_investigation_can_be_cancelled_from_its_card() -> None:
    _browser_or_skip()
    async with demo("missing_source") as (address, question), page_at(address) as page:
        await _type(page, question)
        await page.get_by_role("button", name="Cancel").first.click()
        confirm = page.get_by_role("dialog").get_by_role("button", name=re.compile("cancel|yes|stop", re.IGNORECASE))
        with contextlib.suppress(Exception):  # a confirmation is asked for only where the card says so
            await confirm.last.click(timeout=2_000)
        await expect(page.get_by_text(re.compile("Cancelled")).first).to_be_visible(timeout=PATIENCE_MS)
