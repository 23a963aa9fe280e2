"""Writes the tree back as text and proves the text anew: every name it calls is on the list of harmless functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import import_module

from sqlglot import exp
from sqlglot.errors import SqlglotError

from connectors.guards import sql_lists, sql_nodes
from connectors.guards.lexer import Token, lex
from connectors.guards.model import RefusalError

READ_AS = {"mssql": "tsql"}
_MAX_TOKENS, _MAX_CHARS = 16_000, 256 * 1024
_PLAIN_SCHEMAS = {
    "postgres": {"pg_catalog"},
    "mssql": {"sys"},
    "bigquery": {"net", "safe", "hll_count", "keys", "farm_fingerprint"},
    "duckdb": {"main"},
}
_SAMPLES = frozenset({"system", "bernoulli", "reservoir"})
# What the lexer has rules for beyond names, numbers, signs and plain strings; such a text is lexed. The second is
# for the text in which each string became one quote: prefixed and adjacent strings, numbers that end in letters.
_ODD = re.compile(r"[^ -~]|[\"`\\;]")
_ODD_CODE = re.compile(r"[$#@\[\]{}]|--|/\*|[\w&']'|(?<!\w)[0-9][0-9_.]*+[A-Za-z_]", re.ASCII)
_STRING = re.compile(r"'[^']*+'")
_CALL = re.compile(r"(\.\s*+)?(?<!\w)([A-Za-z_]\w*+)\s*+\(", re.ASCII)


def regenerate(
    tree: exp.Expr, source: Sequence[Token], *, aliases: Counter[str], aside: dict[str, str], dialect: str
) -> str:
    """Return the comment-free text of the tree with the values set aside put back, proven anew."""
    try:  # the tree is ours and ends here, so it need not be copied before it is written
        text = tree.sql(dialect=READ_AS.get(dialect, dialect), comments=False, normalize_functions=False, copy=False)
    except RecursionError as error:
        raise RefusalError("The statement is nested too deeply. Simplify it.") from error
    except (SqlglotError, ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise RefusalError("The statement could not be written back safely. Simplify it.") from error
    if len(text) > _MAX_CHARS:
        raise RefusalError("The statement grows too long when it is written out. Simplify it.")
    whole = sql_lists.unfold(text, aside)
    if whole is None:
        raise RefusalError("A long list of values could not be written back. Shorten it.")
    calls = _plain_calls(whole)
    if calls is None:
        _prove_by_lexer(whole, source, aliases=aliases, dialect=dialect)
    else:
        _Judge(dialect, aliases).check_names(calls)
    return whole


def _plain_calls(text: str) -> list[str] | None:
    """The names before brackets of a text without anything the lexer has special rules for; None for other texts."""
    code = _STRING.sub("'", text)
    if _ODD.search(text) is not None or _ODD_CODE.search(code) is not None:
        return None
    found = _CALL.findall(code)
    names = [name.lower() for dotted, name in found if not dotted]
    plain = len(names) == len(found) and _SAMPLES.isdisjoint(names) and code.count("(") == code.count(")")
    return names if plain and text.count("'") % 2 == 0 else None


def _prove_by_lexer(text: str, source: Sequence[Token], *, aliases: Counter[str], dialect: str) -> None:
    tokens, _ = lex(text, dialect=dialect, max_depth=500, max_tokens=_MAX_TOKENS)
    _check_strings(tokens, source)
    check_calls(tokens, aliases=aliases, dialect=dialect)
    if any(token.text == ";" and token.kind == "op" for token in tokens):
        raise RefusalError("More than one statement. Send exactly one.")


def _check_strings(tokens: Sequence[Token], source: Sequence[Token]) -> None:
    known = {token.value for token in source if token.kind in {"string", "ident"}}
    for token in tokens:
        if token.kind == "string" and any(char in token.value for char in "'\"\\`;") and token.value not in known:
            raise RefusalError("A string with quotes or backslashes could not be read safely. Simplify the string.")


@cache
def functions(dialect: str) -> frozenset[str]:
    """Lower-case names a query of this dialect may call."""
    names: frozenset[str] = import_module(f"connectors.guards.functions_{dialect}").FUNCTIONS
    return names


def check_calls(tokens: Sequence[Token], *, aliases: Counter[str], dialect: str) -> None:
    """Refuse every `name(` that is neither harmless nor an alias with a column list."""
    judge = _Judge(dialect, aliases)
    for index in range(1, len(tokens)):
        token = tokens[index - 1]
        if tokens[index].text != "(" or token.kind not in {"word", "ident"}:
            continue
        name = token.value.lower()
        sampled = name in _SAMPLES and index > 1 and tokens[index - 2].value.lower() == "tablesample"
        if not sampled:
            judge.check(name, _schema(tokens, index - 1), quoted=token.kind == "ident")


class _Judge:
    """The names one statement calls, in their order: `aliases` with a column list count down as they come."""

    def __init__(self, dialect: str, aliases: Counter[str]) -> None:
        self._dialect = dialect
        self._allowed = functions(dialect)
        self._left = Counter(aliases)

    def check_names(self, names: Sequence[str]) -> None:
        """Plain names without schema or quotes."""
        for name in names:
            self.check(name, None, quoted=False)

    def check(self, name: str, schema: str | None, *, quoted: bool) -> None:
        if schema is None and not quoted and (name in sql_nodes.BRACKET_WORDS or name in sql_nodes.TYPE_WORDS):
            return
        if schema is None and self._left[name] > 0 and name not in self._allowed:
            self._left[name] -= 1
            return
        if schema is None and name in self._allowed:
            return
        if schema is not None and f"{schema}.{name}" in self._allowed:
            return
        if schema in _PLAIN_SCHEMAS.get(self._dialect, ()) and name in self._allowed:
            return
        shown = f"{schema}.{name}" if schema else name
        raise RefusalError(
            f"The function '{shown[:60]}' is not on the list of harmless functions for {self._dialect}. Leave it out."
        )


def _schema(tokens: Sequence[Token], at: int) -> str | None:
    parts: list[str] = []
    while at >= 2 and tokens[at - 1].text == "." and tokens[at - 2].kind in {"word", "ident"}:
        at -= 2
        parts.append(tokens[at].value.lower())
    return ".".join(reversed(parts)) if parts else None
