"""From an address to an open database at the right schema."""

from __future__ import annotations

import asyncio

from bot.store import schema
from bot.store.backend import Backend
from bot.store.postgres import PostgresBackend
from bot.store.signals import Signals
from bot.store.sqlite import SqliteBackend
from bot.store.urls import is_sqlite, parse_url


async def open_backend(url: str, *, signals: Signals, create: bool, redis_url: str = "") -> Backend:
    """SchemaOutdated unless the schema is the one needed; `create` lays it in an empty database first."""
    parsed = parse_url(url)
    backend: Backend
    if is_sqlite(parsed):
        backend = SqliteBackend(parsed)
    else:
        backend = PostgresBackend(parsed, signals=signals, redis_url=redis_url)
    try:
        await backend.start()
        revision = await backend.read(schema.current_revision)
        if revision is None and create:
            await asyncio.to_thread(schema.upgrade, url)
            revision = await backend.read(schema.current_revision)
        schema.require_current(revision)
    except BaseException:
        await backend.close()
        raise
    return backend
