"""Both databases hold the same rows after the same run, whichever way an append was written."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from bot.domain.events import EventKind
from bot.errors import StoreBusy
from bot.store import Store, schema
from bot.store.gathering import Gathered
from bot.store.rows import table
from tests.store.log_contract import STREAM, whole_run
from tests.store.samples import NOON, event, moved

_OWN_CLOCK = {"holder", "lease_until"}


class Noon:
    def now(self) -> datetime:
        return NOON


async def all_rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table after a run with a claim, a failure, a retry and a shorter ranking."""
    store = await Store.open(url, clock=Noon(), create=True)
    appended = await whole_run(store)
    again = [moved("failed"), moved("retrying"), event(EventKind.HYPOTHESIS_RANKED, {"hypotheses": []})]
    await store.append(STREAM, expected_seq=appended.investigation.seq, events=again)
    grant = event(EventKind.ROLE_GRANTED, {"principal_id": "U1", "role": "admin", "squad": None})
    await store.append("access", expected_seq=0, events=[grant])
    rows = await store._backend.read(_rows)
    await store.close()
    return rows


def _rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name in sorted(schema.TABLE_NAMES):
        target = table(name)
        ordered = select(target).order_by(*target.primary_key.columns)
        found[name] = [
            {key: value for key, value in row.items() if key not in _OWN_CLOCK}
            for row in connection.execute(ordered).mappings()
        ]
    return found


@pytest.mark.servers
async def test_both_databases_hold_the_same_rows(postgres_url: str, tmp_path: Path) -> None:
    on_sqlite = await all_rows(f"sqlite:///{tmp_path}/inquest.db")
    on_postgres = await all_rows(postgres_url)
    assert on_postgres == on_sqlite
    filled = {name for name, rows in on_sqlite.items() if rows}
    assert filled == {
        "role_bindings",
        "chain_heads",
        "deliveries",
        "evidence",
        "findings",
        "investigation_events",
        "investigations",
        "outbox",
        "tool_executions",
        "investigation_phases",
    }


async def test_questions_at_the_same_moment_are_put_as_one() -> None:
    asked: list[list[str]] = []
    gate = asyncio.Event()

    async def ask(keys: Any) -> dict[str, int]:
        asked.append(list(keys))
        await gate.wait()
        if "bad" in keys:
            raise StoreBusy("not now")
        return {key: len(key) for key in keys if key != "unknown"}

    gathered: Gathered[str, int] = Gathered(ask)
    first = asyncio.create_task(gathered.get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(gathered.get(key)) for key in ("bb", "a", "bb", "unknown")]
    await asyncio.sleep(0)
    gate.set()
    assert [await first, *[await one for one in later]] == [1, 2, 1, 2, None]
    assert asked == [["a"], ["bb", "a", "unknown"]]
    with pytest.raises(StoreBusy):
        await gathered.get("bad")
    assert await gathered.get("ccc") == 3
