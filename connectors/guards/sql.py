# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""The SQL guard: lex, parse, walk, regenerate, lex again.

Nothing is trusted twice: the tree is judged by an allow-list of node classes, and the text made from it
is lexed anew so that every name the server would call is on the dialect's list of harmless functions.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import import_module

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from connectors.guards import sql_cost, sql_nodes, sql_statements, sql_tables
from connectors.guards.lexer import Token, lex
from connectors.guards.model import Allowed, GuardLimits, RefusalError

READ_AS = {"mssql": "tsql"}
_PLAIN_SCHEMAS = {
    "postgres": {"pg_catalog"},
    "mssql": {"sys"},
    "bigquery": {"net", "safe", "hll_count", "keys", "farm_fingerprint"},
    "duckdb": {"main"},
}

logging.getLogger("sqlglot").setLevel(logging.ERROR)


def guard_sql(text: str, *, dialect: str, limits: GuardLimits) -> Allowed:
    """Return the statement that may run; raise RefusalError otherwise."""
    tokens, clean = lex(text, dialect=dialect, max_depth=limits.max_depth)
    tokens, clean = _one_statement(tokens, clean)
    sql_cost.check_tokens(tokens)
    sql_statements.check_words(tokens, dialect=dialect)
    plain = sql_statements.plain_statement(tokens, dialect=dialect)
    if plain is not None:
        return Allowed(plain)
    prefix, skipped = sql_statements.explain_prefix(tokens, dialect=dialect)
    if prefix:
        clean = _rest(clean, tokens, skipped)
        tokens = tokens[skipped:]
    notes: list[str] = []
    regenerated = _guard_query(tokens, clean, dialect=dialect, limits=limits, notes=notes, explained=bool(prefix))
    return Allowed(f"{prefix}{regenerated}", tuple(notes))


def _one_statement(tokens: list[Token], clean: str) -> tuple[list[Token], str]:
    while tokens and tokens[-1].text == ";":
        tokens, clean = tokens[:-1], clean.rstrip()[:-1]
    if not tokens:
        raise RefusalError("There is no statement. Write one SELECT.")
    if any(token.kind == "op" and token.text == ";" for token in tokens):
        raise RefusalError("More than one statement. Send exactly one.")
    return tokens, clean.strip()


def _rest(clean: str, tokens: Sequence[Token], skipped: int) -> str:
    at = 0
    for token in tokens[:skipped]:
        at = clean.index(token.text, at) + len(token.text)
    return clean[at:].strip()


def _guard_query(
    tokens: Sequence[Token], clean: str, *, dialect: str, limits: GuardLimits, notes: list[str], explained: bool
) -> str:
    first = next((token.value.lower() for token in tokens if token.text != "("), "")
    if first not in {"select", "with", "values", "table", "from"} or (
        first == "from" and dialect not in {"duckdb", "clickhouse"}
    ):
        raise RefusalError(
            f"Only reading statements may run here; this one starts with '{first[:30]}'. Write a SELECT."
        )
    tree = parse(clean, dialect=dialect)
    walk(tree, dialect=dialect)
    sql_tables.check_tables(tree, dialect=dialect)
    sql_cost.check_tree(tree, dialect=dialect, limits=limits)
    if limits.max_rows is not None and not explained:
        tree = sql_cost.cap_rows(tree, max_rows=limits.max_rows, dialect=dialect, notes=notes)
    return regenerate(tree, tokens, dialect=dialect)


def parse(clean: str, *, dialect: str) -> exp.Expr:
    """Parse exactly one reading statement."""
    try:
        trees = sqlglot.parse(clean, read=READ_AS.get(dialect, dialect))
    except SqlglotError as error:
        raise RefusalError("The statement could not be read as this dialect's SQL. Check its spelling.") from error
    except RecursionError as error:
        raise RefusalError("The statement is nested too deeply. Simplify it.") from error
    except (ValueError, AttributeError, TypeError, KeyError, IndexError, AssertionError) as error:
        raise RefusalError("The statement could not be read safely. Simplify it.") from error
    if len(trees) != 1 or trees[0] is None:
        raise RefusalError("More than one statement. Send exactly one.")
    tree = trees[0]
    while isinstance(tree, exp.Paren | exp.Subquery) and isinstance(tree.this, exp.Query) and len(_filled(tree)) == 1:
        tree = tree.this
    if not isinstance(tree, exp.Query | exp.Values):
        raise RefusalError("Only a reading statement may run here. Write one SELECT.")
    return tree


def _filled(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value]


def walk(tree: exp.Expr, *, dialect: str) -> None:
    """Refuse every node class that is not known to be harmless."""
    for node in tree.walk():
        name = type(node).__name__
        if isinstance(node, exp.Func) and name not in sql_nodes.REFUSED_FUNCTION_NODES:
            continue
        if name not in sql_nodes.NODES:
            raise RefusalError(f"{_named(name)} is not allowed in a reading statement. Remove it.")
        _check_parts(node)
        if name in {"Parameter", "SessionParameter"}:
            _check_variable(node, dialect=dialect)


def _check_parts(node: exp.Expr) -> None:
    if isinstance(node, exp.Query):
        allowed = sql_nodes.QUERY_PARTS
    elif isinstance(node, exp.Table):
        allowed = sql_nodes.TABLE_PARTS
    else:
        return
    for key in _filled(node):
        if key == "operation_modifiers" and {str(word).upper() for word in node.args[key]} <= sql_nodes.MODIFIERS:
            continue
        if key not in allowed:
            raise RefusalError(f"'{key.strip('_').upper()}' is not allowed in a reading statement. Remove it.")


def _named(name: str) -> str:
    known = {
        "Lock": "Locking rows (FOR UPDATE, FOR SHARE)", "Into": "SELECT … INTO", "Insert": "INSERT", "Update": "UPDATE",
        "Delete": "DELETE", "Merge": "MERGE", "Hint": "A hint", "SettingsProperty": "SETTINGS", "Command": "This command",
        "Placeholder": "A placeholder", "NextValueFor": "Taking a sequence value",
    }  # fmt: skip
    return known.get(name, f"'{name}'")


def _check_variable(node: exp.Expr, *, dialect: str) -> None:
    server = isinstance(node, exp.SessionParameter) or node.sql(dialect=READ_AS.get(dialect, dialect)).startswith("@@")
    if isinstance(node.parent, exp.Parameter):
        return
    if dialect not in {"mysql", "mssql"} or (not server and dialect == "mssql"):
        raise RefusalError("Variables are not allowed here. Write the value itself.")


def regenerate(tree: exp.Expr, source: Sequence[Token], *, dialect: str) -> str:
    """Return the comment-free text of the tree, proven anew by the lexer."""
    aliases = _column_aliases(tree)
    try:  # the tree is ours and ends here, so it need not be copied before it is written
        text = tree.sql(dialect=READ_AS.get(dialect, dialect), comments=False, normalize_functions=False, copy=False)
    except RecursionError as error:
        raise RefusalError("The statement is nested too deeply. Simplify it.") from error
    except (SqlglotError, ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise RefusalError("The statement could not be written back safely. Simplify it.") from error
    tokens, _ = lex(text, dialect=dialect, max_depth=500)
    _check_strings(tokens, source)
    check_calls(tokens, aliases=aliases, dialect=dialect)
    if any(token.text == ";" and token.kind == "op" for token in tokens):
        raise RefusalError("More than one statement. Send exactly one.")
    return text


def _check_strings(tokens: Sequence[Token], source: Sequence[Token]) -> None:
    known = {token.value for token in source if token.kind in {"string", "ident"}}
    for token in tokens:
        if token.kind == "string" and any(char in token.value for char in "'\"\\`;") and token.value not in known:
            raise RefusalError("A string with quotes or backslashes could not be read safely. Simplify the string.")


def _column_aliases(tree: exp.Expr) -> Counter[str]:
    """How often each name is an alias with a column list, as in `WITH n(i)` or `AS t(a, b)`."""
    named: Counter[str] = Counter()
    for alias in tree.find_all(exp.TableAlias):
        if alias.columns and alias.this is not None:
            named[alias.name.lower()] += 1
    return named


@cache
def functions(dialect: str) -> frozenset[str]:
    """Lower-case names a query of this dialect may call."""
    names: frozenset[str] = import_module(f"connectors.guards.functions_{dialect}").FUNCTIONS
    return names


def check_calls(tokens: Sequence[Token], *, aliases: Counter[str], dialect: str) -> None:
    """Refuse every `name(` that is neither harmless nor an alias with a column list."""
    allowed, left = functions(dialect), Counter(aliases)
    for index in range(1, len(tokens)):
        if tokens[index].text != "(":
            continue
        token = tokens[index - 1]
        if token.kind not in {"word", "ident"}:
            continue
        name = token.value.lower()
        schema = _schema(tokens, index - 1)
        if (
            schema is None
            and token.kind == "word"
            and (name in sql_nodes.BRACKET_WORDS or name in sql_nodes.TYPE_WORDS)
        ):
            continue
        if (
            name in {"system", "bernoulli", "reservoir"}
            and index > 1
            and tokens[index - 2].value.lower() == "tablesample"
        ):
            continue
        if schema is None and left[name] > 0 and name not in allowed:
            left[name] -= 1
            continue
        _check_call(name, schema, allowed=allowed, dialect=dialect)


def _schema(tokens: Sequence[Token], at: int) -> str | None:
    parts: list[str] = []
    while at >= 2 and tokens[at - 1].text == "." and tokens[at - 2].kind in {"word", "ident"}:
        at -= 2
        parts.append(tokens[at].value.lower())
    return ".".join(reversed(parts)) if parts else None


def _check_call(name: str, schema: str | None, *, allowed: frozenset[str], dialect: str) -> None:
    if schema is None and name in allowed:
        return
    if schema is not None and f"{schema}.{name}" in allowed:
        return
    if schema in _PLAIN_SCHEMAS.get(dialect, ()) and name in allowed:
        return
    shown = f"{schema}.{name}" if schema else name
    raise RefusalError(
        f"The function '{shown[:60]}' is not on the list of harmless functions for {dialect}. Leave it out."
    )
