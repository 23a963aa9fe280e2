"""What is watched without configuration: pods, nodes, connections, locks, lag, and burn rates of objectives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.anomaly import Signal
from bot.domain.question import Source
from bot.domain.states import Severity
from bot.services.execute import Execute
from bot.services.sweep import Sweeps
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_config import load_watching
from bot.services.sweep_defaults import defaults, with_objectives
from bot.services.sweep_model import Objective, Sweep
from bot.services.sweep_reading import series_of
from bot.store import Store
from connectors.model import Effect, EvidenceKind, Item, Limits, Objects, Payload, Series, SeriesSet, Tool
from tests.support.doubles import Behaviour, DoubleConnector, ReadArguments

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATELY = (NOW - 3 * MINUTE).isoformat()
LONG_AGO = (NOW - timedelta(hours=3)).isoformat()


class SignalArguments(ReadArguments):
    baseline_minutes: int = 30


class Hands:
    at = NOW

    def now(self) -> datetime:
        return self.at


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/i.db", create=True)
    yield opened
    await opened.close()


def source(name: str, *tools: str) -> Source:
    made = tuple(
        Tool(name=tool, summary="", arguments=SignalArguments, effect=Effect.READ, returns=frozenset(EvidenceKind))
        for tool in tools
    )
    return Source(name=name, type=name.partition("/")[0], environment="production", tools=made)


def pod(name: str, service: str, *, phase: str = "Running", age_s: int = 9_000, ended: str | None = None) -> Item:
    containers = [{"name": "app", "restarts": 1 if ended else 0, "last_finished_at": ended}]
    fields = {"service": service, "phase": phase, "age_s": age_s, "containers": containers}
    return Item.model_validate({"api_kind": "Pod", "name": name, "fields": fields})


def item(kind: str, name: str, **fields: object) -> Item:
    return Item.model_validate({"api_kind": kind, "name": name, "fields": fields})


CASES = {
    "list_pods": (
        [pod(f"pay-{n}", "payment", ended=LATELY) for n in range(3)] + [pod("shop-0", "shop", ended=LONG_AGO)],
        {("payment", "restarts_lately"): 3.0, ("shop", "restarts_lately"): 0.0, ("shop", "pods_pending"): 0.0},
        {"restarts_lately"},
    ),
    "list_nodes": (
        [item("Node", "one", ready=True, pressures=[]), item("Node", "two", ready=False, pressures=["MemoryPressure"])],
        {("node/one", "node_ready"): 1.0, ("node/two", "node_ready"): 0.0, ("node/two", "node_pressures"): 1.0},
        {"node_ready", "node_pressures"},
    ),
    "get_connections": (
        [item("Connections", "pay", ratio=0.99)],
        {("database/pay", "connections_ratio"): 0.99},
        {"connections_ratio"},
    ),
    "list_locks": (
        [item("Lock", "orders", blocked_pid=n, blocking_pid=1, waited_s=70.5) for n in range(2, 14)],
        {("database/payments", "lock_waiters"): 12.0, ("database/payments", "lock_wait"): 70.5},
        {"lock_waiters", "lock_wait"},
    ),
    "get_replication": (
        [item("Replica", "east", lag_s=400.0), item("Replica", "west", lag_s=None)],
        {("database/east", "replication_lag"): 400.0},
        {"replication_lag"},
    ),
}


@pytest.mark.parametrize("tool", CASES)
async def test_typed_objects_are_counted_and_limits_speak_at_once(store: Store, tool: str) -> None:
    items, counted, told = CASES[tool]
    outcome, signals = await look(store, tool, Objects(items=tuple(items)))
    assert outcome == "succeeded"
    made = series_of(Objects(items=tuple(items)), tool, source="postgresql/payments", at=NOW, step_s=60) or ()
    values = {(one.service, one.metric): one.points[-1][1] for one in made}
    assert counted.items() <= values.items()
    assert {signal.metric for signal in signals} == told
    assert all(signal.kind == "limit" for signal in signals)


async def look(store: Store, tool: str, payload: Payload) -> tuple[str, list[Signal]]:
    """One tick of the default sweep of a tool."""
    clock, behaviour = Hands(), Behaviour(payload=payload)
    connector = DoubleConnector(name="double/main", behaviour=behaviour, clock=clock)
    connector.declare(source("double/main", tool).tools[0], connector.read_rows)
    execute = Execute({"double/main": (connector, Limits())}, clock=clock)
    anomalies = Anomalies(store=store, clock=clock)
    (sweep,) = defaults([source("double/main", tool)])
    outcome = await Sweeps([sweep], store=store, execute=execute, anomalies=anomalies, clock=clock).run(sweep)
    return outcome.outcome, [signal for one in anomalies.recent() for signal in one.signals]


@pytest.mark.parametrize("tool", ["list_locks", "list_pods", "get_connections"])
async def test_nothing_there_is_nothing_wrong(store: Store, tool: str) -> None:
    outcome, signals = await look(store, tool, Objects(items=()))
    assert (outcome, signals) == ("empty", [])


def test_pods_that_are_just_being_placed_are_left_alone() -> None:
    young, old = pod("a", "shop", phase="Pending", age_s=60), pod("b", "shop", phase="Pending", age_s=600)
    made = series_of(Objects(items=(young, old)), "list_pods", source="kubernetes/main", at=NOW, step_s=60) or ()
    assert {one.metric: one.points[0][1] for one in made} == {"restarts_lately": 0.0, "pods_pending": 1.0}


def test_objects_of_other_tools_and_strange_fields_are_not_counted() -> None:
    strange = item("Pod", "x", containers=[{"last_finished_at": "yesterday"}, 7], phase=None)
    assert series_of(Objects(items=(strange,)), "list_quotas", source="k/m", at=NOW, step_s=60) is None
    made = series_of(Objects(items=(strange,)), "list_pods", source="k/m", at=NOW, step_s=60) or ()
    assert [one.points[0][1] for one in made] == [0.0, 0.0]


# objectives


def signals_of(minutes: int, *, failing: int, ratio: float = 0.02) -> SeriesSet:
    """Steady traffic whose last `failing` minutes have errors."""
    times = [NOW - MINUTE * (minutes - n) for n in range(minutes)]
    errors = [ratio if n >= minutes - failing else 0.0 for n in range(minutes)]
    series = [
        Series(service="shop", metric="request_rate", step_s=60, points=tuple((at, 50.0) for at in times)),
        Series(service="shop", metric="error_ratio", step_s=60, points=tuple(zip(times, errors, strict=True))),
    ]
    return SeriesSet(series=tuple(series))


@pytest.mark.parametrize(
    ("failing", "told"),
    [(0, set()), (10, set()), (50, {("slo_burn_fast", "critical")}), (180, {("slo_burn_fast", "critical"),
                                                                           ("slo_burn_slow", "high")})],
)  # fmt: skip
async def test_a_budget_that_burns_is_told(store: Store, failing: int, told: set[tuple[str, str]]) -> None:
    clock = Hands()
    behaviour = Behaviour(payload=signals_of(400, failing=failing))
    connector = DoubleConnector(name="double/main", behaviour=behaviour, clock=clock)
    execute = Execute({"double/main": (connector, Limits(max_points=100_000))}, clock=clock)
    anomalies = Anomalies(store=store, clock=clock)
    objective = Objective(service="shop", availability=0.999)
    connector.declare(source("double/main", "get_service_signals").tools[0], connector.read_rows)
    sweep = with_objectives(Sweep(name="s", source="double/main", tool="get_service_signals"), [objective])
    await Sweeps([sweep], store=store, execute=execute, anomalies=anomalies, clock=clock).run(sweep)
    found = {(s.metric, s.severity.value) for one in anomalies.recent() for s in one.signals if s.kind == "limit"}
    assert found == told


def test_objectives_are_read_and_given_to_the_sweeps_of_signals(tmp_path: Path) -> None:
    path = tmp_path / "sweeps.yaml"
    path.write_text("sweeps: {}\nobjectives:\n  - {service: shop, availability: 0.999}\n")
    known = [source("prometheus/main", "get_service_signals"), source("kubernetes/main", "list_pods", "list_nodes")]
    sweeps = {sweep.tool: sweep for sweep in load_watching(path, {}, known).sweeps}
    assert {limit.metric for limit in sweeps["get_service_signals"].limits} >= {"slo_burn_fast", "slo_burn_slow"}
    assert not sweeps["list_pods"].objectives
    assert set(sweeps) == {"get_service_signals", "list_pods", "list_nodes"}
    assert sweeps["list_nodes"].limits[0].severity is Severity.HIGH
