"""`/sweeps` as modals: responders make, change, pause, run and delete sweeps; others read; guests see nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.demo.workspace.config import BEN as BEN_ID
from bot.demo.workspace.config import DANA as DANA_ID
from bot.domain.access import Principal, PrincipalKind
from bot.domain.events import EventKind, NewEvent
from bot.domain.question import Source
from bot.errors import InvalidRequest, NotAllowed
from bot.services.sweep_desk import STREAM, Draft, Listed, SweepDesk
from bot.services.sweep_model import Limit, Sweep
from bot.slack.blocks.sweeps import DELETE, EDIT, FORM, NEW, PAUSE, RESUME, RUN, sweep_form, sweeps_modal
from bot.slack.ports import Extras
from connectors.base import Arguments
from connectors.model import Effect, EvidenceKind, SystemClock, Tool
from tests.slack.checks import check_modal
from tests.slack.conftest import BEN, ROOM, Scene, text_of
from tests.support.slack_control import Json

DANA = "dana"
FILED = Sweep(name="filed", source="prometheus/main", tool="get_service_signals", place="config/sweeps.yaml:4")


class QueryArguments(Arguments):
    promql: str


class SignalArguments(Arguments):
    services: tuple[str, ...] = ()


def tool(name: str, arguments: type[Arguments], kind: EvidenceKind) -> Tool:
    return Tool(name=name, summary="", arguments=arguments, effect=Effect.READ, returns=frozenset({kind}))


PROMETHEUS = Source(
    name="prometheus/main",
    type="prometheus",
    environment="production",
    tools=(
        tool("query_range", QueryArguments, EvidenceKind.SERIES),
        tool("get_service_signals", SignalArguments, EvidenceKind.SERIES),
        tool("list_alerts", SignalArguments, EvidenceKind.OBJECTS),
    ),
)


def who(user_id: str, *, guest: bool = False) -> Principal:
    return Principal(kind=PrincipalKind.PERSON, id=user_id, name=user_id, guest=guest)


def desk_of(scene: Scene) -> SweepDesk:
    """As every process makes its own; Dana is the one responder."""

    async def may(by: Principal) -> bool:
        return by.id == DANA_ID

    async def base() -> Sequence[Sweep]:
        return [FILED]

    async def sources() -> Sequence[Source]:
        return [PROMETHEUS]

    return SweepDesk(store=scene.store, clock=SystemClock(), may=may, base=base, sources=sources)


@pytest.fixture
async def desk(scene: Scene) -> SweepDesk:
    made = desk_of(scene)
    scene.extras = Extras(sweep_desk=made)
    await scene.start()
    return made


async def modal(scene: Scene, user_id: str, *, containing: str) -> Json:
    """The topmost modal of a person, once it says this."""

    async def look() -> Json | None:
        stack = (await scene.control.read("state"))["modals"].get(user_id)
        return stack[-1] if stack and containing in text_of(stack[-1]) else None

    found: Json = await scene.control.until(look)
    return found


async def press(scene: Scene, view: Json, action: str, name: str = "new") -> None:
    """The button of that action and sweep."""
    block = next(
        block["block_id"]
        for block in view["blocks"]
        for element in block.get("elements", ())
        if element.get("action_id") == action and element.get("value") == name
    )
    said = await scene.control.do(
        "click", {"user": DANA, "view_id": view["id"], "action_id": action, "block_id": block}
    )
    assert said.get("ok"), said


def typed(**given: str) -> Json:
    """What a person filled in; `what` and `channel` are chosen."""
    values: Json = {}
    for name, value in given.items():
        if name == "what":
            option = {"value": value, "text": {"type": "plain_text", "text": "x"}}
            values[name] = {name: {"type": "static_select", "selected_option": option}}
        else:
            values[name] = {name: {"type": "plain_text_input", "value": value}}
    return values


QUEUES = {
    "what": "prometheus/main|query_range",
    "query": "sum by (queue) (queue_depth)",
    "limits": "queue_depth > 1000 high\nqueue_depth < 0",
    "every_s": "120",
    "threshold": "3.5",
    "metrics": "queue_depth, queue_age",
}


async def test_a_sweep_is_made_changed_paused_run_and_deleted(scene: Scene, desk: SweepDesk) -> None:
    await scene.control.command(DANA, ROOM, "/sweeps")
    shown = await modal(scene, DANA_ID, containing="config/sweeps.yaml:4")
    await press(scene, shown, NEW)
    form = await modal(scene, DANA_ID, containing="What to watch")
    assert form["callback_id"] == FORM
    answer = await scene.control.submit(DANA, typed(name="queues", **QUEUES))
    assert answer.get("errors") == {}, answer
    shown = await modal(scene, DANA_ID, containing="`queues` is made")
    made = next(one.sweep for one in await desk.listed() if one.sweep.name == "queues")
    assert made.arguments == {"promql": "sum by (queue) (queue_depth)"}
    assert (made.every_s, made.threshold, made.metrics) == (120, 3.5, ("queue_depth", "queue_age"))
    assert [(limit.above, limit.below) for limit in made.limits] == [(1000, None), (None, 0)]

    await press(scene, shown, EDIT, "queues")
    form = await modal(scene, DANA_ID, containing="What to watch")
    assert "sum by (queue) (queue_depth)" in text_of(form)
    await scene.control.submit(DANA, typed(**{**QUEUES, "every_s": "30"}))
    shown = await modal(scene, DANA_ID, containing="`queues` is changed")

    await press(scene, shown, PAUSE, "queues")
    shown = await modal(scene, DANA_ID, containing="`queues` is paused")
    elsewhere = desk_of(scene)
    assert {one.sweep.name: one.sweep.enabled for one in await elsewhere.listed()} == {"filed": True, "queues": False}
    await press(scene, shown, RESUME, "queues")
    shown = await modal(scene, DANA_ID, containing="`queues` runs again")
    await press(scene, shown, RUN, "filed")
    shown = await modal(scene, DANA_ID, containing="`filed` runs in a moment")
    assert elsewhere.take_wanted() == []
    await elsewhere.refresh()
    assert elsewhere.take_wanted() == ["filed"]
    await press(scene, shown, DELETE, "queues")
    await modal(scene, DANA_ID, containing="`queues` is deleted")
    assert [one.sweep for one in await elsewhere.listed()] == [FILED]
    events = await scene.store.read(STREAM)
    assert {(event.kind.value, event.actor) for event in events} == {("SweepChanged", f"person:{DANA_ID}")}


async def test_the_home_says_how_many_sweeps_there_are(scene: Scene, desk: SweepDesk) -> None:
    await desk.pause("filed", by=who(DANA_ID))
    await scene.control.do("home", {"user": BEN})

    async def look() -> bool:
        home = (await scene.control.read("state"))["homes"].get(BEN_ID)
        return bool(home) and "Sweeps: 1, 1 of them paused" in text_of(home)

    assert await scene.control.until(look)


async def test_what_is_wrong_is_told_beside_the_field(scene: Scene, desk: SweepDesk) -> None:
    await scene.control.command(DANA, ROOM, "/sweeps")
    await press(scene, await modal(scene, DANA_ID, containing="Sweeps"), NEW)
    await modal(scene, DANA_ID, containing="What to watch")
    answer = await scene.control.submit(DANA, typed(name="queues", **{**QUEUES, "query": ""}))
    assert answer["errors"] == {"what": "query_range needs a query."}
    assert [one.sweep for one in await desk.listed()] == [FILED]


async def test_who_may_not_reads_and_changes_nothing(scene: Scene, desk: SweepDesk) -> None:
    await scene.control.command(BEN, ROOM, "/sweeps")
    shown = await modal(scene, BEN_ID, containing="Responders can make")
    assert "config/sweeps.yaml:4" in text_of(shown)
    assert not any(block["type"] == "actions" for block in shown["blocks"])
    for user in (who(BEN_ID), who(DANA_ID, guest=True)):
        with pytest.raises(NotAllowed, match="responders"):
            await desk.pause("filed", by=user)
    assert await scene.store.read(STREAM) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Bad Name"}, "name: "),
        ({"name": "filed"}, "stands in config/sweeps.yaml:4"),
        ({"name": "anomalies"}, "a name of ours"),
        ({"source": "mysql/none"}, "has no query_range"),
        ({"tool": "list_alerts"}, "has no list_alerts that can be watched"),
        ({"every_s": "often"}, "is a number"),
        ({"every_s": "1"}, "every_s: "),
        ({"threshold": "nan"}, "threshold: "),
        ({"limits": "errors are many"}, "a line each"),
        ({"limits": "x > 1 dreadful"}, "a line each"),
        ({"services": ("shop",)}, "cannot be narrowed"),
        ({"tool": "get_service_signals"}, "takes no query"),
    ],
)
async def test_what_cannot_be_a_sweep(scene: Scene, change: dict[str, object], words: str) -> None:
    given = {"name": "ok", "source": "prometheus/main", "tool": "query_range", "query": "up", **change}
    with pytest.raises(InvalidRequest, match=words):
        await desk_of(scene).save(Draft.model_validate(given), by=who(DANA_ID))


async def test_what_stands_in_a_file_is_paused_but_not_deleted(scene: Scene) -> None:
    desk = desk_of(scene)
    with pytest.raises(InvalidRequest, match="take it out of the file"):
        await desk.delete("filed", by=who(DANA_ID))
    with pytest.raises(InvalidRequest, match="no sweep 'gone'"):
        await desk.run("gone", by=who(DANA_ID))
    await desk.pause("filed", by=who(DANA_ID))
    (filed,) = await desk_of(scene).listed()
    assert filed.sweep.enabled is False


async def test_a_sweep_of_another_version_stops_nothing(scene: Scene) -> None:
    odd = {"name": "odd", "sweep": {"source": "prometheus/main", "tool": "query_range", "every_s": "at noon"}}
    event = NewEvent(kind=EventKind.SWEEP_CHANGED, actor="person:U1", at=SystemClock().now(), payload=odd)
    await scene.store.append(STREAM, expected_seq=0, events=[event])
    desk = desk_of(scene)
    await desk.pause("filed", by=who(DANA_ID))
    assert [(one.sweep.name, one.sweep.enabled) for one in await desk.listed()] == [("filed", False)]


def test_every_modal_fits_slack(tmp_path: Path) -> None:
    limits = tuple(Limit(metric="m" * 80, above=1.0) for _ in range(9))
    many = [
        Listed(
            sweep=Sweep(
                name=f"s-{n}", source="x/" + "y" * 300, tool="t" * 90, limits=limits, arguments={"q": "<&>" * 99}
            ),
            made_by="key:main" if n % 2 else None,
        )
        for n in range(120)
    ]
    for modal_ in (
        sweeps_modal(many, may=True, note="n" * 5_000),
        sweeps_modal([], may=False),
        sweep_form([(f"s/{n}", "t") for n in range(300)]),
        sweep_form([("x/y", "t")], many[0].sweep),
    ):
        check_modal(modal_)
