"""Datadog's search syntax over flat documents: facets, phrases, OR, AND, parentheses, wildcards."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

from tests.support.http_double import RefusedError

_TOKEN = re.compile(
    r'\s*(?:(\()|(\))|(OR\b|AND\b)|((?:@?[\w.\-]+:)?"(?:\\.|[^"\\])*")|(@?[\w.\-]+:(?=\())|([^\s()"]+))'
)


def matches(query: str, document: Mapping[str, Any]) -> bool:
    """Whether a document (facet → value; `message` holds the text) fits."""
    tokens, at = [], 0
    while query[at:].strip():
        found = _TOKEN.match(query, at)
        if found is None:
            raise RefusedError(400, {"errors": [f"invalid query at {at}"]})
        tokens.append(found[0].strip())
        at = found.end()
    answer, rest = _any(tokens, document, "")
    if rest:
        raise RefusedError(400, {"errors": ["unbalanced parentheses in query"]})
    return answer


def _any(tokens: list[str], document: Mapping[str, Any], facet: str) -> tuple[bool, list[str]]:
    found, tokens = _all(tokens, document, facet)
    while tokens and tokens[0] == "OR":
        more, tokens = _all(tokens[1:], document, facet)
        found = found or more
    return found, tokens


def _all(tokens: list[str], document: Mapping[str, Any], facet: str) -> tuple[bool, list[str]]:
    found = True
    while tokens and tokens[0] not in ("OR", ")"):
        if tokens[0] == "AND":
            tokens = tokens[1:]
            continue
        one, tokens = _one(tokens, document, facet)
        found = found and one
    return found, tokens


def _one(tokens: list[str], document: Mapping[str, Any], facet: str) -> tuple[bool, list[str]]:
    token, rest = tokens[0], tokens[1:]
    if token.endswith(":") and rest[:1] == ["("]:
        facet, token, rest = token[:-1], "(", rest[1:]
    if token == "(":
        found, rest = _any(rest, document, facet)
        if rest[:1] != [")"]:
            raise RefusedError(400, {"errors": ["unbalanced parentheses in query"]})
        return found, rest[1:]
    named = re.match(r"(@?[\w.\-]+):(.*)", token, re.DOTALL)
    if named and not facet:
        facet, token = named[1], named[2]
    quoted = token.startswith('"')
    wanted = re.sub(r"\\(.)", r"\1", token[1:-1]) if quoted else token
    return _holds(document, facet, wanted, quoted=quoted), rest


def _holds(document: Mapping[str, Any], facet: str, wanted: str, *, quoted: bool) -> bool:
    if not facet:
        return wanted == "*" or wanted.lower() in str(document.get("message", "")).lower()
    value = document.get(facet)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if wanted == "*" and not quoted:
        return bool(values)
    return any(
        str(one) == wanted if quoted else fnmatch.fnmatchcase(str(one).lower(), wanted.lower()) for one in values
    )
