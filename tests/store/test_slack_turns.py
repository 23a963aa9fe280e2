"""Processes that speak to one Slack keep its limits together: each has a limiter of its own over one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from bot.slack.publisher.limiter import Limiter, Priority
from bot.slack.publisher.shared import SharedTurns
from bot.slack.publisher.windows import PER_MINUTE
from bot.store import Store
from bot.store.turns import Quota

EDIT = "chat.update"
ALL = PER_MINUTE[EDIT]


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def pair(url: str) -> AsyncIterator[list[Store]]:
    """The stores of two processes on PostgreSQL; on SQLite, which has one process, its store twice."""
    first = await Store.open(url, create=True)
    second = first if url.startswith("sqlite") else await Store.open(url)
    yield [first, second]
    for store in {first, second}:
        await store.close()


@pytest.fixture
def sqlite_url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/inquest.db"


both = pytest.mark.parametrize(
    "url", ["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.servers)], indirect=True
)


def limiter(store: Store) -> Limiter:
    return Limiter(shared=SharedTurns(store.turns))


def asked(limiter: Limiter, count: int, priority: Priority = Priority.REPORT) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(limiter.turn(EDIT, "C1", priority)) for _ in range(count)]


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def granted(tasks: list[asyncio.Task[None]], count: int) -> int:
    """How many of them have their turn, looked at once at least `count` have."""
    async with asyncio.timeout(20):
        while sum(task.done() for task in tasks) < count:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    return sum(task.done() for task in tasks)


@both
async def test_two_limiters_together_never_pass_a_tier(pair: list[Store]) -> None:
    tasks = [task for store in pair for task in asked(limiter(store), ALL - 5)]
    assert await granted(tasks, ALL) == ALL
    await ended(tasks)


@both
async def test_what_was_kept_for_reports_is_kept_from_the_others_progress(pair: list[Store]) -> None:
    first, second = map(limiter, pair)
    progress = asked(first, ALL, Priority.PROGRESS)
    share = await granted(progress, int(ALL * 0.75))
    assert share == int(ALL * 0.75)
    more = asked(second, 1, Priority.PROGRESS)
    reports = asked(second, 3, Priority.REPORT)
    assert await granted(reports, 3) == 3
    assert not more[0].done()
    await ended([*progress, *more, *reports])


@both
async def test_a_retry_after_that_one_is_told_holds_the_other_back(pair: list[Store]) -> None:
    first, second = map(limiter, pair)
    ready = asked(second, 1)
    assert await granted(ready, 1) == 1
    await first.close(EDIT, "", 30)
    held = [*asked(second, 1), asyncio.create_task(limiter(pair[1]).turn(EDIT, "C1", Priority.CLICK))]
    other = asyncio.create_task(second.turn("chat.delete", "C1", Priority.CLICK))
    assert await granted([other], 1) == 1
    assert not any(task.done() for task in held)
    if not pair[1].alone:  # a call that had its turn before asks once more right before it goes out
        going = asyncio.create_task(second.opened(EDIT, ""))
        assert not (await asyncio.wait({going}, timeout=0.3))[0]
        held.append(going)
    await ended(held)


@both
async def test_without_the_database_each_keeps_the_limits_alone(pair: list[Store]) -> None:
    alone = limiter(pair[0])
    await pair[0].close()
    tasks = asked(alone, ALL + 3)
    assert await granted(tasks, ALL) == ALL
    await ended(tasks)


@pytest.mark.servers
async def test_a_turn_given_up_while_the_database_was_asked_is_given_back(postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    link = await asyncpg.connect(postgres_url)
    shared = SharedTurns(store.turns)
    one = Limiter(shared=shared)
    await one.turn(EDIT, "", Priority.CLICK)
    async with link.transaction():
        await link.execute("SELECT * FROM turns FOR UPDATE")
        waiting = asked(one, 1, Priority.CLICK)
        await asyncio.sleep(0.2)
        await ended(waiting)
    await one.settled()
    left = [await store.turns.take([Quota(bucket=EDIT, limit=ALL, span_s=60)]) for _ in range(ALL)]
    assert sum(taken.at is not None for taken in left) == ALL - 1
    await link.close()
    await store.close()
