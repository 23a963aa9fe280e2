"""“Save as eval”: offered once a person has confirmed the cause, and where a folder is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.access import Principal, PrincipalKind
from bot.errors import NotAllowed
from bot.services.evals import ConfirmedCause, EvalKeeper
from bot.slack.ports import Extras
from connectors.model import SystemClock
from tests.slack.conftest import BEN, Scene, text_of

BEN_ID = "U0BEN000001"


async def test_a_confirmed_cause_is_kept_with_who_kept_it(scene: Scene, tmp_path: Path) -> None:
    scene.extras = Extras(keep_eval=EvalKeeper(scene.store, tmp_path / "evals", SystemClock()).keep)
    await scene.start()
    await (await scene.asked()).whole()
    card = await scene.card("What caused it")
    assert "Save as eval" not in text_of(card)
    await scene.control.click(BEN, card, "inv_confirm_cause")
    card = await scene.card("Save as eval")
    answered = await scene.control.click(BEN, card, "inv_save_eval")
    assert answered["error"] is None
    await scene.whisper("Kept as an eval")
    done = (await scene.store.investigations())[0]
    kept = ConfirmedCause.model_validate_json((tmp_path / "evals" / done.id / "cause.json").read_bytes())
    assert done.report is not None
    best = done.report.synthesis.hypotheses[0]
    assert (kept.component, kept.cause, kept.by) == (best.component, best.cause, f"person:{BEN_ID}")


async def test_without_a_folder_there_is_no_such_button(scene: Scene) -> None:
    await scene.start()
    await (await scene.asked()).whole()
    card = await scene.card("What caused it")
    await scene.control.click(BEN, card, "inv_confirm_cause")
    await scene.whisper("")
    assert "Save as eval" not in text_of(await scene.card("What caused it"))


async def test_guests_keep_none(scene: Scene, tmp_path: Path) -> None:
    keeper = EvalKeeper(scene.store, tmp_path, SystemClock())
    with pytest.raises(NotAllowed):
        await keeper.keep("inv_1", Principal(kind=PrincipalKind.PERSON, id="U9", guest=True))
