"""The shop's tables on ClickHouse: orders, a table with too many parts, an endless view, a query log."""

from __future__ import annotations

from tests.support.servers.clickhouse import ClickhouseServer

READER = "inquest_reader"
PASSWORD = "r3ader-Pa55phrase-never-shown"
USERS: dict[str, dict[str, object]] = {
    READER: {"password": PASSWORD, "grants": [f"GRANT SELECT ON shop.* TO {READER}", f"GRANT SHOW ON *.* TO {READER}"]},
}

_SCHEMA = """
create database shop;
create table shop.customers (id UInt64, email String comment 'where to write') engine = MergeTree order by id;
create table shop.orders (id UInt64, customer_id UInt64, total Decimal(20, 4), note String, at DateTime64(3, 'UTC'))
  engine = MergeTree order by id partition by toYYYYMM(at);
create table shop.crowded (id UInt64) engine = MergeTree order by id
  settings merge_selector_base = 1000, parts_to_delay_insert = 5000, max_bytes_to_merge_at_max_space_in_pool = 1;
create view shop.slow as select count() as slept from numbers(1000000000000) where number % 7 = 3;
insert into shop.customers select number, concat('person', toString(number), '@example.com') from numbers(1, 50);
insert into shop.orders select number, 1 + number % 50, number * 1.25, concat('note ', toString(number)),
  toDateTime64('2026-11-20 10:00:00', 3, 'UTC') + number from numbers(1, 3000);
create table system.query_log (type String, event_date Date, event_time DateTime, query_duration_ms UInt64,
  query String, normalized_query_hash UInt64, user String, read_bytes UInt64, exception_code Int32, log_comment String)
  engine = Memory;
insert into system.query_log select 'QueryFinish', '2026-11-20', toDateTime('2026-11-20 10:00:00', 'UTC') + number * 60,
  if(number < 60, 10, 200), 'select * from orders where id = 7', 77, 'app', 1000, 0, '' from numbers(120)
"""


def prepare(server: ClickhouseServer) -> None:
    """Make everything above."""
    for statement in filter(str.strip, _SCHEMA.split(";\n")):
        server.run(statement)
    for number in range(305):
        server.run(f"insert into shop.crowded select {number}")


def fingerprint(server: ClickhouseServer) -> str:
    """Checksums of rows, and the catalog."""
    tables = server.run(
        "select database, name, engine, create_table_query from system.tables"
        " where database not in ('INFORMATION_SCHEMA', 'information_schema', 'system') order by 1, 2"
    )
    sums = [
        server.run(f"select count(), sum(cityHash64(*)) from shop.{name}")
        for name in ("customers", "orders", "crowded")
    ]
    return repr((tables, sums, server.run("show databases")))
