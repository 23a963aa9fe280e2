"""From `/investigate` to recovered, with the hand on the page: the proposal, its change, the yes, what came of it.

Long, because the symptom has to be seen going: not part of the ordinary run. `make pictures` takes its pictures here.
"""

from __future__ import annotations

import re
import time

import pytest
from playwright.async_api import Page, expect

from tests.browser.test_demo import PATIENCE_MS, _browser_or_skip, _picture, _type, demo, page_at

pytestmark = [pytest.mark.browser, pytest.mark.chaos, pytest.mark.xdist_group("browser")]
RECOVERY_MS = 300_000


async def become(page: Page, name: str) -> None:
    await page.locator(f'#people [data-user="{name}"]').click()


async def into_view(page: Page, pattern: str) -> None:
    """The last words of the thread that match, in one go: a card that is drawn anew would take an element away."""
    await page.evaluate(
        "pattern => [...document.querySelectorAll('#thread *')].filter("
        "e => !e.children.length && new RegExp(pattern).test(e.textContent)).pop()?.scrollIntoView({block: 'center'})",
        pattern,
    )


async def to_the_end(page: Page) -> None:
    """The newest of the thread into view."""
    await page.evaluate(
        "() => document.querySelectorAll('#thread, #thread *').forEach("
        "e => { if (e.scrollHeight > e.clientHeight) e.scrollTop = e.scrollHeight; })"
    )


async def test_a_newcomer_sees_a_change_approved_carried_out_and_checked() -> None:
    _browser_or_skip()
    told: list[str] = []
    async with demo("bad_deployment") as (address, question), page_at(address) as page:
        began = time.monotonic()

        def note(what: str) -> None:
            told.append(f"{what} {time.monotonic() - began:.1f} s")

        await _type(page, question)
        await expect(page.get_by_text("What caused it")).to_be_visible(timeout=PATIENCE_MS)
        note("cause named")
        await page.get_by_text(re.compile(r"\d+ repl")).first.click()
        thread = page.locator("#thread")
        approve = thread.get_by_role("button", name="Approve", exact=True)
        await expect(approve).to_be_visible(timeout=PATIENCE_MS)
        note("proposed")
        await into_view(page, "^Approve$")
        await _picture(page, "proposal")
        await become(page, "ben")
        await page.get_by_text(re.compile(r"\d+ repl")).first.click()  # whoever comes has no thread open
        await thread.get_by_role("button", name="Show details").last.click()
        await expect(page.get_by_text(re.compile("way back:"))).to_be_visible()
        await _picture(page, "proposal-details")
        await page.keyboard.press("Escape")
        await approve.click()
        sure = page.get_by_role("button", name="Approve", exact=True).last
        await expect(page.get_by_text("Approve it?")).to_be_visible()
        await _picture(page, "approval")
        await sure.click()
        await expect(thread.get_by_text(re.compile("Being carried out|being checked")).first).to_be_visible(
            timeout=PATIENCE_MS
        )
        note("carried out")
        await into_view(page, "Being carried out|being checked")
        await _picture(page, "execution")
        await expect(thread.get_by_text(re.compile("It worked")).first).to_be_visible(timeout=RECOVERY_MS)
        note("recovered")
        await to_the_end(page)
        await _picture(page, "verification")
        await become(page, "dana")
        await page.get_by_text("Inquest", exact=True).first.click()
        await expect(page.get_by_role("button", name="Give a role…")).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Give a role…").click()
        await expect(page.get_by_text("It is written into the log with your name.")).to_be_visible()
        await _picture(page, "roles")
    print("; ".join(told))
