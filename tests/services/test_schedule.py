"""The schedule follows what people make, change, pause and want to run now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bot.schedule import Schedule
from bot.services.execute import Execute
from bot.services.sweep import Sweeps
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_model import Sweep
from bot.store import Store
from connectors.model import Limits, Series, SeriesSet, SystemClock
from tests.support.doubles import Behaviour, DoubleConnector


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.02)


async def test_jobs_are_those_that_are_defined_now(tmp_path: Path) -> None:
    clock = SystemClock()
    store = await Store.open(f"sqlite:///{tmp_path}/s.db", create=True)
    connector = DoubleConnector(name="double/main", behaviour=Behaviour(), clock=clock)
    execute = Execute({"double/main": (connector, Limits())}, clock=clock)
    first = Sweep(name="first", source="double/main", tool="read_rows", every_s=3_600)
    anomalies = Anomalies(store=store, clock=clock)
    sweeps = Sweeps([], store=store, execute=execute, anomalies=anomalies, clock=clock)
    schedule = Schedule(sweeps=sweeps, store=store, clock=clock, worker="w1")
    schedule.start()
    await until(lambda: schedule.holds)

    sweeps.replace([first])
    schedule.sync()
    await until(lambda: sweeps.last("first"))
    ran = sweeps.last("first")
    await schedule.run_now("first")
    await until(lambda: sweeps.last("first") is not ran)

    paused, second = first.model_copy(update={"enabled": False}), first.model_copy(update={"name": "second"})
    sweeps.replace([paused, second])
    schedule.sync()
    await until(lambda: sweeps.last("second"))
    ran = sweeps.last("first")
    await schedule.run_now("first")
    assert sweeps.last("first") is not ran, "one that is paused runs once when somebody wants it"
    await schedule.run_now("no such sweep")
    await schedule.stop()
    assert not schedule.holds
    await execute.close()
    await store.close()


async def test_another_query_is_learned_anew_and_a_pause_forgets_nothing(tmp_path: Path) -> None:
    clock = SystemClock()
    store = await Store.open(f"sqlite:///{tmp_path}/s.db", create=True)
    series = Series(metric="queue_depth", step_s=60, points=((clock.now(), 3.0),))
    behaviour = Behaviour(payload=SeriesSet(series=(series,)))
    execute = Execute(
        {"double/main": (DoubleConnector(name="double/main", behaviour=behaviour), Limits())}, clock=clock
    )
    anomalies = Anomalies(store=store, clock=clock)
    sweep = Sweep(name="s", source="double/main", tool="read_rows")
    sweeps = Sweeps([sweep], store=store, execute=execute, anomalies=anomalies, clock=clock)
    await sweeps.run(sweep)
    learned = sweeps.watch("s")
    assert learned is not None
    sweeps.replace([sweep.model_copy(update={"enabled": False})])
    assert sweeps.watch("s") is learned
    sweeps.replace([sweep.model_copy(update={"arguments": {"number": 2}})])
    assert sweeps.watch("s") is None
    await execute.close()
    await store.close()
