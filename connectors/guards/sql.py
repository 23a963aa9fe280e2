# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""The SQL guard: lex, parse, walk, regenerate, lex again.

Nothing is trusted twice: the tree is judged by an allow-list of node classes, and the text made from it
is lexed anew so that every name the server would call is on the dialect's list of harmless functions.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from connectors.guards import sql_cost, sql_lists, sql_nodes, sql_statements, sql_tables
from connectors.guards.lexer import Token, lex
from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.sql_census import Census
from connectors.guards.sql_proof import READ_AS, regenerate

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
    folded, aside = sql_lists.fold(tokens, clean)
    tree = parse(folded, dialect=dialect)
    census = Census(tree)
    try:
        walk(census, dialect=dialect)
        sql_tables.check_tables(census, dialect=dialect)
        sql_cost.check_tree(census, dialect=dialect, limits=limits)
        aliases = _column_aliases(census)
        if limits.max_rows is not None and not explained:
            tree = sql_cost.cap_rows(tree, max_rows=limits.max_rows, dialect=dialect, notes=notes)
        return regenerate(tree, tokens, aliases=aliases, aside=aside, dialect=dialect)
    finally:
        census.take_apart()


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


def walk(census: Census, *, dialect: str) -> None:
    """Refuse every node class that is not known to be harmless."""
    for kind in census.types:
        name = kind.__name__
        if issubclass(kind, exp.Func) and name not in sql_nodes.REFUSED_FUNCTION_NODES:
            continue
        if name not in sql_nodes.NODES:
            raise RefusalError(f"{_named(name)} is not allowed in a reading statement. Remove it.")
    for node in (*census.of(exp.Query), *census.of(exp.Table)):
        _check_parts(node)
    for variable in (*census.of(exp.Parameter), *census.of(exp.SessionParameter)):
        _check_variable(variable, dialect=dialect)


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
            raise RefusalError(f"The part '{key.strip('_').upper()}' is not allowed in a reading statement. Remove it.")


def _named(name: str) -> str:
    known = {
        "Lock": "Locking rows (FOR UPDATE, FOR SHARE)", "Into": "SELECT … INTO", "Insert": "INSERT", "Update": "UPDATE",
        "Delete": "DELETE", "Merge": "MERGE", "Hint": "A hint", "SettingsProperty": "SETTINGS", "Command": "This command",
        "Placeholder": "A placeholder", "NextValueFor": "Taking a sequence value", "Returning": "RETURNING",
    }  # fmt: skip
    return known.get(name, f"The part '{name}'")


def _check_variable(node: exp.Expr, *, dialect: str) -> None:
    server = isinstance(node, exp.SessionParameter) or node.sql(dialect=READ_AS.get(dialect, dialect)).startswith("@@")
    if isinstance(node.parent, exp.Parameter):
        return
    if dialect not in {"mysql", "mssql"} or (not server and dialect == "mssql"):
        raise RefusalError("Variables are not allowed here. Write the value itself.")


def _column_aliases(census: Census) -> Counter[str]:
    """How often each name is an alias with a column list, as in `WITH n(i)` or `AS t(a, b)`."""
    named: Counter[str] = Counter()
    for alias in census.of(exp.TableAlias):
        if alias.columns and alias.this is not None:
            named[alias.name.lower()] += 1
    return named
