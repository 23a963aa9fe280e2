"""What a query of a million rows costs in memory, against real servers.

usage: python -m tests.benchmarks.transport_rows [--only NAME] [--rows N]
Every case runs in a process of its own with a server of its own: PostgreSQL, MariaDB, ClickHouse's engine where
`scripts/install-test-engines` was run, and DuckDB over a CSV file (an engine inside the process, so
its own memory counts).
Both with the usual row cap and with one that lets the byte cap decide.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from connectors.model import Limits, SystemClock, ToolCall
from connectors.registry import connector_class
from tests.benchmarks.transport_memory import measured

FILLER = "x" * 100


def _connector(kind: str, **settings: Any) -> Any:
    cls = connector_class(kind)
    return cls(name=f"{kind}/big", config=cls.Config(**settings), environment="production", clock=SystemClock())


async def _ask(connector: Any, sql: str, rows: int) -> dict[str, object]:
    call = ToolCall(connector=connector.name, tool="run_query", arguments={"sql": sql}, window=None)
    await measured(connector, call.model_copy(update={"arguments": {"sql": f"{sql} limit 1"}}), Limits())  # imports
    usual = await measured(connector, call, Limits(deadline_s=120))
    loose = await measured(connector, call, Limits(deadline_s=120, max_rows=rows))
    return {"usual limits": usual, f"max_rows {rows:,}": loose}


async def postgresql(rows: int) -> dict[str, object]:
    from tests.support.servers import PostgresServer

    server = PostgresServer()
    try:
        admin = await server.connect()
        await admin.execute(f"create table big as select g as id, '{FILLER}' as note from generate_series(1, {rows}) g")
        await admin.execute("create role reader login password 'reader-Pa55phrase'; grant select on big to reader")
        await admin.close()
        settings = {"host": server.host, "port": server.port, "database": "postgres", "username": "reader"}
        connector = _connector("postgresql", password="reader-Pa55phrase", **settings)
        return await _ask(connector, "select id, note from big", rows)
    finally:
        server.stop()


async def mysql(rows: int) -> dict[str, object]:
    from tests.support.servers import MariadbServer
    from tests.support.servers.mariadb import run

    server = MariadbServer()
    try:
        admin = await server.connect()
        for sql in (
            "create database big",
            "use big",
            f"create table big.big as select seq as id, '{FILLER}' as note from seq_1_to_{rows}",
            "create user reader@'%' identified by 'reader-Pa55phrase'",
            "grant select on big.* to reader@'%'",
        ):
            await run(admin, sql)
        admin.close()
        connector = _connector(
            "mysql", host=server.host, port=server.port, database="big", username="reader", password="reader-Pa55phrase"
        )
        return await _ask(connector, "select id, note from big", rows)
    finally:
        server.stop()


async def clickhouse(rows: int) -> dict[str, object]:
    from tests.support.servers import ClickhouseServer

    server = ClickhouseServer()
    try:
        connector = _connector(
            "clickhouse", url=server.url, database="default", username=server.user, password=server.password
        )
        server.run(
            f"create table default.big engine = MergeTree order by id as "
            f"select number as id, '{FILLER}' as note from numbers({rows})"
        )
        return await _ask(connector, "select id, note from big", rows)
    finally:
        server.stop()


async def files(rows: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "big.csv").open("w") as out:
            out.write("id,note\n")
            out.writelines(f"{n},{FILLER}\n" for n in range(rows))
        connector = _connector("files", root=folder)
        return await _ask(connector, "select id, note from big", rows)


CASES: dict[str, Callable[[int], Awaitable[dict[str, object]]]] = {
    "postgresql": postgresql, "mysql": mysql, "clickhouse": clickhouse, "files": files,
}  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(CASES), default=None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--child", choices=sorted(CASES), default=None)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(asyncio.run(CASES[arguments.child](arguments.rows))))  # type: ignore[arg-type]
        return
    for kind in (arguments.only,) if arguments.only else CASES:
        command = [sys.executable, "-m", "tests.benchmarks.transport_rows", "--child", kind, "--rows"]
        done = subprocess.run([*command, str(arguments.rows)], capture_output=True, text=True, timeout=600, check=False)
        print(kind, done.stdout.strip() or done.stderr[-300:], flush=True)


if __name__ == "__main__":
    main()
