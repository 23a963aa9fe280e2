"""What the walk over a parsed SQL tree accepts: node classes, and words that may stand before a bracket."""

NODES = frozenset(
    """
    Select Union Except Intersect Subquery CTE With From Join Where Group Having Qualify Order Ordered Sort
    Limit Offset Fetch LimitOptions Distinct Table TableAlias Column Identifier Alias Aliases Literal Star
    Null Boolean Paren Tuple Add Sub Mul Div IntDiv Mod Neg BitwiseAnd BitwiseOr BitwiseXor BitwiseNot
    BitwiseLeftShift BitwiseRightShift DPipe EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is Not And Or Xor
    In Between Like ILike SimilarTo Glob Match Escape Overlaps Adjacent ExtendsLeft ExtendsRight Distance
    Any All Exists DataType DataTypeParam Interval IntervalSpan Var Window WindowSpec Filter WithinGroup
    IgnoreNulls RespectNulls HavingMax Lateral Values Bracket Slice Dot AtTimeZone FromTimeZone Cube Rollup
    GroupingSets Collate National HexString BitString ByteString RawString Kwarg PropertyEQ Lambda ForIn
    JSON JSONKeyValue JSONPath JSONPathKey JSONPathRoot JSONPathSubscript JSONPathWildcard JSONPathSlice
    JSONPathSelector JSONPathUnion JSONPathPart JSONPathFilter JSONColumnDef JSONSchema OpenJSONColumnDef
    FormatJson OnCondition JSONValue JSONExtractQuote
    TableSample Pivot PivotAlias PivotAny UnpivotColumns PositionalColumn Pseudocolumn ObjectIdentifier
    PreWhere Final WithFill ColumnPrefix TableColumn Operator WithOperator ColumnDef Introducer TranslateCharacters
    Version HistoricalData IndexTableHint WithTableHint SessionParameter Parameter Schema TableFromRows ProjectionDef
    RecursiveWithSearch Variadic Partition
    """.split()
)
"""Class names of sqlglot that are not functions. What is missing here is refused."""

REFUSED_FUNCTION_NODES = frozenset({"NextValueFor", "ReadCSV", "ReadParquet", "LoadFile", "XMLTable", "DirectoryStage"})

BRACKET_WORDS = frozenset(
    """
    select distinct all from where and or not in exists any some on using join inner left right full outer cross
    lateral union intersect except having by with as over filter group sets rollup cube when then else case between
    like ilike rlike regexp to is limit offset values order recursive materialized qualify prewhere window tablesample
    bernoulli interval end escape unpivot pivot for xor div mod overlaps operator ordinality unnest collate isnull
    notnull array json_table exclude replace ties asof
    """.split()
)
"""Words that stand before a bracket without calling anything."""

TYPE_WORDS = frozenset(
    """
    char character varchar nvarchar nchar varying bpchar bit varbit decimal numeric dec float real double precision
    int integer bigint smallint tinyint mediumint int2 int4 int8 text string bytes binary varbinary blob timestamp
    timestamptz time timetz datetime datetime2 datetimeoffset date year interval unsigned signed enum set struct
    array map tuple nullable lowcardinality datetime64 fixedstring decimal32 decimal64 decimal128 decimal256 nested
    variant dynamic json jsonb uuid bool boolean number bignumeric bigdecimal float32 float64 uint8 uint16 uint32
    uint64 uint128 uint256 int16 int32 int64 int128 int256 hugeint ubigint uinteger usmallint utinyint row
    list union aggregatefunction simpleaggregatefunction vector zone regclass
    """.split()
)

MODIFIERS = frozenset(
    {"STRAIGHT_JOIN", "SQL_NO_CACHE", "SQL_CALC_FOUND_ROWS", "SQL_SMALL_RESULT", "SQL_BIG_RESULT", "SQL_BUFFER_RESULT"}
)

QUERY_PARTS = frozenset(
    """
    with_ kind expressions distinct from_ joins laterals where group having qualify windows order limit offset prewhere
    this expression alias by_name side on pivots sample side limit_by recursive exclude
    """.split()
)
"""What a SELECT, a set operation or a subquery may be made of; SETTINGS, FORMAT, FOR and options are not."""

TABLE_PARTS = frozenset(
    """
    this db catalog alias joins laterals pivots hints only ordinality rows_from sample final when version partition
    system_time indexed
    """.split()
)
