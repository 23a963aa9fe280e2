"""The shop's database on MariaDB: tables, indexes of every kind of trouble, a read-only account, a slow view."""

from __future__ import annotations

from tests.support.servers.mariadb import MariadbServer, run

READER = "inquest_reader"
PASSWORD = "r3ader-Pa55phrase-never-shown"
WRITER = "app_writer"
WRITER_PASSWORD = "writer-Pa55phrase"
LINES = 3_000

_SCHEMA = f"""
create database shop character set utf8mb4;
use shop;
create user {READER}@'%' identified by '{PASSWORD}';
create user {WRITER}@'%' identified by '{WRITER_PASSWORD}';
create table shop.customers (id bigint primary key, email varchar(200) not null, about json)
  comment 'People who buy';
create table shop.orders (id bigint primary key, customer_id bigint not null references customers (id),
  total decimal(20, 4), note varchar(200));
create index orders_note_one on shop.orders (note);
create index orders_note_two on shop.orders (note);
create table shop.secrets_of_others (id int);
create table shop.nearly_full (id tinyint unsigned auto_increment primary key, x int) engine=aria;
create table shop.wide (id int primary key, cell longtext, raw longblob);
create view shop.slow as select sleep(30) as slept;
insert into shop.customers select seq, concat('person', seq, '@example.com'), '{{}}' from seq_1_to_50;
insert into shop.orders select seq, 1 + seq % 50, seq * 1.25, concat('note ', seq) from seq_1_to_{LINES};
insert into shop.nearly_full (id) values (240);
insert into shop.wide values (1, repeat('x', 12000000), repeat('y', 12000000)), (2, 'short', 'short');
grant process, binlog monitor, slave monitor on *.* to {READER}@'%';
grant select on shop.customers to {READER}@'%';
grant select on shop.orders to {READER}@'%';
grant select on shop.nearly_full to {READER}@'%';
grant select, show view on shop.slow to {READER}@'%';
grant select on shop.wide to {READER}@'%';
grant select on performance_schema.* to {READER}@'%';
grant select, insert, update, create, delete on shop.* to {WRITER}@'%';
"""


async def prepare(server: MariadbServer) -> None:
    """Make everything above."""
    connection = await server.connect()
    try:
        for statement in filter(str.strip, _SCHEMA.split(";\n")):
            await run(connection, statement)
    finally:
        connection.close()


async def fingerprint(server: MariadbServer) -> str:
    """Checksums of rows, catalog, accounts and settings."""
    connection = await server.connect("shop")
    try:
        sums = await run(connection, "checksum table customers, orders, secrets_of_others, nearly_full, wide extended")
        names = await run(
            connection,
            "select table_name, table_type, engine, table_comment from information_schema.tables"
            " where table_schema = 'shop' union all select routine_name, '', '', '' from information_schema.routines"
            " where routine_schema = 'shop' order by 1, 2",
        )
        accounts = await run(connection, "select host, user, priv from mysql.global_priv order by 1, 2")
        settings = await run(
            connection, "select variable_name, variable_value from information_schema.global_variables"
            " where variable_name not like '%gtid%' order by 1",
        )  # fmt: skip
        return repr((sums, names, accounts, settings))
    finally:
        connection.close()
