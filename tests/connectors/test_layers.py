"""The second wall alone: with the guard off, role, READ ONLY and the extended protocol let no write last."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Ask
from connectors.model import Limits, SystemClock
from connectors.mysql.config import MysqlConfig
from connectors.mysql.link import MysqlLink
from connectors.postgresql.config import PostgresqlConfig
from connectors.postgresql.link import PostgresLink
from tests.connectors import mysql_shop, shop
from tests.support.servers import MariadbServer, PostgresServer

pytestmark = pytest.mark.servers
CORPUS = Path(__file__).parents[1] / "guard" / "corpus.json"
QUICK = Limits(deadline_s=0.4, max_rows=20)
WRITES = (
    "update orders set total = 0", "delete from orders", "insert into customers values (99, 'x', null)",
    "drop table orders", "create table left_behind (id int)", "create temporary table t1 (id int)", "truncate orders",
    "with gone as (delete from orders returning *) select * from gone", "select lo_create(4711)",
    "select lo_from_bytea(4712, 'x')", "select nextval('pg_toast.x')", "commit; drop table orders",
    "set default_transaction_read_only = off", "set transaction read write", "reset all", "begin read write",
    "select set_config('default_transaction_read_only', 'off', false)", "select pg_advisory_lock(4711)",
    "alter role current_user set work_mem = '1GB'", "comment on table orders is 'x'", "select pg_notify('a', 'b')",
)  # fmt: skip


def attacks(dialect: str) -> list[str]:
    """Every attack of the corpus in this dialect, and writes of our own."""
    cases = json.loads(CORPUS.read_text())
    found = [case["query"] for case in cases if case["dialect"] == dialect and case["verdict"] == "refuse"]
    return [*found, *WRITES]


async def outcomes(link: Any, texts: list[str]) -> list[str]:
    """What each text came to, sent as the connector sends judged text, with no guard before it."""
    read = link.table if isinstance(link, PostgresLink) else link.answer
    found = []
    for text in texts:
        try:
            await read(text, Ask(None, QUICK, SystemClock()))
            found.append("ran")
        except Exception as error:  # noqa: BLE001  # every way a server may refuse is welcome here; what lasts is looked at below
            found.append(type(error).__name__)
    return found


async def test_no_write_of_the_corpus_lasts_on_postgresql(postgres: PostgresServer) -> None:
    config = PostgresqlConfig(
        host=postgres.host, port=postgres.port, database="postgres", username=shop.READER, password=shop.PASSWORD
    )
    link = PostgresLink(config, name="postgresql/shop")
    before = await shop.fingerprint(postgres)
    said = await outcomes(link, attacks("postgres"))
    again = await outcomes(link, ["update orders set total = 0", "create table left_behind (id int)"])
    await link.close()
    assert await shop.fingerprint(postgres) == before
    assert "ran" not in again
    assert said.count("ran") < len(said) / 2
    admin = await postgres.connect()
    held = await admin.fetchval("select count(*) from pg_locks where locktype = 'advisory'")
    await admin.close()
    assert held == 0


async def test_no_write_of_the_corpus_lasts_on_mariadb(mariadb: MariadbServer) -> None:
    config = MysqlConfig(
        host=mariadb.host, port=mariadb.port, database="shop", username=mysql_shop.READER, password=mysql_shop.PASSWORD
    )
    link = MysqlLink(config, name="mysql/shop")
    before = await mysql_shop.fingerprint(mariadb)
    async with asyncio.timeout(60):
        await outcomes(link, attacks("mysql"))
    again = await outcomes(link, ["update orders set total = 0", "create table left_behind (id int)"])
    await link.close()
    assert await mysql_shop.fingerprint(mariadb) == before
    assert "ran" not in again
