"""Which relations a query may read: user tables yes, catalogs by list, credentials never."""

from __future__ import annotations

import re

from sqlglot import exp

from connectors.guards.model import RefusalError
from connectors.guards.sql_census import Census

_PG_CATALOG = frozenset(
    """
    pg_aggregate pg_aios pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_available_extension_versions
    pg_available_extensions pg_backend_memory_contexts pg_buffercache pg_cast pg_class pg_collation pg_config
    pg_constraint pg_conversion pg_cursors pg_database pg_db_role_setting pg_default_acl pg_depend pg_description
    pg_enum pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_table pg_freespacemap pg_group pg_index
    pg_indexes pg_inherits pg_init_privs pg_language pg_largeobject_metadata pg_locks pg_matviews pg_namespace
    pg_opclass pg_operator pg_opfamily pg_parameter_acl pg_partitioned_table pg_policies pg_policy
    pg_prepared_statements pg_prepared_xacts pg_proc pg_publication pg_publication_namespace pg_publication_rel
    pg_publication_tables pg_range pg_replication_origin pg_replication_origin_status pg_replication_slots pg_rewrite
    pg_roles pg_rules pg_seclabel pg_seclabels pg_sequence pg_sequences pg_settings pg_shdepend pg_shdescription
    pg_shmem_allocations pg_shseclabel pg_statistic_ext pg_stats pg_stats_ext pg_stats_ext_exprs pg_subscription_rel
    pg_tables pg_tablespace pg_timezone_abbrevs pg_timezone_names pg_transform pg_trigger pg_ts_config
    pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user pg_views pg_wait_events
    """.split()
)
_PG_REFUSED = frozenset(
    """
    pg_authid pg_shadow pg_user_mapping pg_user_mappings pg_largeobject pg_hba_file_rules pg_file_settings
    pg_ident_file_mappings pg_subscription pg_foreign_server pg_statistic pg_statistic_ext_data pg_dist_authinfo
    pg_dist_poolinfo user_mapping_options _pg_user_mappings foreign_server_options _pg_foreign_servers pg_hba_rules
    pg_replication_origin_credentials
    """.split()
)
_MYSQL_ALLOWED = frozenset(
    """
    slow_log innodb_index_stats innodb_table_stats gtid_executed gtid_slave_pos help_topic help_keyword
    help_category help_relation time_zone time_zone_name time_zone_transition time_zone_transition_type
    time_zone_leap_second server_cost engine_cost table_stats column_stats index_stats
    """.split()
)
_MYSQL_REFUSED = frozenset({"keyring_keys", "user_attributes", "keyring_component_status", "user_variables_by_thread"})
_MSSQL_REFUSED = frozenset(
    """
    sql_logins syslogins sysxlogins syslnklgns sysremotelogins sysoledbusers remote_logins linked_logins credentials
    database_scoped_credentials symmetric_keys asymmetric_keys certificates key_encryptions database_credentials
    server_principal_credentials cryptographic_providers syscacheobjects_credentials external_data_sources
    dm_os_enumerate_filesystem dm_os_file_exists
    """.split()
)
_SQLITE_REFUSED = frozenset(
    {"sqlite_dbpage", "fsdir", "zipfile", "csv", "sqlite_dbdata", "sqlite_dbptr", "bytecode", "completion"}
)
_CLICKHOUSE_REFUSED = frozenset(
    """
    users named_collections user_directories credentials quotas zookeeper_log s3_queue_settings
    asynchronous_inserts_credentials session_log secrets kafka_consumers_credentials fail_points
    """.split()
)
_CLICKHOUSE_ENDLESS = frozenset({"numbers", "numbers_mt", "zeros", "zeros_mt", "primes", "generate_series"})
_DUCKDB_REFUSED = frozenset({"duckdb_secrets", "which_secret"})
FILE_NAME = re.compile(
    r"[/\\:*?]|\.(csv|tsv|parquet|json|jsonl|ndjson|db|duckdb|gz|zst|xlsx|txt|sqlite)\b", re.IGNORECASE
)


def check_tables(census: Census, *, dialect: str) -> None:
    """Refuse relations that hold credentials, read files or reach another host."""
    for table in census.of(exp.Table):
        if isinstance(table.this, exp.Identifier):
            _check_name(table, dialect=dialect)
        elif not isinstance(table.this, exp.Func) and not table.args.get("rows_from"):
            raise RefusalError("A table is named in a way that is not read here. Use schema.table.")
        _check_hints(table, dialect=dialect)
    if dialect == "clickhouse":
        _check_cluster(census)


def _check_cluster(census: Census) -> None:
    for call in census.of(exp.Anonymous):
        if call.name.lower() not in {"cluster", "clusterallreplicas"}:
            continue
        words = {str(word.this).lower() for word in call.find_all(exp.Identifier, exp.Literal, exp.Var)}
        parts = {part for word in words for part in word.split(".")}
        if parts & (_CLICKHOUSE_REFUSED | _CLICKHOUSE_ENDLESS):
            raise RefusalError("The cluster function names a relation with accounts or secrets. Leave it out.")


def _check_hints(table: exp.Table, *, dialect: str) -> None:
    for hint in table.args.get("hints") or ():
        words = {word.name.lower() for word in hint.find_all(exp.Var, exp.Identifier, exp.Column)}
        if dialect == "mssql" and words <= {"nolock", "readuncommitted", "readcommitted", "readpast", "noexpand"}:
            continue
        if dialect == "mysql" and isinstance(hint, exp.IndexTableHint):
            continue
        raise RefusalError("A table hint may lock or change limits. Remove the hint (NOLOCK is fine).")


def _check_name(table: exp.Table, *, dialect: str) -> None:
    name, schema, catalog = table.name.lower(), table.db.lower(), table.catalog.lower()
    check = _CHECKS.get(dialect)
    if check is not None:
        check(name, schema, catalog, table)


def refuse_name(name: str, *, why: str) -> None:
    """Say which relation is refused and why."""
    raise RefusalError(f"The relation '{name[:60]}' {why}. Leave it out.")


def _postgres(name: str, schema: str, catalog: str, table: exp.Table) -> None:
    del catalog, table
    if name in _PG_REFUSED or schema in {"pg_toast", "pg_temp"} or name.startswith("pg_toast"):
        refuse_name(name, why="holds credentials, raw objects or server files")
    catalog_like = schema in {"", "pg_catalog"} and name.startswith("pg_")
    if catalog_like and name not in _PG_CATALOG and not name.startswith(("pg_stat_", "pg_statio_")):
        refuse_name(name, why="is not on the list of catalog views that may be read")


def _mysql(name: str, schema: str, catalog: str, table: exp.Table) -> None:
    del table
    if catalog and catalog != "def":
        refuse_name(name, why="is named with three parts, which MySQL does not have")
    if (schema == "mysql" and name not in _MYSQL_ALLOWED) or name in _MYSQL_REFUSED:
        refuse_name(f"{schema}.{name}", why="holds accounts or server internals")


def _mssql(name: str, schema: str, catalog: str, table: exp.Table) -> None:
    del catalog
    if isinstance(table.this, exp.Dot):
        refuse_name(name, why="lives on another server")
    if name in _MSSQL_REFUSED:
        refuse_name(f"{schema}.{name}", why="holds logins, keys or credentials")


def _sqlite(name: str, schema: str, catalog: str, table: exp.Table) -> None:
    del schema, catalog, table
    if name in _SQLITE_REFUSED:
        refuse_name(name, why="reads raw pages or files")
    if name.startswith("pragma_"):
        from connectors.guards.sql_statements import SQLITE_PRAGMAS

        if name.removeprefix("pragma_") not in SQLITE_PRAGMAS:
            refuse_name(name, why="is not on the list of harmless pragmas")


def _clickhouse(name: str, schema: str, catalog: str, table: exp.Table) -> None:
    del catalog
    if schema == "system" and name in _CLICKHOUSE_REFUSED:
        refuse_name(f"system.{name}", why="holds accounts or secrets")
    if schema == "system" and name in _CLICKHOUSE_ENDLESS:
        select = table.find_ancestor(exp.Select)
        limit = select.args.get("limit") if select is not None else None
        if limit is None or not isinstance(limit.expression, exp.Literal) or float(limit.expression.this) > 1e6:
            refuse_name(f"system.{name}", why="never ends without a LIMIT of at most 1,000,000 in the same SELECT")


def _duckdb(name: str, schema: str, catalog: str, table: exp.Table) -> None:
    del schema, catalog, table
    if name in _DUCKDB_REFUSED or FILE_NAME.search(name):
        refuse_name(name, why="reads a file or secrets; use the registered view's name")


_CHECKS = {
    "postgres": _postgres,
    "mysql": _mysql,
    "mssql": _mssql,
    "sqlite": _sqlite,
    "clickhouse": _clickhouse,
    "duckdb": _duckdb,
}
