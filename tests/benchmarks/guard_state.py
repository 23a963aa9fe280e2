# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""State proof: what the PostgreSQL guard accepts runs as superuser, read-write, and nothing changes.

usage: python -m tests.benchmarks.guard_state [--count 20000] [--seed 1]
Starts its own PostgreSQL on a temporary directory and unix socket (as user postgres when run by root), takes a
fingerprint of tables, catalog, sequences, large objects, settings, locks, slots and files, runs the accepted
queries of the corpus and generated SELECTs, and compares.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import pwd
import random
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.guards import Allowed, guard

BIN = Path("/usr/lib/postgresql/15/bin")
CORPUS = Path(__file__).parents[1] / "guard" / "corpus.json"
SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, status text, total numeric, created_at timestamptz DEFAULT now(),
  updated_at timestamptz, note text, customer_id int, payload jsonb, items jsonb);
CREATE TABLE customers (id int, email text); CREATE TABLE order_flags (order_id int, is_deleted bool, set_at timestamptz,
  lock_version int, grant_total int); CREATE TABLE table_stats (update_count int, delete_count int,
  "delete" int, "update" int);
INSERT INTO orders (status, total, note, customer_id, payload, items)
  SELECT 'failed', g, 'n' || g, g % 5, '{"a": 1}', '[1, 2]' FROM generate_series(1, 200) g;
INSERT INTO customers VALUES (1, 'a@example.com'); CREATE SEQUENCE spare; SELECT lo_from_bytea(4242, 'x');
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
"""
FINGERPRINT = """
SELECT string_agg(part, '|' ORDER BY part) FROM (
  SELECT 'rows' || md5(string_agg(o::text, ',' ORDER BY id)) AS part FROM orders o
  UNION ALL SELECT 'class' || md5(string_agg(relname::text || relkind::text || coalesce(relacl::text, ''), ',' ORDER BY oid))
    FROM pg_class
  UNION ALL SELECT 'proc' || count(*) FROM pg_proc UNION ALL SELECT 'ext' || count(*) FROM pg_extension
  UNION ALL SELECT 'role' || md5(string_agg(a::text, ',' ORDER BY oid)) FROM pg_authid a
  UNION ALL SELECT 'seq' || last_value::text || is_called::text FROM spare UNION ALL SELECT 'oseq' || last_value FROM orders_id_seq
  UNION ALL SELECT 'lo' || md5(string_agg(l::text, ',' ORDER BY loid, pageno)) FROM pg_largeobject l
  UNION ALL SELECT 'set' || md5(string_agg(name || coalesce(setting, ''), ',' ORDER BY name)) FROM pg_settings
  UNION ALL SELECT 'lock' || count(*) FROM pg_locks WHERE locktype = 'advisory'
  UNION ALL SELECT 'slot' || count(*) FROM pg_replication_slots UNION ALL SELECT 'conf' || pg_conf_load_time()
  UNION ALL SELECT 'prep' || count(*) FROM pg_prepared_statements
  UNION ALL SELECT 'listen' || count(*) FROM pg_listening_channels()
) p
"""


SIGNATURES = """
SELECT proname, ARRAY(SELECT typname::text FROM unnest(proargtypes) a JOIN pg_type t ON t.oid = a) AS types FROM pg_proc
WHERE pronargs <= 4 ORDER BY oid
"""


@contextmanager
def server() -> Iterator[tuple[Path, str]]:
    """A PostgreSQL of our own; yields its data directory and the socket directory."""
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        data, user = home / "data", "postgres" if account is not None else None
        _run([BIN / "initdb", "-D", data, "-A", "trust", "-U", "postgres"], user)
        options = f"-k {home} -c listen_addresses= -c fsync=off "
        options += "-c shared_preload_libraries=pg_stat_statements -c autovacuum=off"
        _run([BIN / "pg_ctl", "-D", data, "-o", options, "-w", "-l", home / "log", "start"], user)
        try:
            yield data, str(home)
        finally:
            _run([BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop"], user)


def _run(command: list[Any], user: str | None) -> None:
    subprocess.run([str(word) for word in command], check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")


VALUES = {
    "int4": ["id", "1", "7", "customer_id"], "int8": ["id", "2"], "int2": ["1::int2"], "text": ["status", "note", "'abc'", "'a,b'"],
    "numeric": ["total", "1.5"], "float8": ["0.5", "total::float8"], "bool": ["true", "id > 5"], "oid": ["'orders'::regclass"],
    "timestamptz": ["created_at", "now()"], "timestamp": ["now()::timestamp"], "date": ["current_date"], "interval": ["interval '1 h'"],
    "jsonb": ["payload", "items"], "json": ["payload::json"], "regclass": ["'orders'::regclass", "'spare'::regclass"],
    "name": ["'orders'::name"], "anyelement": ["id", "status"], "anyarray": ["ARRAY[1, 2]"], "_text": ["ARRAY['a', 'b']"], "bytea": ["'ab'::bytea"],
    "any": ["id", "note"], "anycompatible": ["id"], "anycompatiblearray": ["ARRAY[1, 2]"], "tsvector": ["to_tsvector(note)"], "record": ["orders"],
    "tsquery": ["to_tsquery('a')"], "jsonpath": ["'$.a'::jsonpath"], "inet": ["'10.0.0.1'::inet"], "varbit": ["B'101'::varbit"], "bit": ["B'101'"],
}  # fmt: skip
SHAPES = [
    "SELECT {} FROM orders LIMIT 3", "SELECT id FROM orders WHERE {} IS NOT NULL LIMIT 3", "SELECT * FROM orders, {} AS f LIMIT 3",
    "SELECT id FROM orders ORDER BY {} LIMIT 3", "SELECT x.* FROM orders, LATERAL (SELECT {} AS v) x LIMIT 3",
    "SELECT CASE WHEN id > 5 THEN {} END FROM orders LIMIT 3", "WITH c AS (SELECT {} AS v FROM orders LIMIT 3) SELECT * FROM c",
    "SELECT {} OVER (ORDER BY id) FROM orders LIMIT 3", "SELECT {} FROM orders GROUP BY id LIMIT 3",
]  # fmt: skip


def generated(rng: random.Random, signatures: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A SELECT that calls one random function of the server, listed by the guard or not, with fitting arguments."""
    name, types = rng.choice(signatures)
    arguments = [rng.choice(VALUES.get(kind, ["NULL", "'a'"])) for kind in types]
    return rng.choice(SHAPES).replace("{}", f"{name}({', '.join(arguments)})")


def files(data: Path) -> str:
    """Names of the files of the data directory, without those the server itself turns over."""
    skip = ("pg_wal", "pg_stat_tmp", "pgsql_tmp", "pg_stat", "pg_internal.init", "pg_subtrans", "pg_xact")
    names = sorted(
        str(path.relative_to(data)) for path in data.rglob("*") if not any(part in str(path) for part in skip)
    )
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


async def prove(data: Path, host: str, count: int, seed: int) -> dict[str, object]:
    """Run everything and return the figures."""
    import asyncpg

    connection = await asyncpg.connect(host=host, user="postgres", database="postgres", statement_cache_size=0)
    watcher = await asyncpg.connect(host=host, user="postgres", database="postgres")
    heard: list[str] = []
    await watcher.add_listener("deploys", lambda *parts: heard.append(str(parts[-1])))
    await connection.execute(SCHEMA)
    await connection.execute("SET statement_timeout = '2s'")
    before, files_before = await connection.fetchval(FINGERPRINT), files(data)
    xid_before = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    rng = random.Random(seed)
    found = await connection.fetch(SIGNATURES)
    signatures = [(row["proname"], row["types"]) for row in found]
    texts = [case["query"] for case in json.loads(CORPUS.read_text()) if case["dialect"] == "postgres"]
    accepted = ran = drawn = 0
    while accepted < count:
        text = texts.pop() if texts else generated(rng, signatures)
        drawn += 1
        answer = guard(text, dialect="postgres")
        if not isinstance(answer, Allowed):
            continue
        accepted += 1
        try:
            await connection.fetch(answer.text)
            ran += 1
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError, OverflowError):
            continue
    after, files_after = await connection.fetchval(FINGERPRINT), files(data)
    xid_after = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    await connection.close()
    await watcher.close()
    return {
        "changed": sorted(set(str(after).split("|")) - set(str(before).split("|"))),
        "drawn": drawn, "accepted": accepted, "ran_without_error": ran, "fingerprint_unchanged": before == after,
        "files_unchanged": files_before == files_after, "xid_unchanged": xid_before == xid_after, "notifications": len(heard),
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with server() as (data, host):
        print(json.dumps(asyncio.run(prove(data, host, arguments.count, arguments.seed))))


if __name__ == "__main__":
    main()
