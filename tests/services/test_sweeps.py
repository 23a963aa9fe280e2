"""Sweeps on a real store: one page for one cause, folded returns, answers that count, missed ticks that show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bot.domain.access import Principal, PrincipalKind
from bot.domain.anomaly import Anomaly, AnomalyState, Signal
from bot.domain.events import EventKind
from bot.domain.states import Severity
from bot.errors import InvalidConfiguration, MoveRefused, NotAllowed, UnknownId
from bot.services.execute import Execute
from bot.services.sweep import Sweeps, sweep_stream
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_config import load_sweeps
from bot.services.sweep_model import Limit, Sweep
from bot.store import Store
from connectors.errors import Unavailable
from connectors.model import Limits, Series, SeriesSet
from tests.support.doubles import Behaviour, DoubleConnector

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ADA = Principal(kind=PrincipalKind.PERSON, id="U1")
GUEST = Principal(kind=PrincipalKind.PERSON, id="U2", guest=True)
MINUTE = timedelta(minutes=1)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'inquest.db'}", create=True)
    yield store
    await store.close()


@pytest.fixture
def clock() -> Hands:
    return Hands()


def signal(
    service: str, *, at: datetime = START, metric: str = "error_ratio", severity: Severity = Severity.HIGH
) -> Signal:
    return Signal(
        key=f"{service} {metric}",
        source="prometheus/main",
        metric=metric,
        kind="high",
        at=at,
        service=service,
        value=0.3,
        low=0.0,
        high=0.01,
        unusual=5.0,
        severity=severity,
        text=f"{metric} of {service} is 0.3",
    )


async def test_one_page_for_one_cause(store: Store, clock: Hands) -> None:
    calls = {"checkout": {"payment"}, "payment": {"checkout"}}
    anomalies = Anomalies(store=store, clock=clock, neighbours=lambda name: calls.get(name, set()))
    await anomalies.report([signal("checkout"), signal("payment"), signal("search")])
    await anomalies.report([signal("payment", metric="latency_p99", at=START + MINUTE)])
    assert sorted(one.services for one in anomalies.recent()) == [("checkout", "payment"), ("search",)]
    both = next(one for one in anomalies.recent() if len(one.services) == 2)
    assert len(both.signals) == 3
    again = Anomalies(store=store, clock=clock)
    await again.refresh()
    assert {one.id: one for one in again.recent()} == {one.id: one for one in anomalies.recent()}


async def test_recovery_resolves_and_a_return_is_folded(store: Store, clock: Hands) -> None:
    anomalies = Anomalies(store=store, clock=clock)
    [first] = await anomalies.report([signal("checkout")])
    clock.at += 20 * MINUTE
    [done] = await anomalies.recovered({"checkout error_ratio"}, at=clock.at)
    assert done.state is AnomalyState.RESOLVED
    clock.at += 60 * MINUTE
    [back] = await anomalies.report([signal("checkout", at=clock.at)])
    assert (back.id, back.count, back.state) == (first.id, 2, AnomalyState.OPEN)


async def test_critical_starts_one_investigation(store: Store, clock: Hands) -> None:
    asked: list[str] = []

    async def investigate(anomaly: Anomaly) -> str | None:
        asked.append(anomaly.id)
        return "inv_1"

    anomalies = Anomalies(store=store, clock=clock, investigate=investigate)
    [found] = await anomalies.report([signal("checkout", severity=Severity.CRITICAL)])
    await anomalies.report([signal("checkout", metric="latency_p99", at=START + MINUTE, severity=Severity.CRITICAL)])
    await anomalies.report([signal("search", severity=Severity.HIGH)])
    assert asked == [found.id]
    assert (await anomalies.get(found.id)).investigation_id == "inv_1"


async def test_answers_count_fade_and_can_be_undone(store: Store, clock: Hands) -> None:
    anomalies = Anomalies(store=store, clock=clock)
    [found] = await anomalies.report([signal("checkout")])
    fingerprint = found.signals[0].fingerprint
    await anomalies.dismiss(found.id, by=ADA)
    assert anomalies.reluctance(fingerprint) == pytest.approx(1.0)
    assert anomalies.precision() == 0.0
    clock.at += timedelta(days=14)
    assert anomalies.reluctance(fingerprint) == pytest.approx(0.5, abs=0.01)
    await anomalies.useful(found.id, by=ADA)
    assert anomalies.precision() == 0.5
    assert fingerprint in anomalies.sensitivity()
    await anomalies.forget(fingerprint, by=ADA)
    assert anomalies.reluctance(fingerprint) == 0.0


async def test_who_may_not_answer_is_told(store: Store, clock: Hands) -> None:
    anomalies = Anomalies(store=store, clock=clock)
    [found] = await anomalies.report([signal("checkout")])
    with pytest.raises(NotAllowed):
        await anomalies.dismiss(found.id, by=GUEST)
    with pytest.raises(MoveRefused):
        await anomalies.snooze(found.id, until=START - MINUTE, by=ADA)
    with pytest.raises(UnknownId):
        await anomalies.get("an_none")
    snoozed = await anomalies.snooze(found.id, until=START + 60 * MINUTE, by=ADA)
    assert (snoozed.state, snoozed.snoozed_until) == (AnomalyState.SNOOZED, START + 60 * MINUTE)


def payload(values: Sequence[float | None], end: datetime, *, metric: str = "latency_p99") -> SeriesSet:
    first = end - MINUTE * (len(values) - 1)
    points = tuple((first + MINUTE * place, value) for place, value in enumerate(values))
    return SeriesSet(series=(Series(service="checkout", metric=metric, unit="s", step_s=60, points=points),))


class Desk:
    """A sweep over a double whose answer is set before each tick."""

    def __init__(self, store: Store, clock: Hands, sweep: Sweep) -> None:
        self.behaviour = Behaviour()
        connector = DoubleConnector(name="double/main", behaviour=self.behaviour, clock=clock)
        execute = Execute({"double/main": (connector, Limits())}, clock=clock)
        self.anomalies = Anomalies(store=store, clock=clock)
        self.sweep, self.clock = sweep, clock
        self.sweeps = Sweeps([sweep], store=store, execute=execute, anomalies=self.anomalies, clock=clock)

    async def tick(self, values: Sequence[float | None], *, metric: str = "latency_p99", after: int = 1) -> int:
        self.clock.at += MINUTE * after
        self.behaviour.payload = payload(values, self.clock.at, metric=metric)
        return (await self.sweeps.run(self.sweep)).signals


SWEEP = Sweep(name="signals", source="double/main", tool="read_rows", recovered_after=3)


@pytest.fixture
def tool() -> str:
    connector = DoubleConnector(name="double/main", behaviour=Behaviour())
    return next(one.name for one in connector.tools() if one.effect.value == "read")


async def test_a_step_is_found_at_once_and_its_end_too(store: Store, clock: Hands, tool: str) -> None:
    desk = Desk(store, clock, SWEEP.model_copy(update={"tool": tool}))
    normal = (0.2 + 0.01 * np.random.default_rng(1).normal(size=400)).tolist()
    assert await desk.tick(normal[:350]) == 0
    for value in normal[350:360]:
        assert await desk.tick([value]) == 0
    assert await desk.tick([1.9]) == 1
    assert await desk.tick([1.9]) == 0
    [found] = desk.anomalies.recent()
    assert found.state is AnomalyState.OPEN
    assert "latency_p99 of checkout is 1.9 s" in found.title
    for value in normal[360:364]:
        await desk.tick([value])
    assert (await desk.anomalies.get(found.id)).state is AnomalyState.RESOLVED
    assert await store.broken_links() == []


async def stuck_at(desk: Desk, value: float) -> list[Signal]:
    """Signals of a flat line after a noisy past and thirty times the same value."""
    assert await desk.tick((0.2 + 0.01 * np.random.default_rng(1).normal(size=350)).tolist()) == 0
    for _ in range(30):
        await desk.tick([value])
    return [one for found in desk.anomalies.recent() for one in found.signals if one.kind == "still"]


async def test_a_flat_line_is_told_once_and_hides_nothing_after_it(store: Store, clock: Hands, tool: str) -> None:
    limits = (Limit(metric="latency_p99", above=5.0, severity=Severity.HIGH),)
    desk = Desk(store, clock, SWEEP.model_copy(update={"tool": tool, "limits": limits}))
    [found] = await stuck_at(desk, 0.203)
    assert (found.severity, found.text) == (Severity.LOW, "latency_p99 of checkout stands still at 0.203 s")
    assert await desk.tick([6.0]) == 1, "a limit that is crossed right after is told at once"


@pytest.mark.parametrize("value", [0.0, 1.0])
async def test_nothing_and_all_may_stand_still(store: Store, clock: Hands, tool: str, value: float) -> None:
    assert not await stuck_at(Desk(store, clock, SWEEP.model_copy(update={"tool": tool})), value)


async def test_what_already_lasts_at_the_first_look_is_told_and_what_is_over_is_not(
    store: Store, clock: Hands, tool: str
) -> None:
    normal = (0.2 + 0.01 * np.random.default_rng(1).normal(size=400)).tolist()
    desk = Desk(store, clock, SWEEP.model_copy(update={"tool": tool}))
    assert await desk.tick([*normal[:350], *[1.9] * 10]) == 1
    again = Desk(store, clock, SWEEP.model_copy(update={"tool": tool, "name": "again"}))
    assert await again.tick([*normal[:300], *[1.9] * 5, *normal[300:312]]) == 0


async def test_a_limit_needs_no_learning(store: Store, clock: Hands, tool: str) -> None:
    sweep = SWEEP.model_copy(update={"tool": tool, "limits": (Limit(metric="error_ratio", above=0.05),)})
    desk = Desk(store, clock, sweep)
    await desk.tick([0.01, 0.01], metric="error_ratio")
    assert await desk.tick([0.25], metric="error_ratio") == 1
    assert desk.anomalies.recent()[0].severity is Severity.CRITICAL


async def test_missed_ticks_are_counted_over_a_restart(store: Store, clock: Hands, tool: str) -> None:
    sweep = SWEEP.model_copy(update={"tool": tool})
    await Desk(store, clock, sweep).tick([0.2])
    await Desk(store, clock, sweep).tick([0.2], after=6)
    events = await store.read(sweep_stream("signals"))
    missed = [event.payload["missed"] for event in events if event.kind is EventKind.SWEEP_MISSED]
    assert missed == [5]


async def test_a_source_that_is_down_is_an_outcome_not_an_anomaly(store: Store, clock: Hands, tool: str) -> None:
    desk = Desk(store, clock, SWEEP.model_copy(update={"tool": tool}))
    desk.behaviour.errors = [Unavailable("Down.")] * 3
    outcome = await desk.sweeps.run(desk.sweep)
    assert outcome.outcome == "failed"
    assert "Down" in outcome.reason
    assert desk.anomalies.recent() == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sweeps:\n  a:\n    source: double/none\n    tool: x\n", "sweeps.yaml:3: sweeps.a.source: no such source"),
        ("sweeps:\n  a:\n    source: 1\n    tool: x\n", "sweeps.a.source"),
        ("watch: 1\n", "unknown key"),
        ("sweeps: [1]\n", "must be a mapping"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "sweeps.yaml"
    path.write_text(text)
    with pytest.raises(InvalidConfiguration, match=told):
        load_sweeps(path, {}, [])
