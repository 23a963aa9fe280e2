"""The queries on system tables behind the tools. `{name:Type}` is a parameter that the server fills in."""

from __future__ import annotations

VERSION = "SELECT version() AS version, uptime() AS uptime_s, currentUser() AS account"
GRANTS = "SHOW GRANTS"

ACTIVITY = """
SELECT query_id AS pid, user, if(client_name = '', http_user_agent, client_name) AS application,
       current_database AS database, 'active' AS state, toFloat64(elapsed) AS duration_s,
       substring(query, 1, 4000) AS query, query_kind AS command, read_rows, read_bytes,
       total_rows_approx AS total_rows, memory_usage AS memory_bytes, peak_memory_usage AS peak_memory_bytes
FROM system.processes
WHERE elapsed >= {min_seconds:Float64} AND Settings['log_comment'] != 'inquest'
ORDER BY elapsed DESC
"""

CONNECTIONS = """
SELECT metric AS name, toInt64(value) AS number FROM system.metrics
WHERE metric IN ('TCPConnection', 'HTTPConnection', 'MySQLConnection', 'PostgreSQLConnection',
                 'InterserverConnection', 'Query')
"""
CONNECTION_LIMITS = """
SELECT name, toInt64OrZero(value) AS number FROM system.server_settings
WHERE name IN ('max_connections', 'max_concurrent_queries')
"""
BY_USER = "SELECT user, count() AS number FROM system.processes GROUP BY user ORDER BY number DESC LIMIT 50"

HAS_QUERY_LOG = "SELECT count() AS found FROM system.tables WHERE database = 'system' AND name = 'query_log'"
# The mean of the window against the mean of the equal span before it.
STATEMENTS = """
SELECT toString(normalized_query_hash) AS key, any(user) AS user,
       any(substring(normalizeQuery(query), 1, 4000)) AS query,
       countIf(event_time >= {start:DateTime('UTC')}) AS calls,
       avgIf(toFloat64(query_duration_ms), event_time >= {start:DateTime('UTC')}) AS mean_ms,
       maxIf(toFloat64(query_duration_ms), event_time >= {start:DateTime('UTC')}) AS max_ms,
       sumIf(toFloat64(query_duration_ms), event_time >= {start:DateTime('UTC')}) AS total_ms,
       countIf(event_time < {start:DateTime('UTC')}) AS baseline_calls,
       avgIf(toFloat64(query_duration_ms), event_time < {start:DateTime('UTC')}) AS baseline_mean_ms,
       sumIf(read_bytes, event_time >= {start:DateTime('UTC')}) AS read_bytes,
       countIf(exception_code != 0 AND event_time >= {start:DateTime('UTC')}) AS failed
FROM system.query_log
WHERE event_date >= toDate({before:DateTime('UTC')}) AND event_time >= {before:DateTime('UTC')}
  AND event_time < {end:DateTime('UTC')} AND type != 'QueryStart' AND log_comment != 'inquest'
GROUP BY normalized_query_hash
HAVING calls > 0
ORDER BY total_ms DESC
LIMIT 200
"""

REPLICAS = """
SELECT database, table AS name, replica_name AS replica, toFloat64(absolute_delay) AS lag_s, is_readonly,
       is_session_expired, queue_size, inserts_in_queue, merges_in_queue, active_replicas, total_replicas,
       substring(last_queue_update_exception, 1, 500) AS last_error
FROM system.replicas
ORDER BY lag_s DESC, queue_size DESC
LIMIT 1000
"""

TABLES = """
SELECT t.database AS schema, t.name AS name, t.engine AS engine, p.live_rows AS live_rows, p.size_bytes AS size_bytes,
       p.parts AS parts, p.most_parts AS most_parts_in_a_partition, m.unfinished AS unfinished_mutations,
       m.failed AS failed_mutations, substring(m.reason, 1, 500) AS mutation_error
FROM system.tables AS t
LEFT JOIN (
  SELECT database, table, sum(n) AS parts, max(n) AS most_parts, sum(part_rows) AS live_rows,
         sum(part_bytes) AS size_bytes
  FROM (SELECT database, table, partition_id, count() AS n, sum(rows) AS part_rows, sum(bytes_on_disk) AS part_bytes
        FROM system.parts WHERE active GROUP BY database, table, partition_id)
  GROUP BY database, table) AS p ON p.database = t.database AND p.table = t.name
LEFT JOIN (
  SELECT database, table, countIf(NOT is_done) AS unfinished,
         countIf(latest_fail_reason != '' AND NOT is_done) AS failed,
         max(latest_fail_reason) AS reason
  FROM system.mutations GROUP BY database, table) AS m ON m.database = t.database AND m.table = t.name
WHERE t.database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') AND NOT t.is_temporary
ORDER BY most_parts_in_a_partition DESC, size_bytes DESC
LIMIT 1000
"""
DISKS = "SELECT name, path, toInt64(free_space) AS free_bytes, toInt64(total_space) AS total_bytes FROM system.disks"

ERRORS = """
SELECT name, toInt64(code) AS code, toInt64(value) AS count, last_error_time AS last_at,
       substring(last_error_message, 1, 500) AS message
FROM system.errors
WHERE last_error_time >= {start:DateTime('UTC')} AND last_error_time < {end:DateTime('UTC')}
ORDER BY count DESC
LIMIT 200
"""

SCHEMA = """
SELECT c.database AS schema, c.table AS table, c.name AS column, c.type AS type, c.is_in_primary_key AS primary_key,
       c.is_in_partition_key AS partition_key, c.comment AS comment
FROM system.columns AS c
WHERE c.database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')
  AND (empty({words:Array(String)})
       OR arrayExists(w -> position(lower(concat(c.table, ' ', c.name, ' ', c.comment)), w) > 0, {words:Array(String)}))
ORDER BY c.database, c.table, c.position
"""
