"""The shop's database: tables, indexes of every kind of trouble, a read-only role, and a view that takes its time."""

from __future__ import annotations

from tests.support.servers import PostgresServer

READER = "inquest_reader"
PASSWORD = "r3ader-Pa55phrase-never-shown"
WRITER = "app_writer"
LINES = 3_000

_SCHEMA = f"""
create extension if not exists pg_stat_statements;
create role {READER} login password '{PASSWORD}' in role pg_monitor;
create role {WRITER} login password 'writer-Pa55phrase';
revoke create on schema public from public;
create table customers (id bigint primary key, email text not null, about jsonb);
comment on table customers is 'People who buy';
create table orders (
  id bigint primary key, customer_id bigint not null references customers (id), total numeric(20, 4), note text);
create index orders_note_one on orders (note);
create index orders_note_two on orders (note);
create table secrets_of_others (id int);
create view slow as select pg_sleep(30)::text as slept;
create view wide as select repeat('x', 50000000) as cell;
insert into customers select g, 'person' || g || '@example.com', '{{}}' from generate_series(1, 50) g;
insert into orders select g, 1 + g % 50, g * 1.25, 'note ' || g from generate_series(1, {LINES}) g;
analyze;
grant select on customers, orders, slow, wide to {READER};
grant select, insert, update on orders to {WRITER};
"""


async def prepare(server: PostgresServer) -> None:
    """Make everything above."""
    connection = await server.connect()
    try:
        await connection.execute(_SCHEMA)
    finally:
        await connection.close()


async def fingerprint(server: PostgresServer) -> str:
    """Checksums of rows, catalog, roles, settings, sequences and large objects."""
    connection = await server.connect()
    try:
        return str(
            await connection.fetchval(
                """
                select md5(concat_ws('|',
                  (select string_agg(md5(o::text), '' order by id) from orders o),
                  (select string_agg(md5(c::text), '' order by id) from customers c),
                  (select count(*)::text from secrets_of_others),
                  (select string_agg(concat(oid, relname, relkind, relacl), '' order by oid)
                     from pg_class where relkind <> 't'),
                  (select string_agg(proname || oid::text, '' order by oid) from pg_proc where oid > 16384),
                  (select string_agg(rolname || rolsuper::text || coalesce(rolconfig::text, ''), '' order by oid)
                     from pg_roles),
                  (select string_agg(name || coalesce(setting, ''), '' order by name) from pg_settings
                     where source not in ('client', 'session')),
                  (select count(*)::text from pg_largeobject_metadata),
                  (select count(*)::text from pg_extension)))
                """
            )
        )
    finally:
        await connection.close()
