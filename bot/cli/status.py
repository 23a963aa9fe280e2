"""`inquest status`: what runs and what ran last."""

from __future__ import annotations

from bot.app import open_store
from bot.cli.show import plain
from bot.settings import Settings
from connectors.model import SystemClock

_MOST = 20
_WIDTH = 60


async def status(settings: Settings) -> None:
    """The newest investigations, one line each."""
    store = await open_store(settings, SystemClock())
    try:
        found = await store.investigations(limit=_MOST)
    finally:
        await store.close()
    if not found:
        print("No investigations yet.")
    for investigation in found:
        text = plain(investigation.question.text)
        percent = f"{100 * investigation.progress_ratio:3.0f} %"
        print(f"{investigation.id}  {investigation.state.value:<12} {percent}  {text[:_WIDTH]}")
