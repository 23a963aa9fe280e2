"""Functions a SQLite query may call.

Left out on purpose: load_extension, readfile, writefile, edit, fts3_tokenizer, writing to the error log.
"""

FUNCTIONS = frozenset(
    """
    abs acos acosh array_length asin asinh atan atan2 atanh avg bm25 cast ceil ceiling changes char coalesce
    concat concat_ws cos cosh count cume_dist date datetime degrees dense_rank exists exp first_value floor
    format generate_series glob group_concat hex highlight if ifnull iif instr json json_array
    json_array_length json_each json_error_position json_extract json_group_array json_group_object
    json_insert json_object json_patch json_pretty json_quote json_remove json_replace json_set json_tree
    json_type json_valid jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object jsonb_object
    julianday lag last_insert_rowid last_value lead length like likelihood likely ln log log10 log2 lower
    ltrim match max median min mod nth_value ntile nullif octet_length offsets percent_rank percentile
    percentile_cont percentile_disc pi pow power pragma_collation_list pragma_compile_options
    pragma_database_list pragma_encoding pragma_foreign_key_check pragma_foreign_key_list
    pragma_freelist_count pragma_function_list pragma_index_info pragma_index_list pragma_index_xinfo
    pragma_integrity_check pragma_journal_mode pragma_module_list pragma_page_count pragma_page_size
    pragma_pragma_list pragma_quick_check pragma_table_info pragma_table_list pragma_table_xinfo
    pragma_user_version printf quote radians random randomblob rank regexp replace round row_number rowid
    rtrim sign sin sinh snippet soundex sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id
    sqlite_version sqrt stddev strftime string_agg substr substring subtype sum tan tanh time timediff
    timestamp_trunc total total_changes trim trunc typeof unhex unicode unistr_quote unixepoch unlikely upper
    zeroblob
    """.split()
)
