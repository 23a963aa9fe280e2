"""Retention and seals together: what went lawfully is no alarm, and everything else still is."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.events import EventKind
from bot.domain.ids import investigation_stream
from bot.services.audit import Seals
from bot.services.forgotten import STREAM as FAREWELLS
from bot.services.retention import Retention
from bot.store import Store
from tests.remediation.plant import Clock
from tests.store.samples import NOON, created, event, moved

KEY = b"a key that the database does not know"
OLD, YOUNG = (investigation_stream(name) for name in ("inv_old", "inv_young"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/inquest.db", create=True)
    yield opened
    await opened.close()


async def ended(store: Store, stream: str) -> None:
    await store.append(stream, expected_seq=0, events=created())
    said = event(EventKind.GUIDANCE_GIVEN, {"text": "look at the pool"})
    more = [said, event(EventKind.CANCEL_REQUESTED), moved("cancelled")]
    await store.append(stream, expected_seq=2, events=more)


def seals(folder: Path, clock: Clock) -> Seals:
    return Seals(folder / "apart" / "seals.jsonl", KEY, workspace="default", clock=clock)


def retention(store: Store, clock: Clock, key: bytes | None = KEY) -> Retention:
    return Retention(store=store, clock=clock, name="one", keep_days=30, workspace="default", key=key)


def later() -> Clock:
    """A month after the samples."""
    clock = Clock()
    clock.ahead = NOON + timedelta(days=31) - clock.now()
    return clock


async def test_what_was_forgotten_is_no_alarm_and_its_farewell_is_sealed(store: Store, tmp_path: Path) -> None:
    clock = later()
    await ended(store, OLD)
    await seals(tmp_path, clock).add(store)
    assert await retention(store, clock).forget() == 1
    assert await store.read(OLD) == []
    assert await store.broken_links() == []
    assert await seals(tmp_path, clock).broken_links(store) == []
    assert await seals(tmp_path, clock).add(store) == 1, "the farewell itself"
    assert await retention(store, clock).forget() == 0


async def test_a_stream_that_somebody_deleted_is_an_alarm_all_the_same(store: Store, tmp_path: Path) -> None:
    clock = later()
    await ended(store, OLD)
    await ended(store, YOUNG)
    await seals(tmp_path, clock).add(store)
    (end,) = [one for one in await store.forgettable(clock.now(), limit=9) if one.stream == OLD]
    assert await retention(store, clock).forget() == 2
    await ended(store, YOUNG)
    await seals(tmp_path, clock).add(store)
    await delete(store, tmp_path, "DELETE FROM investigation_events WHERE stream = ? AND seq > 3", YOUNG)
    assert [link.stream for link in await store.broken_links()] == [YOUNG], "a tail that was cut"
    await delete(store, tmp_path, "DELETE FROM investigation_events WHERE stream = ?", FAREWELLS)
    await delete(store, tmp_path, "DELETE FROM chain_heads WHERE stream = ?", FAREWELLS)
    broken = {link.stream: link.seq for link in await seals(tmp_path, clock).broken_links(store)}
    assert broken[OLD] == end.seq
    assert {OLD, FAREWELLS} <= set(broken), "without the farewell nothing vouches for what is gone"


async def test_a_farewell_without_the_key_vouches_for_nothing(store: Store, tmp_path: Path) -> None:
    clock = later()
    await ended(store, OLD)
    await seals(tmp_path, clock).add(store)
    assert await retention(store, clock, key=b"a key of somebody who can write to the database").forget() == 1
    (broken,) = await seals(tmp_path, clock).broken_links(store)
    assert broken.stream == OLD
    assert "not with the key of the seals" in broken.why


async def delete(store: Store, folder: Path, statement: str, stream: str) -> None:
    """Somebody with access to the file was there."""
    with sqlite3.connect(folder / "inquest.db") as link:
        link.execute(statement, (stream,))
