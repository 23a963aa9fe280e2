"""The catalog queries behind the tools, for PostgreSQL 12 to 18. Arguments are always parameters."""

from __future__ import annotations

ACTIVITY = """
select a.pid, a.usename::text as "user", a.application_name as application, a.datname::text as database, a.state,
       a.wait_event_type, a.wait_event, host(a.client_addr) as client, left(a.query, 4000) as query,
       extract(epoch from clock_timestamp()
               - case when a.state = 'active' then a.query_start else a.state_change end)::float8 as duration_s,
       extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_s
from pg_stat_activity a
where a.pid <> pg_backend_pid() and not (a.application_name = 'inquest' and a.usename = current_user)
  and coalesce(a.backend_type, 'client backend') in ('client backend', 'parallel worker')
  and a.state is distinct from 'idle'
  and coalesce(greatest(extract(epoch from clock_timestamp() - a.query_start),
                        extract(epoch from clock_timestamp() - a.xact_start)), 0) >= $1
order by coalesce(a.xact_start, a.query_start) nulls last
"""

# The relation of a transaction-id wait is the one whose tuple the waiter has queued for.
LOCKS = """
with waiting as (
  select distinct on (l.pid) l.pid, l.mode, l.locktype, {waitstart} as wait_start,
         coalesce(l.relation, (select t.relation from pg_locks t
                               where t.pid = l.pid and t.locktype = 'tuple' and t.granted limit 1)) as relation
  from pg_locks l where not l.granted order by l.pid
), edges as (
  select w.*, b.pid as blocker from waiting w cross join lateral unnest(pg_blocking_pids(w.pid)) as b(pid)
)
select e.pid as blocked_pid, e.blocker as blocking_pid, e.mode, e.locktype,
       coalesce((select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where c.oid = e.relation), null) as relation,
       left(a.query, 4000) as blocked_query, left(b.query, 4000) as blocking_query,
       a.usename::text as blocked_user, b.usename::text as blocking_user,
       a.application_name as blocked_application, b.application_name as blocking_application,
       a.datname::text as database, b.state as blocking_state,
       extract(epoch from clock_timestamp() - coalesce(e.wait_start, a.query_start))::float8 as waited_s,
       extract(epoch from clock_timestamp() - b.xact_start)::float8 as blocking_duration_s
from edges e
left join pg_stat_activity a on a.pid = e.pid
left join pg_stat_activity b on b.pid = e.blocker
order by waited_s desc nulls last, blocked_pid, blocking_pid
"""

CONNECTIONS = """
select a.datname::text as database, a.usename::text as "user", coalesce(nullif(a.application_name, ''), 'unnamed')
         as application,
       coalesce(a.state, 'hidden') as state, count(*)::int as number,
       count(*) filter (where a.wait_event_type = 'Lock')::int as waiting,
       max(extract(epoch from clock_timestamp() - a.xact_start))::float8 as oldest_transaction_s,
       max(extract(epoch from clock_timestamp() - a.state_change))
         filter (where a.state like 'idle in transaction%')::float8 as oldest_idle_in_transaction_s
from pg_stat_activity a
where a.datid is not null and coalesce(a.backend_type, 'client backend') = 'client backend'
group by 1, 2, 3, 4
"""

CONNECTION_LIMITS = """
select current_setting('max_connections')::int as most,
       current_setting('superuser_reserved_connections')::int
         + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0) as reserved,
       (select datconnlimit from pg_database where datname = current_database()) as database_limit
"""

STATEMENTS_HOME = """
select n.nspname::text as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
where e.extname = 'pg_stat_statements'
"""

STATEMENTS = """
select s.queryid::text || '/' || s.userid::text as key, left(s.query, 4000) as query, s.calls,
       s.{total} as total_ms, s.{mean} as mean_ms, s.{longest} as max_ms, s.rows,
       pg_get_userbyid(s.userid)::text as "user"
from {schema}.pg_stat_statements s
where s.dbid = (select oid from pg_database where datname = current_database()) and s.queryid is not null
  and not (pg_get_userbyid(s.userid) = current_user
           and s.query ~* 'pg_|^(begin|commit|rollback|reset|close|unlisten|set|select set_config)')
order by s.{total} desc
"""

REPLICAS = """
select coalesce(nullif(application_name, ''), host(client_addr), pid::text) as name, host(client_addr) as client, state,
       sync_state,
       case when replay_lsn = pg_current_wal_lsn() then 0 else extract(epoch from replay_lag) end::float8 as lag_s,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 as lag_bytes
from pg_stat_replication order by lag_bytes desc nulls last
"""

STANDBY = """
select coalesce((select status from pg_stat_wal_receiver), 'disconnected') as state,
       case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
            else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end::float8 as lag_s,
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8 as lag_bytes
"""

SLOTS = """
select slot_name::text as name, slot_type as type, active, wal_status,
       pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
                       restart_lsn)::float8 as retained_bytes
from pg_replication_slots order by retained_bytes desc nulls last
"""

TABLES = """
select s.schemaname::text as schema, s.relname::text as name, s.n_live_tup as live_rows, s.n_dead_tup as dead_rows,
       s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze,
       s.seq_scan as sequential_scans, s.seq_tup_read as sequential_rows_read, coalesce(s.idx_scan, 0) as index_scans,
       s.n_mod_since_analyze as modified_since_analyze, pg_relation_size(s.relid) as size_bytes,
       pg_total_relation_size(s.relid) as total_bytes, age(c.relfrozenxid) as transaction_age
from pg_stat_user_tables s join pg_class c on c.oid = s.relid
order by s.n_dead_tup desc, total_bytes desc
"""

INDEXES = """
select s.schemaname::text as schema, s.relname::text as "table", s.indexrelname::text as name, s.idx_scan as scans,
       pg_relation_size(s.indexrelid) as size_bytes, i.indisvalid and i.indisready as valid, i.indisunique as "unique",
       i.indisprimary as primary, pg_get_indexdef(s.indexrelid) as definition,
       i.indrelid::text || ' ' || am.amname || ' ' || i.indkey::text || ' ' || i.indclass::text || ' '
         || coalesce(pg_get_expr(i.indexprs, i.indrelid), '') || ' ' || coalesce(pg_get_expr(i.indpred, i.indrelid), '')
         as shape,
       exists (select from pg_constraint k where k.conindid = s.indexrelid) as constrains
from pg_stat_user_indexes s join pg_index i on i.indexrelid = s.indexrelid
join pg_class c on c.oid = s.indexrelid join pg_am am on am.oid = c.relam
order by size_bytes desc
"""

SCHEMA = """
select n.nspname::text as schema, c.relname::text as "table", a.attname::text as "column",
       format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
       exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p' and a.attnum = any(k.conkey))
         as primary_key,
       (select f.relname || '.' || fa.attname from pg_constraint k join pg_class f on f.oid = k.confrelid
          join pg_attribute fa on fa.attrelid = f.oid
           and fa.attnum = k.confkey[array_position(k.conkey, a.attnum)]
        where k.conrelid = c.oid and k.contype = 'f' and a.attnum = any(k.conkey) limit 1) as refers_to,
       coalesce(col_description(c.oid, a.attnum), case when a.attnum = 1 then obj_description(c.oid, 'pg_class') end)
         as comment
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_t%'
  and (cardinality($1::text[]) = 0 or exists (
        select from unnest($1::text[]) as word
        where position(word in lower(n.nspname || '.' || c.relname || '.' || a.attname || ' '
                                     || coalesce(obj_description(c.oid, 'pg_class'), ''))) > 0))
order by (select count(*) from unnest($1::text[]) as word where position(word in lower(c.relname)) > 0) desc,
         n.nspname, c.relname, a.attnum
"""

RIGHTS = """
select version() as version, pg_is_in_recovery() as standby,
       (select r.rolsuper from pg_roles r where r.rolname = current_user) as superuser,
       (select r.rolcreatedb or r.rolcreaterole or r.rolreplication from pg_roles r where r.rolname = current_user)
         as admin,
       pg_has_role(current_user, 'pg_monitor', 'member') or pg_has_role(current_user, 'pg_read_all_stats', 'member')
         as monitor,
       has_database_privilege(current_database(), 'CREATE')
         or exists (select from pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
                    and has_schema_privilege(n.oid, 'CREATE')) as creates,
       (select min(n.nspname || '.' || c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
          and has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) as writable_table
"""


def locks(major: int) -> str:
    """Since 14 the server keeps when a wait began."""
    return LOCKS.replace("{waitstart}", "l.waitstart" if major >= 14 else "null::timestamptz")


def statements(major: int, schema: str) -> str:
    """Columns were renamed in 13."""
    suffix = "exec_time" if major >= 13 else "time"
    quoted = '"' + schema.replace('"', '""') + '"'
    names = {"{total}": f"total_{suffix}", "{mean}": f"mean_{suffix}", "{longest}": f"max_{suffix}", "{schema}": quoted}
    text = STATEMENTS
    for mark, name in names.items():
        text = text.replace(mark, name)
    return text
