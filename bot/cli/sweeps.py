"""`inquest sweeps list | run`."""

from __future__ import annotations

from bot.cli.show import plain
from bot.cli.terminal import working
from bot.domain.states import Outcome
from bot.services.sweep_words import did
from bot.settings import Settings

EXIT_FAILED = 3
_MOST_TOLD = 40


async def list_sweeps(settings: Settings) -> None:
    """One line each: name, what is asked how often, and where it stands."""
    async with working(settings, demo=None, seed=0) as app:
        listed = await app.watch.desk.listed()
    if not listed:
        print("There is no sweep: no source that is configured can be watched without a sweeps file.")
    for one in listed:
        sweep = one.sweep
        state = "on" if sweep.enabled else "paused"
        stands = sweep.place or "a default"
        line = f"{sweep.name:<44} {state:<7} {sweep.tool} of {sweep.source} every {sweep.every_s:g} s  ({stands})"
        print(plain(line))


async def run_sweep(settings: Settings, name: str) -> int:
    """One tick of a sweep now; exit status 3 when its source did not answer."""
    async with working(settings, demo=None, seed=0) as app:
        outcome, odd = await app.watch.run_once(name)
    print(plain(f"{name} {did(outcome)}"))
    for text in odd[:_MOST_TOLD]:
        print(plain(f"  {text}"))
    if len(odd) > _MOST_TOLD:
        print(f"  … and {len(odd) - _MOST_TOLD:,} more series")
    return 0 if outcome.outcome in (Outcome.SUCCEEDED, Outcome.EMPTY) else EXIT_FAILED
