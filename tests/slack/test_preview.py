"""Claude's words in the thread while they come: in order, masked, never the last word, and never where refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import SecretStr

from bot.domain.access import PrincipalKind
from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.reasoning.arms import CLAUDE_PRICES, UNKNOWN_PRICE
from bot.reasoning.claude import ClaudeReasoner
from bot.reasoning.claude_wire import Endpoint
from bot.reasoning.rules import RulesReasoner
from bot.reasoning.wording import Wording, spoken
from bot.services.catalogue import Catalogue, SourceInfo
from bot.services.execute import Execute
from bot.services.investigate import Investigator
from bot.slack.publisher.draw import SUPERSEDED
from bot.slack.publisher.preview import APPEND, START, Previews
from bot.worker import Worker
from connectors.model import Limits, SystemClock
from tests.slack.conftest import ROOM, Scene, text_of
from tests.slack.story import Teller, moved
from tests.support.claude_server import Asked, ClaudeServer, Say, sensible, step_of
from tests.support.doubles import Behaviour, DoubleConnector
from tests.support.slack_control import Json

SECRET = "ghp_" + "q7Zk2LmN9pRs" * 3
FIRST, SECOND = "Rows were read with {}.", "Nothing else was seen."
STOP = "chat.stopStream"


def previews(scene: Scene) -> Previews:
    assert scene.face is not None
    return scene.face.previews


async def appended(scene: Scene) -> list[str]:
    return [c["arguments"]["markdown_text"] for c in await scene.control.calls(APPEND) if c["error"] is None]


async def until_appended(scene: Scene, words: str) -> None:
    async def there() -> bool:
        return any(words in text for text in await appended(scene))

    await scene.control.until(there)


async def drafting(scene: Scene) -> tuple[Teller, Wording]:
    """A draft with one sentence stands in the thread."""
    teller = await scene.asked()
    await teller.starts()
    preview = previews(scene).of(await scene.store.investigation(teller.id))
    assert preview is not None
    preview.heard(["Checkout is slow."])
    await until_appended(scene, "Checkout is slow.")
    return teller, preview


async def reply(scene: Scene, containing: str) -> Json:
    async def look() -> Json | None:
        card = (await scene.roots())[0]
        found = await scene.control.messages(ROOM, thread_ts=card["ts"])
        return next((m for m in found[1:] if containing in text_of(m)), None)

    found: Json = await scene.control.until(look)
    return found


@contextlib.asynccontextmanager
async def engine(scene: Scene, reasoner: ClaudeReasoner | RulesReasoner) -> AsyncIterator[None]:
    """A worker over the scene's store, its reasoner heard by the scene's face."""
    clock = SystemClock()
    execute = Execute(
        {"double/a": (DoubleConnector(name="double/a", behaviour=Behaviour(rows=3)), Limits())}, clock=clock
    )
    catalogue = Catalogue(execute=execute, infos=[SourceInfo("double/a", "double", "production")], squads=())
    investigator = Investigator(
        store=scene.store, execute=execute, reasoner=reasoner, fallback=RulesReasoner(),
        setting=catalogue.setting, clock=clock,
    )  # fmt: skip
    investigator.wording = previews(scene).of
    worker = Worker(store=scene.store, investigator=investigator, slots=2)
    worker.start()
    try:
        yield
    finally:
        await worker.stop()
        await execute.close()


@contextlib.asynccontextmanager
async def claude(script: Callable[[Asked], Say]) -> AsyncIterator[ClaudeReasoner]:
    async with ClaudeServer(script).running() as server:
        endpoint = Endpoint(api_key=SecretStr("sk-ant-test-1"), base_url=server.url, model="claude-sonnet-5-5")
        reasoner = ClaudeReasoner(endpoint, prices=CLAUDE_PRICES, unknown_price=UNKNOWN_PRICE)
        yield reasoner
        await reasoner.close()


async def completed(scene: Scene) -> Investigation:
    async def look() -> Investigation | None:
        newest = (await scene.store.investigations(limit=1))[0]
        return newest if newest.state is InvestigationState.COMPLETED else None

    found: Investigation = await scene.control.until(look)
    return found


async def test_sentences_come_in_order_and_go_when_the_report_comes(scene: Scene) -> None:
    await scene.start()

    async def shown(piece: str) -> None:
        if "Rows were read" in piece:
            await until_appended(scene, "Rows were read")
        elif SECOND in piece:
            await until_appended(scene, SECOND)

    def script(asked: Asked) -> Say:
        if step_of(asked) != "synthesize":
            return sensible(asked)
        told = json.dumps({"summary": FIRST.format(SECRET), "root_cause": SECOND, "hypotheses": []})
        at = told.index(', "root_cause"')
        return Say(pieces=[told[:9], told[9:at], told[at:]], between=shown)

    async with claude(script) as reasoner, engine(scene, reasoner):
        await scene.asked()
        done = await completed(scene)
    assert done.report is not None
    assert done.report.reasoner == "claude"
    await reply(scene, "statements backed")
    draft = await reply(scene, SUPERSEDED)
    texts = await appended(scene)
    assert [("Rows were read" in t, SECOND in t) for t in texts] == [(True, False), (False, True)]
    assert SECRET not in json.dumps(await scene.control.read("ledger"))
    assert not draft.get("is_streaming")
    assert not any(words in text_of(draft) for words in ("Rows were read", SECOND))
    assert len(await scene.control.calls(START)) == len(await scene.control.calls(STOP)) == 1


async def test_a_workspace_without_streams_is_asked_once(scene: Scene) -> None:
    await scene.start()
    await scene.control.do("outage", {"mode": "error", "methods": [START], "error": "unknown_method"})
    teller = await scene.asked()
    preview = previews(scene).of(await scene.store.investigation(teller.id))
    assert preview is not None
    preview.heard(["Checkout is slow."])

    async def refused() -> bool:
        return previews(scene).refuses_all

    await scene.control.until(refused)
    assert previews(scene).of(await scene.store.investigation(teller.id)) is None
    await preview.end()
    await teller.whole()
    await reply(scene, "Checkout p99 is 8×")
    assert len(await scene.control.calls(START)) == 1
    assert await appended(scene) == []


async def test_rules_stream_nothing(scene: Scene) -> None:
    await scene.start()
    async with engine(scene, RulesReasoner()):
        await scene.asked()
        await completed(scene)
    await reply(scene, "statements backed")
    assert await scene.control.calls(START) == []


async def test_a_draft_that_no_report_follows_is_taken_away(scene: Scene) -> None:
    await scene.start()
    teller, preview = await drafting(scene)
    await preview.end()
    preview.heard(["Checkout is slow.", "Too late."])
    await teller.append(moved("cancelled"))
    message = await reply(scene, SUPERSEDED)
    assert not message.get("is_streaming")
    assert "Checkout is slow." not in text_of(message)
    assert not any("Too late." in text for text in await appended(scene))


async def test_a_restart_ends_the_stream_that_was_left_open(scene: Scene) -> None:
    face = await scene.start()
    teller, _ = await drafting(scene)
    await face.stop()
    await teller.whole()
    await scene.start()
    await reply(scene, "Checkout p99 is 8×")
    message = await reply(scene, SUPERSEDED)
    assert not message.get("is_streaming")
    assert "Checkout is slow." not in text_of(message)
    assert len(await scene.control.calls(START)) == len(await scene.control.calls(STOP)) == 1


async def test_a_deleted_draft_does_not_take_the_report_with_it(scene: Scene) -> None:
    await scene.start()
    teller, preview = await drafting(scene)
    draft = await reply(scene, "Checkout is slow.")
    await scene.control.do("forget", {"channel": ROOM, "ts": draft["ts"]})
    await preview.end()
    await teller.whole()
    await reply(scene, "Checkout p99 is 8×")


async def test_a_second_attempt_of_the_model_is_not_mixed_into_the_first(scene: Scene) -> None:
    await scene.start()
    _, preview = await drafting(scene)
    preview.heard(["Checkout is fast."])
    preview.heard(["Checkout is slow.", "Payments are fine."])
    await until_appended(scene, "Payments are fine.")
    assert not any("fast" in text for text in await appended(scene))
    await preview.end()


async def test_nobody_asked_and_nothing_is_streamed_into_a_channel(scene: Scene) -> None:
    """Slack wants to know for whom it streams; a run that a machine opened has nobody."""
    await scene.start()
    teller = await scene.asked()
    run = await scene.store.investigation(teller.id)
    card = {row.slot: row for row in await scene.store.posted(f"investigation/{run.id}")}["card"]
    machine = run.requester.model_copy(update={"kind": PrincipalKind.SYSTEM})
    assert previews(scene).place(run, card) is not None
    assert previews(scene).place(run.model_copy(update={"requester": machine}), card) is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ('{"summary": "One."', ["One."]),
        ('{"summary": "One.", "root_cause": "Tw', ["One."]),
        ('{"summary": "Say \\"root_cause\\": \\"x\\" now.", "root_cause": null', ['Say "root_cause": "x" now.']),
        ('{"summary": "<!channel> look"}', []),
        ('{"summary": "See https://evil.test"}', []),
        ('{"summary": "One.", "hypotheses": [{"component": "app/a", "statement": "Two."}', ["One.", "Two."]),
        ("no JSON at all", []),
    ],
)
def test_only_finished_plain_sentences_are_told(answer: str, told: list[str]) -> None:
    assert spoken(answer) == told
