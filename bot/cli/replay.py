"""`inquest replay`: a past investigation once more, from its log alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

from bot.app import App, close_reasoner, make_reasoner
from bot.cli.show import plain, report_lines
from bot.reasoning.arms import Arm
from bot.services.evals import save_eval
from bot.services.replay import Replayed, recall, replay
from bot.settings import Settings


async def replay_one(
    settings: Settings,
    investigation_id: str,
    *,
    arm: Arm | None,
    as_json: bool,
    save_to: Path | None = None,
    cause: str | None = None,
) -> int:
    """Replay and show what changed; with `save_to`, keep it as an eval instead. Returns the exit status."""
    app = await App.create(settings, os.environ)
    try:
        if save_to is not None:
            by = f"person:{os.environ.get('USER', 'terminal')}"
            place = await save_eval(app.store, investigation_id, save_to, clock=app.clock, by=by, cause=cause)
            print(f"Kept in {place}.")
            return 0
        recording = await recall(app.store, investigation_id)
        reasoner = make_reasoner(settings.model_copy(update={"reasoner": arm or Arm.RULES}))
        try:
            setting = await app.catalogue.setting()
            done = await replay(recording, reasoner=reasoner, setting=setting, budget_usd=settings.budget_usd)
        finally:
            await close_reasoner(reasoner)
    finally:
        await app.stop()
    _print(done, lost=recording.lost, as_json=as_json)
    return 0


def _print(done: Replayed, *, lost: int, as_json: bool) -> None:
    if as_json:
        told = {"report": done.report.to_json(), "changes": list(done.changes), "missing": done.missing, "lost": lost}
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    print("\n".join(report_lines(done.report)))
    print()
    print("Changed against then:" if done.changes else "Nothing changed against then.")
    for line in done.changes:
        print(f"  {plain(line)}")
    if done.fell_back:
        print(f"Rules took over: {done.fell_back}")
    if lost:
        print(f"{lost} pieces of evidence are not kept any more; the replay went on without them.")
    if done.missing:
        print(f"{done.missing} further reads were wished for that nobody made then.")
