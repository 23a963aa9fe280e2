"""Functions a MySQL or MariaDB query may call.

Left out on purpose: files, locks, sleeping, benchmarks, sequences, waits, keyrings, encryption, user-defined code.
"""

FUNCTIONS = frozenset(
    """
    against columns index key partition abs acos adddate addtime any_value ascii asin atan atan2 avg bin
    bin_to_uuid bit_and bit_count bit_length
    bit_or bit_xor can_access_column can_access_database can_access_table cast ceil ceiling char char_length
    character_length charset chr coalesce coercibility collation compress concat concat_ws connection_id conv
    convert convert_tz cos cot count crc32 crc32c cume_dist curdate current_date current_role current_time
    current_timestamp current_user curtime database date date_add date_format date_sub date_trunc datediff
    day dayname dayofmonth dayofweek dayofyear default degrees dense_rank elt exists exp export_set extract
    extractvalue field find_in_set first_value floor format format_bytes format_pico_time found_rows
    from_base64 from_days from_unixtime geometrycollection get_format greatest group_concat grouping
    gtid_subset gtid_subtract hex hour icu_version if ifnull in inet6_aton inet6_ntoa inet_aton inet_ntoa
    insert instr interval is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid isnull json_array
    json_array_append json_array_insert json_arrayagg json_compact json_contains json_contains_path
    json_depth json_detailed json_equals json_exists json_extract json_insert json_key_value json_keys
    json_length json_loose json_merge json_merge_patch json_merge_preserve json_normalize json_object
    json_object_filter_keys json_object_to_array json_objectagg json_overlaps json_overlay json_pretty
    json_query json_quote json_remove json_replace json_schema_valid json_schema_validation_report
    json_search json_set json_storage_free json_storage_size json_table json_type json_unquote json_valid
    json_value lag last_day last_insert_id last_value lcase lead least left length lengthb linestring ln
    localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate maketime match max md5
    median microsecond mid min minute mod month monthname months_between multilinestring multipoint
    multipolygon name_const natural_sort_key now nth_value ntile nullif nvl nvl2 oct octet_length ord
    percent_rank percentile_cont percentile_disc period_add period_diff pi point polygon position pow power
    ps_current_thread_id ps_thread_id quarter quote radians rand random_bytes rank regexp_instr regexp_like
    regexp_replace regexp_substr repeat replace reverse right rlike round row_count row_number rpad rtrim
    schema sec_to_time second session_user sformat sha sha1 sha2 sign sin soundex space sqrt st_area
    st_asgeojson st_astext st_contains st_distance st_distance_sphere st_geohash st_geomfromtext
    st_intersects st_latitude st_longitude st_within st_x st_y statement_digest statement_digest_text std
    stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring substring_index subtime sum
    sys.extract_schema_from_file_name sys.extract_table_from_file_name sys.format_bytes sys.format_path
    sys.format_statement sys.format_time sys.list_add sys.list_drop sys.ps_is_consumer_enabled
    sys.ps_thread_account sys.ps_thread_id sys.ps_thread_stack sys.quote_identifier sys.sys_get_config
    sys.version_major sys.version_minor sys.version_patch sysdate system_user tan time time_format
    time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_char to_days to_seconds trim
    truncate ucase uncompress uncompressed_length unhex unix_timestamp updatexml upper user utc_date utc_time
    utc_timestamp uuid uuid_to_bin uuid_v4 uuid_v7 values var_pop var_samp variance version week weekday
    weekofyear weight_string year yearweek
    """.split()
)
