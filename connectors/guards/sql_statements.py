# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""Statements that are not queries: SHOW, DESCRIBE, PRAGMA and what may stand before a query (EXPLAIN).

Each is matched token by token against the forms listed here and written back from the tokens; there is
no free text in them. A word form is lower case; NAME is a name, TEXT a string, NUMBER a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from connectors.guards.lexer import Token
from connectors.guards.model import RefusalError

SQLITE_PRAGMAS = frozenset(
    """
    table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list foreign_key_check
    database_list collation_list compile_options function_list module_list pragma_list integrity_check quick_check
    page_count page_size freelist_count encoding user_version schema_version journal_mode synchronous cache_size
    wal_autocheckpoint busy_timeout foreign_keys auto_vacuum application_id data_version max_page_count
    journal_size_limit locking_mode temp_store mmap_size read_uncommitted recursive_triggers query_only
    """.split()
)
_SQLITE_WITH_ARGUMENT = frozenset(
    """
    table_info table_xinfo index_list index_info index_xinfo foreign_key_list foreign_key_check integrity_check
    quick_check table_list
    """.split()
)
_LIKE = r"(?: LIKE TEXT)?"
_FROM = r"(?: (?:FROM|IN) NAME(?: \. NAME)?)?"
_MYSQL = rf"""
    SHOW (?:FULL )?PROCESSLIST
    SHOW (?:(?:GLOBAL|SESSION|LOCAL) )?(?:STATUS|VARIABLES)(?: LIKE TEXT| WHERE NAME (?:=|LIKE) TEXT| WHERE NAME IN \( TEXT(?: , TEXT)* \))?
    SHOW (?:EXTENDED )?(?:FULL )?TABLES(?: (?:FROM|IN) NAME)?{_LIKE}
    SHOW (?:DATABASES|SCHEMAS){_LIKE}
    SHOW (?:EXTENDED )?(?:FULL )?(?:COLUMNS|FIELDS|INDEX|INDEXES|KEYS) (?:FROM|IN) NAME(?: \. NAME| (?:FROM|IN) NAME)?{_LIKE}
    SHOW TABLE STATUS(?: (?:FROM|IN) NAME)?{_LIKE}
    SHOW OPEN TABLES(?: (?:FROM|IN) NAME)?{_LIKE}
    SHOW CREATE (?:TABLE|VIEW|DATABASE|SCHEMA|PROCEDURE|FUNCTION|TRIGGER|EVENT) NAME(?: \. NAME)?
    SHOW ENGINE NAME (?:STATUS|MUTEX)
    SHOW (?:STORAGE )?ENGINES
    SHOW (?:REPLICA|SLAVE|ALL REPLICAS|ALL SLAVES) ?STATUS(?: FOR CHANNEL TEXT)?
    SHOW (?:ALL (?:REPLICAS|SLAVES)|REPLICA|SLAVE) STATUS
    SHOW (?:MASTER|BINARY LOG|BINLOG) STATUS
    SHOW (?:BINARY|MASTER) LOGS
    SHOW (?:REPLICAS|SLAVE HOSTS|REPLICA HOSTS)
    SHOW (?:WARNINGS|ERRORS|PLUGINS|PRIVILEGES|PROFILES|PROFILE|COUNT \( \* \) (?:WARNINGS|ERRORS))(?: LIMIT NUMBER)?
    SHOW (?:TRIGGERS|EVENTS)(?: (?:FROM|IN) NAME)?{_LIKE}
    SHOW (?:PROCEDURE|FUNCTION) STATUS{_LIKE}
    SHOW (?:CHARACTER SET|CHARSET|COLLATION){_LIKE}
    (?:DESCRIBE|DESC|EXPLAIN) NAME(?: \. NAME)?(?: NAME| TEXT)?
    EXPLAIN (?:FORMAT = NAME )?FOR CONNECTION NUMBER
"""
_POSTGRES = """
    SHOW NAME(?: \\. NAME)?
    SHOW (?:ALL|TIME ZONE|TRANSACTION ISOLATION LEVEL|SESSION AUTHORIZATION)
"""
_CLICKHOUSE = rf"""
    SHOW (?:FULL )?(?:TABLES|DATABASES|DICTIONARIES|FUNCTIONS|CLUSTERS|MERGES|SETTINGS){_FROM}(?: (?:NOT )?I?LIKE TEXT)?(?: LIMIT NUMBER)?
    SHOW (?:FULL )?PROCESSLIST
    SHOW ENGINES
    SHOW CLUSTER (?:NAME|TEXT)
    SHOW CREATE (?:(?:TEMPORARY )?TABLE |DATABASE |VIEW |DICTIONARY )?NAME(?: \. NAME)?
    SHOW (?:EXTENDED )?(?:FULL )?(?:COLUMNS|FIELDS|INDEX|INDEXES|INDICES|KEYS) (?:FROM|IN) NAME(?: \. NAME| (?:FROM|IN) NAME)?{_LIKE}
    (?:DESCRIBE|DESC)(?: TABLE)? NAME(?: \. NAME)?
    EXISTS (?:TABLE |DATABASE |VIEW |DICTIONARY )?NAME(?: \. NAME)?
    SHOW SETTING NAME
"""
_DUCKDB = """
    SHOW (?:ALL )?(?:TABLES|DATABASES|SCHEMAS|VIEWS)
    (?:SHOW|DESCRIBE|DESC|SUMMARIZE) NAME(?: \\. NAME)?
    PRAGMA (?:TABLE_INFO|SHOW) \\( (?:NAME|TEXT) \\)
    PRAGMA (?:VERSION|DATABASE_SIZE|DATABASE_LIST|SHOW_TABLES|SHOW_TABLES_EXPANDED|FUNCTIONS|PLATFORM)
"""
_FORMS = {"mysql": _MYSQL, "postgres": _POSTGRES, "clickhouse": _CLICKHOUSE, "duckdb": _DUCKDB}
_SECRET_SETTINGS = frozenset({"primary_conninfo", "ssl_passphrase_command", "krb_server_keyfile", "ssl_key_file"})
_MYSQL_INTERNAL = frozenset(
    {"user", "global_priv", "db", "tables_priv", "proxies_priv", "servers", "slave_master_info"}
)


@cache
def _forms(dialect: str) -> tuple[re.Pattern[str], ...]:
    lines = [line.strip() for line in _FORMS.get(dialect, "").splitlines() if line.strip()]
    return tuple(
        re.compile(line.replace("NAME", r"<[^<>]+>").replace("TEXT", "'T'").replace("NUMBER", "0")) for line in lines
    )


_KEYWORDS = frozenset(re.findall(r"[A-Z_]+", _MYSQL + _POSTGRES + _CLICKHOUSE + _DUCKDB)) - {
    "NAME",
    "TEXT",
    "NUMBER",
    "T",
    "I",
}


_TSQL_STATEMENTS = frozenset(
    """
    insert update delete merge drop alter create truncate exec execute shutdown reconfigure checkpoint waitfor kill dbcc
    backup restore grant revoke deny use go declare set print raiserror throw begin commit rollback save while if goto
    return open close deallocate bulk readtext writetext updatetext dump load setuser
    """.split()
)


def check_words(tokens: Sequence[Token], *, dialect: str) -> None:
    """Refuse what no reading statement holds outside quotes: assignments, second T-SQL statements, secret settings."""
    if dialect != "duckdb" and any(token[2] == ":=" for token in tokens):
        raise RefusalError("An assignment changes the session. Write the value itself.")
    suspects = {"mssql": _TSQL_STATEMENTS, "postgres": _SECRET_SETTINGS}.get(dialect)
    if suspects is None or suspects.isdisjoint([token.value.lower() for token in tokens]):
        return
    for token in tokens:
        value = token.value.lower()
        if dialect == "mssql" and token.kind == "word" and value in _TSQL_STATEMENTS:
            raise RefusalError(
                f"'{token.value[:30]}' starts another statement in T-SQL. Put a column's name in [brackets]."
            )
        if dialect == "postgres" and token.kind == "string" and value in _SECRET_SETTINGS:
            raise RefusalError("This setting may hold a password. Leave it out.")


def plain_statement(tokens: Sequence[Token], *, dialect: str) -> str | None:
    """Return the statement to run if it is one of the listed forms, None if it is something else."""
    first = tokens[0].value.lower()
    if tokens[0].kind != "word" or first not in {
        "show",
        "describe",
        "desc",
        "explain",
        "exists",
        "pragma",
        "summarize",
    }:
        return None
    if first == "pragma" and dialect == "sqlite":
        return _sqlite_pragma(tokens)
    if len(tokens) > 60:
        return None
    head = _without_where(tokens) if dialect == "mysql" and first == "show" else tokens
    if any(form.fullmatch(shape) for shape in _shapes(head) for form in _forms(dialect)):
        _check_secrets(tokens)
        _check_files(tokens, dialect=dialect)
        return " ".join(token.text for token in tokens).replace(" . ", ".")
    if first in {"explain", "describe", "desc"}:
        return None
    raise RefusalError(f"This form of {first.upper()} is not on the list of harmless statements for {dialect}.")


_FILTER_WORDS = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL", "REGEXP", "RLIKE", "BETWEEN"})


def _without_where(tokens: Sequence[Token]) -> Sequence[Token]:
    """Cut a WHERE that only compares names with values; keep the statement whole otherwise."""
    at = next(
        (index for index, token in enumerate(tokens) if token.kind == "word" and token.value.upper() == "WHERE"), None
    )
    if at is None:
        return tokens
    for before, token in pairwise(tokens[at:]):
        if token.kind == "op" and token.text not in {"=", ">", "<", ">=", "<=", "<>", "!=", "(", ")", ","}:
            return tokens
        called = token.text == "(" and before.kind in {"word", "ident"} and before.value.upper() not in _FILTER_WORDS
        if called or token.value.upper() in {"SELECT", "INTO"}:
            return tokens
    return tokens[:at]


def _shapes(tokens: Sequence[Token]) -> list[str]:
    """The statement with keywords kept, and once more with every word after them taken as a name."""
    kept = [_shape(token, names=False) for token in tokens]
    shapes = [" ".join(kept)]
    for index in range(1, len(tokens)):
        if tokens[index].kind == "word" and kept[index][0] != "<":
            changed = list(kept)
            changed[index] = _shape(tokens[index], names=True)
            shapes.append(" ".join(changed))
    return shapes


def _shape(token: Token, *, names: bool) -> str:
    if token.kind == "string":
        return "'T'"
    if token.kind == "number":
        return "0" if token.value.isdigit() else "?"
    if token.kind == "ident" or (token.kind == "word" and (names or token.value.upper() not in _KEYWORDS)):
        return "<name>"
    return token.value.upper()


def _check_secrets(tokens: Sequence[Token]) -> None:
    names = {token.value.lower() for token in tokens}
    if names & _SECRET_SETTINGS:
        raise RefusalError("This setting may hold a password. Leave it out.")
    if "mysql" in names and names & _MYSQL_INTERNAL:
        raise RefusalError("This table holds accounts. Leave it out.")


def _check_files(tokens: Sequence[Token], *, dialect: str) -> None:
    from connectors.guards.sql_tables import FILE_NAME

    if dialect == "duckdb" and any(
        FILE_NAME.search(token.value) for token in tokens if token.kind in {"ident", "string"}
    ):
        raise RefusalError("This reads a file. Use the registered view's name.")


def _sqlite_pragma(tokens: Sequence[Token]) -> str:
    name = tokens[1].value.lower() if len(tokens) > 1 else ""
    if len(tokens) == 2 and name in SQLITE_PRAGMAS:
        return f"PRAGMA {name}"
    texts = [token.text for token in tokens[2:]]
    if (
        len(texts) == 3
        and texts[0] == "("
        and texts[2] == ")"
        and tokens[3].kind != "op"
        and name in _SQLITE_WITH_ARGUMENT
    ):
        return f"PRAGMA {name}({texts[1]})"
    raise RefusalError(
        "This PRAGMA changes the file or is not known to be harmless. Use PRAGMA table_info(name) and the like."
    )


_PG_OPTIONS = {"costs", "verbose", "settings", "summary", "buffers", "generic_plan", "memory", "timing", "wal"}
_PG_FORMATS = {"text", "json", "yaml", "xml"}
_SWITCHES = {"true", "false", "on", "off", "1", "0"}
_CLICKHOUSE_KINDS = {"plan", "pipeline", "syntax", "ast", "estimate", "indexes", "query"}
_CLICKHOUSE_OPTIONS = {
    "indexes",
    "actions",
    "header",
    "description",
    "json",
    "graph",
    "compact",
    "projections",
    "sorting",
    "optimize",
}


def explain_prefix(tokens: Sequence[Token], *, dialect: str) -> tuple[str, int]:
    """Return the text to put before the query and how many tokens it took; ("", 0) when there is none."""
    words = [token.value.lower() if token.kind in {"word", "number", "op"} else "" for token in tokens]
    if words[0] not in {"explain", "describe", "desc"} or tokens[0].kind != "word":
        return "", 0
    if words[0] != "explain" and dialect not in {"mysql", "duckdb"}:
        raise RefusalError(f"This form of {words[0].upper()} is not on the list of harmless statements for {dialect}.")
    reader = {"postgres": _explain_postgres, "mysql": _explain_mysql, "clickhouse": _explain_clickhouse}.get(dialect)
    if reader is not None:
        return reader(words)
    if dialect == "sqlite":
        return ("EXPLAIN QUERY PLAN ", 3) if words[1:3] == ["query", "plan"] else ("EXPLAIN ", 1)
    if dialect == "duckdb":
        return f"{words[0].upper()} ", 1
    raise RefusalError(f"EXPLAIN is not read here for {dialect}. Write the SELECT itself.")


def _refuse_analyze() -> RefusalError:
    return RefusalError("EXPLAIN ANALYZE runs the statement. Use EXPLAIN without ANALYZE.")


def _explain_postgres(words: Sequence[str]) -> tuple[str, int]:
    if len(words) > 1 and words[1] in {"analyze", "analyse"}:
        raise _refuse_analyze()
    if len(words) > 2 and words[1] == "verbose":
        if words[2] in {"analyze", "analyse"}:
            raise _refuse_analyze()
        return "EXPLAIN VERBOSE ", 2
    if len(words) < 3 or words[1] != "(" or words[2] in {"select", "with", "(", "values", "table"}:
        return "EXPLAIN ", 1
    end = words.index(")")
    parts: list[str] = []
    for option in " ".join(words[2:end]).split(" , "):
        name, _, value = option.strip().partition(" ")
        if name in {"analyze", "analyse"}:
            raise _refuse_analyze()
        if (name == "format" and value in _PG_FORMATS) or (name in _PG_OPTIONS and value in {"", *_SWITCHES}):
            parts.append(f"{name.upper()} {value.upper()}".strip())
        else:
            raise RefusalError(
                f"The EXPLAIN option '{name[:20]}' is not read here. Use FORMAT, COSTS, VERBOSE or SETTINGS."
            )
    return f"EXPLAIN ({', '.join(parts)}) ", end + 1


def _explain_mysql(words: Sequence[str]) -> tuple[str, int]:
    if len(words) > 1 and words[1] == "analyze":
        raise _refuse_analyze()
    if words[1:3] == ["format", "="]:
        if words[3] not in {"json", "tree", "traditional"}:
            raise RefusalError("This EXPLAIN format is not read here. Use JSON, TREE or TRADITIONAL.")
        if words[4] == "analyze":
            raise _refuse_analyze()
        return f"EXPLAIN FORMAT={words[3].upper()} ", 4
    if len(words) > 1 and words[1] in {"extended", "partitions"}:
        return f"EXPLAIN {words[1].upper()} ", 2
    return "EXPLAIN ", 1


def _explain_clickhouse(words: Sequence[str]) -> tuple[str, int]:
    at, kept = 1, ["EXPLAIN"]
    if words[at] in _CLICKHOUSE_KINDS and words[at] != "indexes":
        kept.append(words[at].upper())
        at += 1
        if kept[-1] == "QUERY":
            if words[at] != "tree":
                raise RefusalError("This EXPLAIN is not read here. Use EXPLAIN, EXPLAIN PLAN or EXPLAIN PIPELINE.")
            kept.append("TREE")
            at += 1
    options: list[str] = []
    while words[at] in _CLICKHOUSE_OPTIONS and words[at + 1] == "=" and words[at + 2] in {"0", "1"}:
        options.append(f"{words[at]} = {words[at + 2]}")
        at += 3
        if words[at] == ",":
            at += 1
    return " ".join([*kept, ", ".join(options)]).strip() + " ", at
