"""The catalog queries behind the tools, for MySQL 8 and MariaDB 10.4 and later. Arguments are always escaped values.

InnoDB keeps the start of a transaction in the server's own time zone, hence `convert_tz(…, 'SYSTEM')`.
"""

from __future__ import annotations

_NOW = "convert_tz(utc_timestamp(6), '+00:00', 'SYSTEM')"
_SINCE = "timestampdiff(microsecond, {column}, " + _NOW + ") / 1e6"

ACTIVITY = """
select p.id as pid, p.user as `user`, coalesce(p.user, '') as application, p.db as `database`,
       case when p.command <> 'Sleep' then 'active' when t.trx_id is not null then 'idle in transaction'
            else 'idle' end as state,
       p.command, nullif(p.state, '') as wait_event, substring_index(p.host, ':', 1) as client,
       left(coalesce(t.trx_query, p.info), 4000) as query, {seconds} as duration_s,
       {transaction} as transaction_s, t.trx_rows_locked as rows_locked, t.trx_rows_modified as rows_modified
from information_schema.processlist p
left join information_schema.innodb_trx t on t.trx_mysql_thread_id = p.id
where p.id <> connection_id() and p.command not in ('Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO',
        'Slave_SQL', 'Slave_worker', 'Connect')
  and (p.command <> 'Sleep' or t.trx_id is not null)
  and greatest({seconds}, coalesce({transaction}, 0)) >= %s
order by coalesce({transaction}, {seconds}) desc
"""

_LOCK_ENDS = """
       r.trx_mysql_thread_id as blocked_pid, b.trx_mysql_thread_id as blocking_pid,
       left(r.trx_query, 4000) as blocked_query, left(coalesce(b.trx_query, bp.info), 4000) as blocking_query,
       rp.user as blocked_user, bp.user as blocking_user, rp.user as blocked_application,
       bp.user as blocking_application, rp.db as `database`,
       case when bp.command = 'Sleep' then 'idle in transaction' else 'active' end as blocking_state,
       {waited} as waited_s, {held} as blocking_duration_s
"""
_LOCK_JOINS = """
left join information_schema.processlist rp on rp.id = r.trx_mysql_thread_id
left join information_schema.processlist bp on bp.id = b.trx_mysql_thread_id
order by waited_s desc, blocked_pid, blocking_pid
"""
LOCKS_MARIADB = (
    "\nselect distinct l.lock_mode as mode, lower(l.lock_type) as locktype, replace(l.lock_table, '`', '') as relation,"
    + _LOCK_ENDS
    + """from information_schema.innodb_lock_waits w
join information_schema.innodb_trx r on r.trx_id = w.requesting_trx_id
join information_schema.innodb_trx b on b.trx_id = w.blocking_trx_id
left join information_schema.innodb_locks l on l.lock_id = w.requested_lock_id"""
    + _LOCK_JOINS
)
LOCKS_MYSQL = (
    "\nselect distinct l.lock_mode as mode, lower(l.lock_type) as locktype,"
    " concat(l.object_schema, '.', l.object_name) as relation,"
    + _LOCK_ENDS
    + """from performance_schema.data_lock_waits w
join information_schema.innodb_trx r on r.trx_id = w.requesting_engine_transaction_id
join information_schema.innodb_trx b on b.trx_id = w.blocking_engine_transaction_id
left join performance_schema.data_locks l on l.engine_lock_id = w.requesting_engine_lock_id"""
    + _LOCK_JOINS
)

# DDL and LOCK TABLES wait for whoever merely read the table inside an open transaction.
METADATA_LOCKS = """
select w.lock_type as mode, 'metadata' as locktype, concat(w.object_schema, '.', w.object_name) as relation,
       wt.processlist_id as blocked_pid, ht.processlist_id as blocking_pid,
       left(wt.processlist_info, 4000) as blocked_query,
       left(coalesce(ht.processlist_info, bt.trx_query), 4000) as blocking_query,
       wt.processlist_user as blocked_user, ht.processlist_user as blocking_user,
       wt.processlist_user as blocked_application, ht.processlist_user as blocking_application,
       wt.processlist_db as `database`,
       case when ht.processlist_command = 'Sleep' then 'idle in transaction' else 'active' end as blocking_state,
       wt.processlist_time as waited_s, {held} as blocking_duration_s
from performance_schema.metadata_locks w
join performance_schema.metadata_locks h
  on h.object_type = w.object_type and h.object_schema <=> w.object_schema and h.object_name <=> w.object_name
 and h.lock_status = 'GRANTED' and h.owner_thread_id <> w.owner_thread_id
 and (w.lock_type in ('EXCLUSIVE', 'SHARED_NO_READ_WRITE', 'SHARED_UPGRADABLE')
      or h.lock_type in ('EXCLUSIVE', 'SHARED_NO_READ_WRITE'))
join performance_schema.threads wt on wt.thread_id = w.owner_thread_id
join performance_schema.threads ht on ht.thread_id = h.owner_thread_id
left join information_schema.innodb_trx bt on bt.trx_mysql_thread_id = ht.processlist_id
where w.lock_status = 'PENDING' and w.object_type = 'TABLE'
order by waited_s desc, blocked_pid, blocking_pid
"""
METADATA_INSTRUMENTED = """
select count(*) as enabled from performance_schema.setup_instruments
where name = 'wait/lock/metadata/sql/mdl' and enabled = 'YES'
"""

CONNECTIONS = """
select p.db as `database`, p.user as `user`, coalesce(p.user, 'unnamed') as application,
       substring_index(p.host, ':', 1) as client,
       case when p.command <> 'Sleep' then 'active' when t.trx_id is not null then 'idle in transaction'
            else 'idle' end as state,
       count(*) as number, sum(coalesce(t.trx_state = 'LOCK WAIT', 0) or p.state like 'Waiting for%%lock') as waiting,
       max({transaction}) as oldest_transaction_s,
       max(case when p.command = 'Sleep' then {transaction} end) as oldest_idle_in_transaction_s
from information_schema.processlist p
left join information_schema.innodb_trx t on t.trx_mysql_thread_id = p.id
where p.command <> 'Daemon' and p.user not in ('system user', 'event_scheduler')
group by 1, 2, 3, 4, 5
"""
CONNECTION_LIMITS = """
select @@global.max_connections as most, @@global.max_user_connections as user_limit,
       (select variable_value from {status} where variable_name = 'Max_used_connections') as most_used
"""

STATEMENTS_ON = """
select @@performance_schema as enabled,
       (select count(*) from performance_schema.setup_consumers
        where name = 'statements_digest' and enabled = 'YES') as consumed
"""
# Timers count picoseconds.
STATEMENTS = """
select concat(coalesce(s.schema_name, ''), '/', s.digest) as `key`, left(s.digest_text, 4000) as query,
       s.count_star as calls, s.sum_timer_wait / 1e9 as total_ms, s.avg_timer_wait / 1e9 as mean_ms,
       s.max_timer_wait / 1e9 as max_ms, s.sum_rows_sent as `rows`, null as `user`
from performance_schema.events_statements_summary_by_digest s
where s.digest is not null and (s.schema_name is null or s.schema_name = %s)
  and s.digest_text not regexp 'performance_schema|information_schema|^(SET|START|BEGIN|COMMIT|ROLLBACK|KILL|SHOW) ?'
  and s.digest_text not like '%%INFORMATION_SCHEMA%%'
order by s.sum_timer_wait desc
"""

REPLICAS = """
select coalesce(nullif(substring_index(p.host, ':', 1), ''), p.user) as name, p.user as `user`, p.state,
       p.time as connected_s, null as lag_s
from information_schema.processlist p where p.command in ('Binlog Dump', 'Binlog Dump GTID')
"""

TABLES = """
select t.table_schema as `schema`, t.table_name as name, t.engine, t.table_rows as live_rows,
       t.data_length as size_bytes, t.data_length + t.index_length as total_bytes, t.data_free as free_bytes,
       t.auto_increment as next_id, t.update_time as updated,
       (select c.column_type from information_schema.columns c where c.table_schema = t.table_schema
          and c.table_name = t.table_name and c.extra like '%%auto_increment%%' limit 1) as id_type,
       exists (select 1 from information_schema.statistics s where s.table_schema = t.table_schema
                 and s.table_name = t.table_name and s.index_name = 'PRIMARY') as has_primary_key
from information_schema.tables t
where t.table_type = 'BASE TABLE' and t.table_schema = database()
order by total_bytes desc
"""
INDEXES = """
select s.table_schema as `schema`, s.table_name as `table`, s.index_name as name, min(s.non_unique) = 0 as `unique`,
       s.index_type as type, max(s.cardinality) as cardinality,
       group_concat(concat(coalesce(s.column_name, '(expression)'), coalesce(concat('(', s.sub_part, ')'), ''))
                    order by s.seq_in_index separator ', ') as columns
from information_schema.statistics s
where s.table_schema = database()
group by s.table_schema, s.table_name, s.index_name, s.index_type
order by s.table_name, s.index_name
"""
INDEX_READS = """
select object_name as `table`, index_name as name, count_read as scans
from performance_schema.table_io_waits_summary_by_index_usage
where object_schema = database() and index_name is not null
"""

SCHEMA = """
select c.table_schema as `schema`, c.table_name as `table`, c.column_name as `column`, c.column_type as type,
       c.is_nullable = 'YES' as nullable, c.column_key = 'PRI' as primary_key,
       (select concat(k.referenced_table_name, '.', k.referenced_column_name)
        from information_schema.key_column_usage k
        where k.table_schema = c.table_schema and k.table_name = c.table_name and k.column_name = c.column_name
          and k.referenced_table_name is not null limit 1) as refers_to,
       nullif(concat_ws(' ', nullif(t.table_comment, 'VIEW'), c.column_comment), '') as comment
from information_schema.columns c
join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
where c.table_schema = database(){words}
order by c.table_name, c.ordinal_position
"""
_WORD = "locate(%s, lower(concat_ws(' ', c.table_name, c.column_name, t.table_comment)))"


def _filled(text: str, *, mariadb: bool) -> str:
    marks = {
        "{seconds}": "p.time_ms / 1000" if mariadb else "p.time",
        "{transaction}": _SINCE.format(column="t.trx_started"),
        "{waited}": _SINCE.format(column="r.trx_wait_started"),
        "{status}": "information_schema.global_status" if mariadb else "performance_schema.global_status",
    }
    for mark, name in marks.items():
        text = text.replace(mark, name)
    return text


def activity(*, mariadb: bool) -> str:
    """Sessions that run, or sit in an open transaction."""
    return _filled(ACTIVITY, mariadb=mariadb)


def locks(*, mariadb: bool) -> str:
    """Row locks; MySQL 8 moved them to the performance schema."""
    text = LOCKS_MARIADB if mariadb else LOCKS_MYSQL
    return _filled(text.replace("{held}", _SINCE.format(column="b.trx_started")), mariadb=mariadb)


def metadata_locks() -> str:
    return METADATA_LOCKS.replace("{held}", _SINCE.format(column="bt.trx_started"))


def connections(*, mariadb: bool) -> str:
    return _filled(CONNECTIONS, mariadb=mariadb).replace("%%", "%")


def connection_limits(*, mariadb: bool) -> str:
    return _filled(CONNECTION_LIMITS, mariadb=mariadb)


def schema(words: int) -> str:
    """The columns whose table, name or comment holds one of so many words; all when there are none."""
    return SCHEMA.replace("{words}", f"\n  and ({' or '.join([_WORD] * words)})" if words else "")
