"""The part of the query DSL that is asked, over plain documents; anything else is a parsing error, as on a node."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

TEXTS = frozenset({"text", "match_only_text"})


class RefusedError(Exception):
    """An error answer: status, type and reason."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.kind, self.reason = status, kind, reason


def parsing(reason: str) -> RefusedError:
    return RefusedError(400, "parsing_exception", reason)


def value_at(doc: Mapping[str, Any], field: str) -> Any:
    """The value of a dotted field; `x.keyword` is the whole of `x`."""
    if field in doc:
        return doc[field]
    node: Any = doc
    for part in field.removesuffix(".keyword").split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def flat(doc: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in doc.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def tokens(text: object) -> list[str]:
    """Words about as the standard analyzer cuts them."""
    return re.findall(r"\w+(?:\.\w+)*", str(text).lower())


def matches(query: Any, doc: Mapping[str, Any], types: Mapping[str, str]) -> bool:
    if not isinstance(query, dict) or len(query) != 1:
        raise parsing("[query] malformed query, expected one query name")
    name, body = next(iter(query.items()))
    match name:
        case "match_all":
            return True
        case "bool":
            return _bool(body, doc, types)
        case "multi_match":
            return score(body, doc) > 0
        case "term" | "terms" | "range" | "match" | "wildcard":
            return _field_query(name, body, doc, types)
        case _:
            raise parsing(f"unknown query [{name}]")


def _bool(body: Any, doc: Mapping[str, Any], types: Mapping[str, str]) -> bool:
    unknown = set(body) - {"filter", "must", "should", "must_not"}
    if unknown:
        raise parsing(f"[bool] query does not support [{sorted(unknown)[0]}]")
    needed = [*body.get("filter", []), *body.get("must", [])]
    optional = body.get("should", [])
    return (
        all(matches(clause, doc, types) for clause in needed)
        and not any(matches(clause, doc, types) for clause in body.get("must_not", []))
        and (bool(needed) or not optional or any(matches(clause, doc, types) for clause in optional))
    )


def _field_query(name: str, body: Any, doc: Mapping[str, Any], types: Mapping[str, str]) -> bool:
    if not isinstance(body, dict) or len(body) != 1:
        raise parsing(f"[{name}] query doesn't support multiple fields")
    field, spec = next(iter(body.items()))
    value = value_at(doc, field)
    if field not in types or value is None:
        return False
    match name:
        case "term":
            return bool(value == (spec["value"] if isinstance(spec, dict) else spec))
        case "terms":
            if not isinstance(spec, list):
                raise parsing("[terms] query requires an array of terms")
            return value in spec
        case "range":
            return _range(spec, value)
        case "wildcard":
            pattern = re.sub(r"\\(.)", lambda found: f"[{found[1]}]", spec["value"])
            return fnmatch.fnmatchcase(str(value).lower(), pattern.lower())
        case _:
            return _match(spec, value, analysed=types[field] in TEXTS)


def _match(spec: Any, value: Any, *, analysed: bool) -> bool:
    asked = spec["query"] if isinstance(spec, dict) else spec
    if not analysed:
        return bool(value == asked)
    words, there = tokens(asked), set(tokens(value))
    if isinstance(spec, dict) and spec.get("operator") == "and":
        return bool(words) and all(word in there for word in words)
    return any(word in there for word in words)


def score(body: Any, doc: Mapping[str, Any]) -> float:
    """Words found, weighted by the field's boost: an order, not Lucene's number."""
    words, found = tokens(body["query"]), 0.0
    for entry in body["fields"]:
        field, _, boost = entry.partition("^")
        there = tokens(value_at(doc, field) or "")
        found += sum(there.count(word) for word in words) * float(boost or 1)
    return found


def _range(spec: Any, value: Any) -> bool:
    unknown = set(spec) - {"gt", "gte", "lt", "lte", "format"}
    if unknown:
        raise parsing(f"[range] query does not support [{sorted(unknown)[0]}]")
    at = instant(value)
    tests = {"gt": at.__gt__, "gte": at.__ge__, "lt": at.__lt__, "lte": at.__le__}
    return all(test(instant(spec[edge])) for edge, test in tests.items() if edge in spec)


def instant(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError as error:
        raise RefusedError(400, "parse_exception", f"failed to parse date field [{value}]") from error
