"""`inquest investigate`: the same investigation in the terminal, against your sources or the demo's."""

from __future__ import annotations

import asyncio
import json
import sys

from bot.app import App
from bot.cli.show import LiveProgress, report_lines
from bot.cli.terminal import whoever_typed, working
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.services.investigations import OpenRequest
from bot.settings import Settings

EXIT_FAILED = 3
_DISCOVERY_WAIT_S = 3.0


async def investigate(
    settings: Settings, request: OpenRequest, *, as_json: bool, demo: str | None = None, seed: int = 1
) -> int:
    """Run one investigation to its end; returns the exit status."""
    async with working(settings, demo=demo, seed=seed) as app:
        await app.catalogue.known(_DISCOVERY_WAIT_S)
        opened = await app.investigations.open(request, by=whoever_typed())
        done = await _follow(app, opened, quiet=as_json)
    return _print(done, as_json=as_json)


async def _follow(app: App, opened: Investigation, *, quiet: bool) -> Investigation:
    """Wait for the end, showing what comes in; Ctrl-C cancels the investigation, not just the watching."""
    progress = LiveProgress()
    state = opened
    try:
        async for _ in app.store.follow(investigation_stream(opened.id), after=0):
            state = await app.investigations.get(opened.id)
            if not quiet:
                progress.show(state)
            if state.state.is_settled:
                break
    except asyncio.CancelledError:
        print("Cancelled.", file=sys.stderr)
        raise
    return state


def _print(done: Investigation, *, as_json: bool) -> int:
    if done.report is None or done.state is not InvestigationState.COMPLETED:
        print(f"The investigation is {done.state.value}: {done.reason}", file=sys.stderr)
        return EXIT_FAILED
    if as_json:
        print(json.dumps(done.report.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join(report_lines(done.report)))
    return 0
