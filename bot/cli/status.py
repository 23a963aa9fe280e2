"""`inquest status` and `inquest audit verify`: what the store says."""

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


async def verify(settings: Settings) -> int:
    """Check all hash chains; exit status 1 when one is broken."""
    store = await open_store(settings, SystemClock())
    try:
        broken = await store.broken_links()
    finally:
        await store.close()
    for link in broken:
        print(f"BROKEN  {link.stream} at event {link.seq}: {link.why}")
    if not broken:
        print("Every chain of the event log is intact.")
    return 1 if broken else 0
