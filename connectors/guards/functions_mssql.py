"""Functions a SQL Server query may call.

Left out on purpose: rowsets over files and other servers, dynamic SQL, extended procedures, encryption, sequences.
"""

FUNCTIONS = frozenset(
    """
    abs acos approx_count_distinct approx_percentile_cont approx_percentile_disc ascii asin atan atn2 avg
    binary_checksum bit_count cast ceiling char charindex checksum checksum_agg choose coalesce col_length
    col_name collationproperty columnproperty compress concat concat_ws connectionproperty convert cos cot
    count count_big cume_dist currencyformat current_timestamp current_timezone current_timezone_id
    current_transaction_id current_user databasepropertyex date_bucket dateadd datediff datediff_big
    datefromparts datename datepart datetime2fromparts datetimefromparts datetimeoffsetfromparts datetrunc
    day db_id db_name decompress degrees dense_rank difference dm_db_index_operational_stats
    dm_db_index_physical_stats dm_db_log_info dm_db_log_stats dm_db_missing_index_columns
    dm_db_stats_histogram dm_db_stats_properties dm_exec_cursors dm_exec_input_buffer dm_exec_plan_attributes
    dm_exec_query_plan dm_exec_query_statistics_xml dm_exec_sql_text dm_exec_text_query_plan
    dm_io_virtual_file_stats dm_os_volume_stats dm_sql_referenced_entities dm_sql_referencing_entities
    eomonth error_message error_number exist exists exp file_id file_name filegroup_id filegroup_name
    filegroupproperty fileproperty first_value floor fn_my_permissions format formatmessage generate_series
    getansinull getdate getutcdate greatest grouping grouping_id has_dbaccess has_perms_by_name hashbytes
    host_id host_name ident_current ident_incr ident_seed iif index_col indexkey_property indexproperty
    is_member is_rolemember is_srvrolemember isdate isjson isnull isnumeric json_array json_arrayagg
    json_contains json_modify json_object json_objectagg json_path_exists json_query json_value lag
    last_value lead least left len log log10 lower ltrim max min min_active_rowversion month nchar newid
    nodes ntile nullif object_definition object_id object_name object_schema_name objectproperty
    objectpropertyex openjson original_db_name original_login parse parsename patindex percent_rank
    percentile_cont percentile_disc pi power query quotename radians rand rank regexp_count regexp_instr
    regexp_like regexp_replace regexp_substr replace replicate reverse right round row_number rowcount_big
    rtrim schema_id schema_name scope_identity serverproperty session_user sessionproperty sign sin
    smalldatetimefromparts soundex space sql_variant_property sqrt square stats_date stdev stdevp str
    string_agg string_escape string_split stuff substring sum suser_id suser_name suser_sid suser_sname
    switchoffset sys.dm_db_index_operational_stats sys.dm_db_index_physical_stats sys.dm_db_log_info
    sys.dm_db_log_stats sys.dm_db_missing_index_columns sys.dm_db_stats_histogram sys.dm_db_stats_properties
    sys.dm_exec_cursors sys.dm_exec_input_buffer sys.dm_exec_plan_attributes sys.dm_exec_query_plan
    sys.dm_exec_query_statistics_xml sys.dm_exec_sql_text sys.dm_exec_text_query_plan
    sys.dm_io_virtual_file_stats sys.dm_os_volume_stats sys.dm_sql_referenced_entities
    sys.dm_sql_referencing_entities sys.fn_helpcollations sys.fn_listextendedproperty sys.fn_my_permissions
    sys.fn_virtualfilestats sysdatetime sysdatetimeoffset system_user sysutcdatetime tan timefromparts
    todatetimeoffset translate trim try_cast try_convert try_parse type_id type_name typeproperty unicode
    upper user_id user_name value var varp xact_state year
    """.split()
)
