"""How many variants of the attacks the real dialects parse: a variant nobody would run proves nothing.

usage: python -m tests.benchmarks.guard_parsers [--count 500] [--seed 1]
PostgreSQL and MariaDB prepare them on real servers, SQLite compiles them, ClickHouse's engine explains their syntax
(where `scripts/install-test-engines` was run), promql-parser and a JSON reader take theirs. For T-SQL and BigQuery no
real parser can be had here. Nothing is run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import shlex
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.benchmarks.guard_mutations import CORPUS, parsed_share
from tests.guard.mutations import variant

_MYSQL_SYNTAX = frozenset({1064, 1065, 1149})
# A dash dash is a comment in MySQL only when white space follows.
_STATEMENT = re.compile(r"(?:'(?:[^'\\]|''|\\.)*'|\"[^\"]*\"|`[^`]*`|/\*.*?\*/|--\s[^\n]*|[^;])+", re.DOTALL)
_COMMENTS = re.compile(r"/\*[^!M].*?\*/|/\*\*/|--\s[^\n]*", re.DOTALL)


def variants(dialect: str, count: int, seed: int) -> list[str]:
    """Attack variants as the long run makes them."""
    rng = random.Random(seed)
    cases = [case for case in json.loads(CORPUS.read_text()) if case["verdict"] == "refuse"]
    mine = [case for case in cases if case["dialect"] == dialect]
    return [variant(rng.choice(mine), rng, nesting=True) for _ in range(count)]


def _share(texts: Sequence[str], parses: Callable[[str], bool]) -> float:
    return sum(map(parses, texts)) / max(1, len(texts))


def _sqlite(text: str) -> bool:
    """Compiled, not run. Several statements are syntax SQLite's own shell takes one by one."""
    database = sqlite3.connect(":memory:")
    try:
        database.execute(f"EXPLAIN {text}")
    except sqlite3.Warning:
        return True
    except sqlite3.Error as error:
        words = str(error)
        return not any(mark in words for mark in ("syntax error", "incomplete input", "unrecognized token"))
    finally:
        database.close()
    return True


def _json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _promql(text: str) -> bool:
    """A query; the attacks on the query API itself are requests, written as JSON."""
    import promql_parser

    try:
        promql_parser.parse(text)
    except ValueError:
        return _json(text)
    return True


def _words(text: str) -> bool:
    try:
        return bool(shlex.split(text))
    except ValueError:
        return False


def _statements(text: str) -> list[str]:
    """The statements a server that takes several at once reads: it parses each when its turn comes."""
    parts = [match[0] for match in _STATEMENT.finditer(text)]
    return [part for part in parts if _COMMENTS.sub("", part).strip()] or [text]


async def _mariadb(texts: Sequence[str]) -> float:
    from asyncmy.errors import MySQLError

    from tests.support.servers import MariadbServer
    from tests.support.servers.mariadb import run

    server = MariadbServer()
    parsed = 0
    try:
        admin = await server.connect()
        for text in texts:
            refused = False
            for statement in _statements(text):
                quoted = statement.replace("\\", "\\\\").replace("'", "\\'")
                try:
                    await run(admin, f"prepare attack from '{quoted}'")
                except MySQLError as error:
                    refused |= int(error.args[0]) in _MYSQL_SYNTAX
            parsed += not refused
        admin.close()
    finally:
        server.stop()
    return parsed / max(1, len(texts))


def _clickhouse(texts: Sequence[str]) -> float | None:
    from tests.support.servers import ClickhouseServer
    from tests.support.servers.process import MissingServer

    try:
        server = ClickhouseServer()
    except MissingServer:
        return None
    refused = 0
    try:
        for text in texts:
            try:
                server.run(f"EXPLAIN AST {text}")
            except RuntimeError as error:
                refused += "Syntax error" in str(error) or "SYNTAX_ERROR" in str(error)
    finally:
        server.stop()
    return 1 - refused / max(1, len(texts))


async def _postgres(texts: Sequence[str]) -> float:
    from tests.support.servers import PostgresServer

    server = PostgresServer()
    try:
        return await parsed_share(texts, f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/")
    finally:
        server.stop()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    local = {"sqlite": _sqlite, "elasticsearch": _json, "mongodb": _json, "promql": _promql, "kubernetes": _words}

    def of(dialect: str) -> list[str]:
        return variants(dialect, arguments.count, arguments.seed)

    found: dict[str, float | None] = {dialect: _share(of(dialect), parses) for dialect, parses in local.items()}
    queries = [text for text in of("promql") if not _json(text)]
    found["promql, queries alone"] = _share(queries, _promql)
    found["postgres"] = asyncio.run(_postgres(of("postgres")))
    found["mysql"] = asyncio.run(_mariadb(of("mysql")))
    with suppress(OSError):
        found["clickhouse"] = _clickhouse(of("clickhouse"))
    rounded = {dialect: None if share is None else round(share, 3) for dialect, share in found.items()}
    print(json.dumps({"count_each": arguments.count, "parsed_share": rounded}))


if __name__ == "__main__":
    main()
