"""An alert that nobody asked for: the sweep over the demo finds its incident, a person presses the buttons."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.test_demo import PATIENCE_MS, ROOT, _browser_or_skip, _picture, demo, page_at

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
SWEEPS = ROOT / "config" / "sweeps.demo.yaml"


async def test_the_demo_s_incident_becomes_an_alert_and_a_person_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    _browser_or_skip()
    monkeypatch.setenv("INQUEST_SWEEPS_FILE", str(SWEEPS))
    async with demo("bad_deployment") as (address, _question), page_at(address) as page:
        useful = page.get_by_role("button", name="Useful", exact=True)
        await expect(useful.first).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.get_by_text("What is normal").first).to_be_visible()
        await expect(page.get_by_text("How sure").first).to_be_visible()
        await expect(page.get_by_text("What changed then").first).to_be_visible(timeout=PATIENCE_MS)
        assert await useful.count() == 1, "services that call each other and suffer together are one page"
        await _picture(page, "alert")
        await useful.first.click()
        await page.get_by_text(re.compile(r"\d+ repl")).first.click()
        await expect(page.get_by_text(re.compile("Useful, said")).first).to_be_visible(timeout=PATIENCE_MS)
        await _picture(page, "alert-thread")
