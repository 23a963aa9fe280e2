"""Fresh databases: an SQLite file, or a copy of a migrated PostgreSQL template."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from bot.store import Store, schema
from tests.support.servers import PostgresServer, require

Opener = Callable[..., Awaitable[Store]]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = require(PostgresServer)
    asyncio.run(_run(server, "CREATE DATABASE inquest_template"))
    schema.upgrade(address(server, "inquest_template"))
    yield server
    server.stop()


@pytest.fixture
async def postgres_url(postgres: PostgresServer) -> AsyncIterator[str]:
    name = f"t_{secrets.token_hex(6)}"
    await _run(postgres, f"CREATE DATABASE {name} TEMPLATE inquest_template STRATEGY file_copy")
    yield address(postgres, name)
    await _run(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def open_store(url: str) -> AsyncIterator[Opener]:
    """Opens stores on the test's database; each is closed at the end unless the test did."""
    opened: list[Store] = []

    async def open_one(*, workspace: str = "default") -> Store:
        store = await Store.open(url, workspace=workspace, create=True)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: Opener) -> Store:
    return await open_store()


def address(server: PostgresServer, database: str) -> str:
    return f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/{database}"


async def _run(server: PostgresServer, statement: str) -> None:
    link = await server.connect()
    try:
        await link.execute(statement)
    finally:
        await link.close()
