"""Replay from the log alone, and evals made of confirmed investigations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.investigation import Investigation
from bot.domain.question import CaseFile, Service, Setting
from bot.errors import InvalidRequest, UnknownId
from bot.reasoning.rules import RulesReasoner
from bot.services.evals import evaluate, save_eval
from bot.services.replay import Recording, differences, recall, replay
from connectors.model import Change, Changes, LogGroup, Logs, Payload, SystemClock, ToolCall
from tests.reasoning.test_claude import claude
from tests.support.claude_server import Asked, ClaudeServer, Say, sensible, step_of
from tests.support.doubles import Behaviour
from tests.support.house import ADA, House, house

NOW = datetime.now(UTC)
CRASH: Payload = Logs(
    groups=(
        LogGroup(
            template="panic: cannot read price of order",
            service="checkout-api",
            level="error",
            count=900,
            baseline_count=0,
            first=NOW,
            last=NOW,
        ),
    ),
    total=900,
)
RELEASE: Payload = Changes(items=(Change(at=NOW, service="checkout-api", what="release 2.1", change="deployment"),))


def incident() -> dict[str, Behaviour]:
    return {"double/logs": Behaviour(payload=CRASH), "double/changes": Behaviour(payload=RELEASE)}


async def _done(parts: House) -> Investigation:
    return await parts.settled(await parts.ask("why does checkout-api fail? key ghp_" + "a1B2" * 9))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'r.db'}"


async def test_the_same_code_says_the_same_and_asks_no_source(url: str) -> None:
    behaviours = incident()
    async with house(url, behaviours) as parts:
        done = await _done(parts)
        asked = [behaviour.calls for behaviour in behaviours.values()]
        again = await replay(await recall(parts.store, done.id), reasoner=RulesReasoner())
        assert [behaviour.calls for behaviour in behaviours.values()] == asked
    assert again.changes == ()
    assert done.report is not None
    assert again.report.synthesis.hypotheses == done.report.synthesis.hypotheses
    assert again.report.backed == done.report.backed


async def test_the_surroundings_of_then_are_kept_with_the_tools_of_today(url: str) -> None:
    async with house(url, incident()) as parts:
        done = await _done(parts)
        recording = await recall(parts.store, done.id)
        today = await parts.setting()
    assert recording.setting is not None
    assert [s.name for s in recording.setting.services] == [s.name for s in today.services]
    assert [s.name for s in recording.setting.sources] == [s.name for s in today.sources]
    assert not any(s.tools for s in recording.setting.sources)
    then = recording.setting.model_copy(update={"services": (Service(name="long-gone", depends_on=("ledger",)),)})
    then = Setting.model_validate(then.kept())
    again = await replay(recording.model_copy(update={"setting": then}), reasoner=_Curious(), setting=today)
    assert again.missing == 0
    assert again.changes == ()


class _Curious(RulesReasoner):
    """Rules that look at what surrounds the question."""

    async def follow_up(self, case: CaseFile) -> Sequence[ToolCall]:
        assert [s.name for s in case.setting.services] == ["long-gone"]
        assert all(source.tools for source in case.setting.sources)
        return await super().follow_up(case)


async def test_lost_evidence_changes_the_answer_and_is_told(url: str) -> None:
    async with house(url, incident()) as parts:
        done = await _done(parts)
        whole = await recall(parts.store, done.id)
        kept = tuple(item for item in whole.evidence if item.payload.kind != "logs")
        poorer = await replay(whole.model_copy(update={"evidence": kept}), reasoner=RulesReasoner())
    assert len(whole.evidence) == 2
    assert whole.lost == 0
    assert any("gone" in line or "no longer said" in line for line in poorer.changes)


async def test_another_reasoner_words_it_and_wishes_are_counted(url: str) -> None:
    def script(asked: Asked) -> Say:
        if step_of(asked) == "follow_up":
            return Say(calls=[("double__read_rows", {"source": "double/logs", "arguments": {"number": 4}})])
        return sensible(asked)

    behaviours = incident()
    async with house(url, behaviours) as parts, ClaudeServer(script).running() as server:
        done = await _done(parts)
        before = sum(behaviour.calls for behaviour in behaviours.values())
        setting = await parts.setting()
        reasoner = claude(server)
        again = await replay(await recall(parts.store, done.id), reasoner=reasoner, setting=setting)
        await reasoner.close()
        assert sum(behaviour.calls for behaviour in behaviours.values()) == before
    assert again.missing == 2
    assert again.fell_back is None
    assert again.report.reasoner == "claude"
    assert again.report.cost.tokens == server.billed.tokens
    assert any(line.startswith("reasoner: rules → claude") for line in again.changes)


async def test_a_reasoner_that_fails_in_a_replay_is_replaced(url: str) -> None:
    async with house(url, incident()) as parts, ClaudeServer(lambda _: Say(status=401)).running() as server:
        done = await _done(parts)
        reasoner = claude(server)
        setting = await parts.setting()
        again = await replay(await recall(parts.store, done.id), reasoner=reasoner, setting=setting)
        await reasoner.close()
    assert "API key" in (again.fell_back or "")
    assert again.changes == ()


async def test_an_eval_is_kept_and_scored(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "evals"
    async with house(url, incident()) as parts:
        done = await _done(parts)
        assert done.report is not None
        best = done.report.synthesis.hypotheses[0]
        with pytest.raises(InvalidRequest, match="Nobody has confirmed"):
            await save_eval(parts.store, done.id, folder, clock=SystemClock())
        await parts.investigations.feedback(done.id, value="confirm_cause", by=ADA)
        place = await save_eval(parts.store, done.id, folder, clock=SystemClock())
        truth = json.loads((place / "cause.json").read_text())
        assert (truth["component"], truth["cause"]) == (best.component, best.cause)
        other = await _done(parts)
        await save_eval(parts.store, other.id, folder, clock=SystemClock(), cause="app/other-api disk_full")
    assert "ghp_" not in (place / "case.json").read_text()
    assert best.cause not in {key for key in truth if key != "cause"}
    score = await evaluate(folder, reasoner=RulesReasoner())
    assert (score.top1, score.top3, score.component_top1) == (0.5, 0.5, 0.5)
    confidence = best.confidence
    assert score.brier == pytest.approx(((1 - confidence) ** 2 + confidence**2) / 2, abs=0.01)


@pytest.mark.parametrize("cause", ["nonsense", "app/x", "x y", ""])
async def test_a_cause_that_is_none_is_refused(url: str, tmp_path: Path, cause: str) -> None:
    async with house(url, incident()) as parts:
        done = await _done(parts)
        with pytest.raises(InvalidRequest):
            await save_eval(parts.store, done.id, tmp_path, clock=SystemClock(), cause=cause)


async def test_folders_without_evals_and_broken_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownId, match="no evals"):
        await evaluate(tmp_path, reasoner=RulesReasoner())
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "case.json").write_text('{"investigation": 1}')
    with pytest.raises(InvalidRequest, match=r"case\.json"):
        await evaluate(tmp_path, reasoner=RulesReasoner())


async def test_a_recording_survives_its_json(url: str) -> None:
    async with house(url, incident()) as parts:
        recording = await recall(parts.store, (await _done(parts)).id)
    assert Recording.model_validate_json(recording.model_dump_json()) == recording


async def test_differences_are_told_line_by_line(url: str) -> None:
    async with house(url, incident()) as parts:
        done = await _done(parts)
    report = done.report
    assert report is not None
    turned = report.synthesis.model_copy(update={"hypotheses": report.synthesis.hypotheses[::-1], "confidence": 0.01})
    lines = differences(report, report.model_copy(update={"synthesis": turned}))
    assert any(line.startswith("confidence: ") for line in lines)
    moved = [line for line in lines if line.startswith("hypothesis moved")]
    assert len(moved) == len(report.synthesis.hypotheses) // 2 * 2
