"""`inquest eval`: how well a reasoner does on investigations whose cause a person confirmed."""

from __future__ import annotations

import os
from pathlib import Path

from bot.app import App, close_reasoner, make_reasoner
from bot.reasoning.arms import Arm
from bot.services.evals import Score, evaluate
from bot.settings import Settings


async def evaluate_folder(settings: Settings, folder: Path, *, arm: Arm | None, out: Path | None) -> int:
    """Score a folder of evals; returns the exit status."""
    app = await App.create(settings, os.environ)
    reasoner = make_reasoner(settings.model_copy(update={"reasoner": arm or Arm.RULES}))
    try:
        score = await evaluate(folder, reasoner=reasoner, setting=await app.catalogue.setting())
    finally:
        await close_reasoner(reasoner)
        await app.stop()
    _print(score, out)
    return 0


def _print(score: Score, out: Path | None) -> None:
    if out is not None:
        out.write_text(score.model_dump_json(indent=1), encoding="utf-8")
    for case in score.cases:
        mark = "right" if case.place == 1 else f"place {case.place}" if case.place else "missed"
        print(f"{case.name}  {mark:<8} {case.confidence:.2f}  said {case.said}; it was {case.truth}")
    print()
    print(f"cases             {len(score.cases)}")
    print(f"component + cause {score.top1:.3f} first, {score.top3:.3f} in three")
    print(f"component alone   {score.component_top1:.3f} first, {score.component_top3:.3f} in three")
    print(f"Brier score       {score.brier:.3f}")
    print(f"answered          {score.coverage:.3f}")
    print(f"seconds (median)  {score.median_s:.2f}")
    if score.tokens:
        print(f"cost              {score.tokens:,} tokens, ${score.usd:.4f}")
