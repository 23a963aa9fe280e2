"""Migrations on both databases: up, no drift, down again; and from an installed package."""

from __future__ import annotations

import asyncio
import re
import secrets
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from bot.errors import InvalidConfiguration, SchemaOutdated
from bot.store import schema
from tests.support.servers import PostgresServer, require


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    started = require(PostgresServer)
    yield started
    started.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/inquest.db"
    server: PostgresServer = request.getfixturevalue("server")
    name = f"m_{secrets.token_hex(6)}"
    asyncio.run(_make(server, name))
    return f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/{name}"


async def _make(server: PostgresServer, name: str) -> None:
    link = await server.connect()
    await link.execute(f"CREATE DATABASE {name}")
    await link.close()


def test_up_is_what_the_tables_say_and_down_leaves_nothing(url: str) -> None:
    schema.upgrade(url)
    schema.upgrade(url)
    assert (schema.current(url), schema.check(url)) == (schema.HEAD, [])
    schema.downgrade(url, "base")
    assert schema.current(url) is None
    missing = [line for line in schema.check(url) if line.startswith("add_table")]
    assert len(missing) == len(schema.TABLE_NAMES)
    schema.upgrade(url)
    assert schema.check(url) == []


def test_a_drift_is_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    schema.upgrade(url)
    with sqlite3.connect(tmp_path / "x.db") as link:
        link.execute("ALTER TABLE outbox ADD COLUMN extra TEXT")
        link.execute("DROP INDEX ix_evidence_stream")
        link.execute("CREATE TABLE somebody_elses (id INTEGER)")
    found = "\n".join(schema.check(url))
    assert re.search(r"remove_column .*outbox.*extra", found)
    assert "ix_evidence_stream" in found
    assert "somebody_elses" not in found


def test_the_head_named_in_code_is_the_head_of_the_scripts() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(resources.files("migrations")))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.HEAD]
    assert [s.revision for s in scripts.walk_revisions()][::-1] == list(schema.REVISIONS)


@pytest.mark.parametrize(("revision", "words"), [(None, "no Inquest tables"), ("0000x", "newer"), (schema.HEAD, None)])
def test_a_schema_that_does_not_fit_is_told(revision: str | None, words: str | None) -> None:
    if words is None:
        schema.require_current(revision)
        return
    with pytest.raises(SchemaOutdated, match=words) as caught:
        schema.require_current(revision)
    assert "inquest release" in str(caught.value)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://root:pw@h/x", "sqlite://", "sqlite:///:memory:"])
def test_addresses_that_cannot_be_the_store_are_refused(url: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        schema.upgrade(url)
    assert "pw" not in str(caught.value)


def test_every_table_has_a_workspace() -> None:
    from bot.store.rows import table

    assert all("workspace" in table(name).c for name in schema.TABLE_NAMES)
