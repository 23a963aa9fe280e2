# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""The query DSL: clauses by allow-list, never a script, patterns without bombs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.guards.model import RefusalError

MAX_CLAUSES = 1_024
MAX_STARS = 3
_FIELD_CLAUSES = frozenset(
    """
    match match_phrase match_phrase_prefix match_bool_prefix term range prefix wildcard regexp fuzzy intervals
    geo_distance geo_bounding_box geo_polygon geo_shape span_term rank_feature distance_feature text_expansion
    """.split()
)
_FLAT_CLAUSES = frozenset(
    "multi_match query_string simple_query_string exists ids match_all match_none combined_fields more_like_this".split()
)
_BOOL_KEYS = frozenset({"must", "should", "filter", "must_not"})
_PATTERN_CLAUSES = frozenset({"wildcard", "regexp", "query_string", "simple_query_string", "prefix"})


def check_query(query: object) -> None:
    """Walk a query; refuse unknown clauses and scripts."""
    stack: list[tuple[object, int]] = [(query, 0)]
    seen = 0
    while stack:
        clause, depth = stack.pop()
        seen += 1
        if seen > MAX_CLAUSES or depth > 30:
            raise RefusalError("The query has too many clauses. Simplify it.")
        if isinstance(clause, list):
            stack.extend((item, depth + 1) for item in clause)
            continue
        if not isinstance(clause, dict) or len(clause) > 1:
            raise RefusalError('A query clause must be one object with one kind, such as {"term": …}.')
        for kind, value in clause.items():
            stack.extend((inner, depth + 1) for inner in _clause(kind, value))


def _clause(kind: str, value: object) -> list[object]:
    if kind in _FIELD_CLAUSES or kind in _FLAT_CLAUSES or kind == "terms":
        _leaf(kind, value)
        return []
    if not isinstance(value, dict):
        raise RefusalError(f"The clause '{kind[:40]}' is not read here.")
    if kind == "bool":
        _keys(value, _BOOL_KEYS | {"minimum_should_match", "boost", "_name", "adjust_pure_negative"}, kind)
        return [value[key] for key in _BOOL_KEYS if key in value]
    if kind in {
        "constant_score",
        "nested",
        "has_child",
        "has_parent",
        "boosting",
        "dis_max",
        "function_score",
        "filtered",
    }:
        return _compound(kind, value)
    if kind == "knn":
        check_knn(value)
        return []
    raise RefusalError(
        f"The query clause '{kind[:40]}' is not on the list of harmless clauses. Use bool, match, term or range."
    )


def _compound(kind: str, value: Mapping[str, object]) -> list[object]:
    inner = [value[key] for key in ("filter", "query", "positive", "negative", "queries") if key in value]
    for key, option in value.items():
        if key in {"filter", "query", "positive", "negative", "queries"}:
            continue
        if key == "functions" and isinstance(option, list):
            inner.extend(
                function["filter"] for function in option if isinstance(function, dict) and "filter" in function
            )
            check_options(
                [
                    {k: v for k, v in function.items() if k != "filter"}
                    for function in option
                    if isinstance(function, dict)
                ]
            )
        elif key == "inner_hits" or not isinstance(option, str | int | float | bool):
            check_options(option)
        if "script" in key:
            raise RefusalError("Scripts do not run here. Use plain clauses.")
    if not inner and kind != "function_score":
        raise RefusalError(f"The clause '{kind}' holds no query.")
    return inner


def _leaf(kind: str, value: object) -> None:
    if not isinstance(value, dict):
        raise RefusalError(f"The clause '{kind[:40]}' must be an object.")
    for field, option in value.items():
        if kind in _PATTERN_CLAUSES:
            _check_patterns(option, regexp=kind == "regexp")
        if kind == "terms" and isinstance(option, dict):
            raise RefusalError("A terms lookup reads another index. List the values.")
        if kind == "terms" and isinstance(option, list) and len(option) > 10_000:
            raise RefusalError("A terms clause holds more than 10,000 values. Use fewer.")
        if kind in _FLAT_CLAUSES and field in {"script", "_index"}:
            raise RefusalError("Scripts do not run here. Use plain clauses.")
        if kind == "intervals" or isinstance(option, dict):
            check_options(option)


def _keys(value: Mapping[str, object], allowed: frozenset[str] | set[str], what: str) -> None:
    for key in value:
        if key not in allowed:
            raise RefusalError(f"'{key[:40]}' is not read inside '{what}'. Remove it.")


def check_knn(value: object) -> None:
    """Judge vector search options and the filters inside."""
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            raise RefusalError("knn must be an object.")
        _keys(item, {"field", "query_vector", "k", "num_candidates", "filter", "boost", "similarity"}, "knn")
        if "filter" in item:
            check_query(item["filter"])


def check_options(value: object) -> None:
    """Refuse scripts and nested queries anywhere inside options."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            for key, inner in item.items():
                if key in {"script", "_script", "script_score", "script_fields"} or (
                    key.endswith("_script") and isinstance(inner, dict)
                ):
                    raise RefusalError("Scripts do not run here. Use plain fields and clauses.")
                if key in {"highlight_query"}:
                    check_query(inner)
                elif key == "size" and isinstance(inner, int) and inner > 10_000:
                    raise RefusalError("A size inside is over 10,000. Use a smaller one.")
                else:
                    stack.append(inner)


def _check_patterns(option: object, *, regexp: bool) -> None:
    texts = (
        [option]
        if isinstance(option, str)
        else [text for text in option.values() if isinstance(text, str)]
        if isinstance(option, dict)
        else []
    )
    for text in texts:
        check_regexp(text) if regexp else check_pattern(text)


def check_pattern(text: str) -> None:
    """Refuse wildcard terms with many stars, and bombs in /regular expressions/."""
    for word in re.split(r"[\s()\"]+", text):
        if word.count("*") + word.count("%2A") > MAX_STARS or word.count("?") > 20:
            raise RefusalError(
                f"A pattern has more than {MAX_STARS} stars, which is very slow. Use fewer, or match on words."
            )
    for found in re.findall(r"/((?:[^/\\]|\\.)+)/", text):
        check_regexp(found)


def check_regexp(text: str) -> None:
    """Refuse long expressions, many open repeats, and repeats inside repeats."""
    loose = len(re.findall(r"(?<!\\)[*+]", text))
    if (
        len(text) > 200
        or loose > MAX_STARS
        or re.search(r"[*+}][^()]*\)[*+{]", text)
        or re.search(r"\{\d*,?\d{4,}", text)
    ):
        raise RefusalError("The regular expression is too costly. Use a simpler one.")
