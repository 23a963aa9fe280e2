"""Discovery: what sources name is kept with first and last seen, also over restarts, and is one catalogue for all."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.access import Squad
from bot.services.catalogue import Catalogue, SourceInfo
from bot.services.execute import Execute
from bot.services.sweep_neighbours import Neighbourhood
from bot.store import Store
from bot.store.discovery import KnownMetric
from connectors.errors import Unavailable
from connectors.model import Edge, Limits, SchemaEntry, SourceSchema, Traces
from tests.support.doubles import Behaviour, DoubleConnector

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Hands:
    at = NOON

    def now(self) -> datetime:
        return self.at


class Naming(DoubleConnector):
    """Describes what it was told to; None: it does not answer."""

    schema: SourceSchema | None = None
    asked = 0

    async def describe(self) -> SourceSchema:
        self.asked += 1
        if self.schema is None:
            raise Unavailable("away")
        return self.schema


def names(*services: str, metrics: int = 0) -> SourceSchema:
    entries = tuple(SchemaEntry(name=f"m_{n}", kind="counter", description="counts") for n in range(metrics))
    return SourceSchema(entries=(*entries, SchemaEntry(name="shop", kind="namespace")), services=services)


class World:
    def __init__(self, store: Store) -> None:
        self.store, self.clock, self.behaviour = store, Hands(), Behaviour()
        self.source = Naming(name="double/main", behaviour=self.behaviour, clock=self.clock)
        self.execute = Execute({"double/main": (self.source, Limits())}, clock=self.clock)

    def catalogue(self) -> Catalogue:
        """As a new process makes it."""
        return Catalogue(
            execute=self.execute,
            infos=[SourceInfo("double/main", "double", "production")],
            squads=[Squad(name="payment", services=("pay",))],
            memory=self.store.discovery,
            clock=self.clock,
        )


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[World]:
    store = await Store.open(url, create=True)
    made = World(store)
    yield made
    await made.execute.close()
    await store.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(f"sqlite:///{tmp_path}/d.db") as made:
        yield made


@pytest.mark.servers
async def test_postgres_keeps_the_same(postgres_url: str) -> None:
    async with opened(postgres_url) as made:
        await test_first_seen_stays_and_last_seen_moves(made)


async def test_first_seen_stays_and_last_seen_moves(world: World) -> None:
    catalogue = world.catalogue()
    world.source.schema = names("pay", "shop", metrics=1_200)
    await catalogue.refresh()
    world.clock.at += timedelta(minutes=5)
    world.source.schema = names("pay", metrics=1)
    await catalogue.refresh()
    pay, shop = await catalogue.seen()
    assert (pay.first_seen_at, pay.last_seen_at) == (NOON, NOON + timedelta(minutes=5))
    assert (shop.first_seen_at, shop.last_seen_at) == (NOON, NOON)
    assert (pay.squad, shop.squad, pay.sources) == ("payment", None, ("double/main",))
    metrics = {one.name: one for one in await catalogue.metrics()}
    assert len(metrics) == 1_200, "a namespace is no metric, and what is gone is remembered"
    assert metrics["m_0"] == KnownMetric(
        "double/main", "m_0", "counter", "counts", (), NOON, NOON + timedelta(minutes=5)
    )


async def test_a_metric_that_nobody_named_for_thirty_days_is_forgotten(world: World) -> None:
    catalogue = world.catalogue()
    world.source.schema = names("pay", metrics=3)
    await catalogue.refresh()
    world.source.schema = names("pay", metrics=1)
    world.clock.at += timedelta(days=30)
    await catalogue.refresh()
    assert len(await catalogue.metrics()) == 3, "thirty days is not longer than thirty days"
    world.clock.at += timedelta(seconds=1)
    await catalogue.refresh()
    assert [one.name for one in await catalogue.metrics()] == ["m_0"]


async def test_a_restart_knows_the_services_before_a_source_answers(world: World) -> None:
    world.source.schema = names("pay", "shop")
    await world.catalogue().refresh()
    world.source.schema = None
    after = world.catalogue()
    await after.refresh()
    assert {service.name for service in (await after.setting()).services} == {"pay", "shop"}
    world.clock.at += timedelta(days=8)
    much_later = world.catalogue()
    await much_later.refresh()
    assert {service.name for service in (await much_later.setting()).services} == {"pay"}, "only what is configured"


async def test_one_description_serves_all_for_five_minutes(world: World) -> None:
    catalogue = world.catalogue()
    world.source.schema = names("pay")
    await catalogue.refresh()
    assert await catalogue.described("double/main") == world.source.schema
    assert world.source.asked == 1
    assert await catalogue.described("double/other") is None


async def test_who_calls_whom_is_kept(world: World) -> None:
    catalogue = world.catalogue()
    world.source.schema = names("pay", "shop")
    world.behaviour.payload = Traces(edges=(Edge(caller="shop", callee="pay", count=3),))
    read = next(tool for tool in world.source.tools() if tool.name == "read_rows")
    world.source.declare(read.model_copy(update={"name": "get_topology"}), world.source.read_rows)
    near = Neighbourhood(execute=world.execute, catalogue=catalogue, clock=world.clock)
    await near.refresh()
    await catalogue.refresh()
    assert set(near("pay")) == {"shop"}
    assert {one.name: one.calls for one in await catalogue.seen()} == {"pay": (), "shop": ("pay",)}
